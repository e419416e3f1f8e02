"""Searches in one long log: the exact count and the first hit, beside ripgrep over the same lines."""

import json
import resource
import shutil
import subprocess
import time
import urllib.parse

from . import engines

RARE = "zebra_quagga_okapi"
NONE = "quagga_okapi_zebra"
QUESTIONS = [
    ("a word in the last line", RARE, False),
    ("a word that is nowhere", NONE, False),
    ("a common word", "the", False),
    ("a pattern with a text in it", r"error[: ]+[a-z]+ [0-9]{3}", True),
    ("a pattern of classes alone", r"\b[A-Z]{4,}[0-9]{2,}\b", True),
]


def write_lines(bench, path, lines):
    """Real lines, as often as it takes; the last one has the rare word."""
    source = bench.corpus.sized(bench.pick(60_000_000, 250_000_000))
    left = lines - 1
    with open(path, "wb") as out:
        while left > 0:
            with open(source, "rb") as real:
                for line in real:
                    if left == 0:
                        break
                    out.write(line)
                    left -= 1
        out.write(f"here is the {RARE} at last\n".encode())


def ask(server, name, text, regex):
    """(seconds, CPU seconds of the server, answer) of the best of three; of one, if that takes long."""
    query = urllib.parse.urlencode({"q": text, "regex": str(regex).lower(), "limit": 1})
    best, least, answer = None, None, None
    for _ in range(3):
        began, cpu = time.monotonic(), engines.cpu_of(server.pid)
        count, cursor = 0, ""
        while cursor is not None:
            answer = json.loads(
                server.get(f"/api/v1/executions/{name}/logs/search?{query}{cursor and '&cursor=' + cursor}")
            )
            count += answer["count"]
            cursor = answer["next_cursor"]
        seconds = time.monotonic() - began
        cpu = engines.cpu_of(server.pid) - cpu
        answer["count"] = count
        best = min(best or seconds, seconds)
        least = min(least or cpu, cpu)
        if seconds > 5:
            break
    return best, least, answer


def wait_for_tokens(server, name):
    """Until the merger has made of all of it what searches use."""
    deadline = time.monotonic() + 300
    while True:
        answer = ask(server, name, NONE, False)[2]
        if answer["skipped_bytes"] > 20 * answer["scanned_bytes"] or time.monotonic() > deadline:
            return


def by_ripgrep(packed, text, regex):
    """(seconds, CPU seconds of both programs) of the best of three; of one, if that takes long."""
    command = ["rg", "--count", *([] if regex else ["--fixed-strings"]), "-e", text]
    best, least = None, None
    for _ in range(3):
        began, cpu = time.monotonic(), children_cpu()
        with subprocess.Popen(["zstd", "-dc", packed], stdout=subprocess.PIPE) as unpack:
            subprocess.run(command, stdin=unpack.stdout, stdout=subprocess.DEVNULL, check=False)
            unpack.stdout.close()
        seconds, cpu = time.monotonic() - began, children_cpu() - cpu
        best = min(best or seconds, seconds)
        least = min(least or cpu, cpu)
        if seconds > 5:
            break
    return best, least


def children_cpu():
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def in_databases(bench, table, counts):
    """Seconds of each question, by database and text. They hold a row for each line, PostgreSQL with its number as key
    (an index over words finds no part of a word, and no expression)."""
    found = {}

    def use(database):
        began = time.monotonic()
        database.load_lines(table)
        bench.note(
            f"{database.what} ({database.durability}) took the lines in {time.monotonic() - began:.0f} s, in bulk"
        )
        for _, text, regex in QUESTIONS:
            condition = database.line_matches(text, regex)
            statement = f"SELECT count(*), min(number) FROM lines WHERE {condition}"
            seconds, rows = engines.timed(lambda: database.ask(statement))
            found.setdefault(text, {})[database.what] = seconds
            if int(rows[0][0]) != counts[text]:
                bench.note(f"{database.what} counts {int(rows[0][0]):,} of {text}, Runnel {counts[text]:,}")

    engines.each(bench, use)
    return found


def searches(bench):
    lines = bench.pick(1_000_000, 10_000_000)
    path, packed, table = (bench.work / name for name in ("searched", "searched.zst", "searched.table"))
    write_lines(bench, path, lines)
    rivals = bool(shutil.which("rg") and shutil.which("zstd"))
    size = path.stat().st_size
    ours, references, counts, scanned = {}, {}, {}, {}
    with bench.server("search") as server:
        bench.load_ingest(server, sockets=1, lines=lines, prefix="search", file=path, window=32)
        wait_for_tokens(server, "search0")
        for what, text, regex in QUESTIONS:
            *ours[text], answer = ask(server, "search0", text, regex)
            counts[text] = answer["count"]
            scanned[text] = answer["scanned_bytes"] / max(answer["scanned_bytes"] + answer["skipped_bytes"], 1)
            bench.note(f"{what}: {answer['count']:,} hits; {scanned[text]:.1%} of {size / 1e6:,.0f} MB looked at")
    if rivals:
        subprocess.run(["zstd", "-q", "-3", "-f", path, "-o", packed], check=True)
        references = {text: by_ripgrep(packed, text, regex) for _, text, regex in QUESTIONS}
        packed.unlink()
    else:
        bench.row("beside zstd -dc | rg", "", None, "not measured: zstd or rg is not installed", met=False)
    engines.write_table(path, table)
    path.unlink()
    others = in_databases(bench, table, counts)
    table.unlink()
    goal = 0.3 * lines / 10_000_000
    for what, text, _ in QUESTIONS:
        seconds = ours[text][0]
        beside = {"zstd -dc | rg": references[text][0]} if rivals else {}
        beside.update(others.get(text, {}))
        first = next(iter(beside.values()), None)
        bench.row(
            f"search {lines:,} lines for {what}: count and first hit",
            f"≤ {goal:.3g} s",
            seconds,
            "s",
            first,
            engines.beside_text(beside, "s"),
            seconds / first if first else None,
            seconds <= goal,
        )
    for what, text, _ in QUESTIONS:
        if scanned[text] < 0.5:
            continue
        figure = size / 1e9 / ours[text][1]
        reference = size / 1e9 / references[text][1] if rivals else None
        bench.row(
            f"{what}: raw text per core-second",
            "",
            figure,
            "GB",
            reference,
            "zstd -dc | rg, GB",
            figure / reference if reference else None,
        )
    faster = ours["the"][0] / ours[RARE][0]
    bench.row("search for a word in one chunk, against looking at all of them", "≥ 10 ×", faster, "×", met=faster >= 10)
