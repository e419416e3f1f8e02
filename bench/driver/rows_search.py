"""Searches in one long log: the exact count and the first hit, beside ripgrep over the same lines."""

import json
import shutil
import subprocess
import time
import urllib.parse

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
    """(seconds, answer) of the best of three."""
    query = urllib.parse.urlencode({"q": text, "regex": str(regex).lower(), "limit": 1})
    best, answer = None, None
    for _ in range(3):
        began = time.monotonic()
        count, cursor = 0, ""
        while cursor is not None:
            answer = json.loads(
                server.get(f"/api/v1/executions/{name}/logs/search?{query}{cursor and '&cursor=' + cursor}")
            )
            count += answer["count"]
            cursor = answer["next_cursor"]
        seconds = time.monotonic() - began
        answer["count"] = count
        best = min(best or seconds, seconds)
    return best, answer


def wait_for_tokens(server, name):
    """Until the merger has made of all of it what searches use."""
    deadline = time.monotonic() + 300
    while True:
        answer = ask(server, name, NONE, False)[1]
        if answer["skipped_bytes"] > 20 * answer["scanned_bytes"] or time.monotonic() > deadline:
            return


def by_ripgrep(packed, text, regex):
    command = ["rg", "--count", *([] if regex else ["--fixed-strings"]), "-e", text]
    best = None
    for _ in range(3):
        began = time.monotonic()
        with subprocess.Popen(["zstd", "-dc", packed], stdout=subprocess.PIPE) as unpack:
            subprocess.run(command, stdin=unpack.stdout, stdout=subprocess.DEVNULL, check=False)
            unpack.stdout.close()
        seconds = time.monotonic() - began
        best = min(best or seconds, seconds)
    return best


def searches(bench):
    lines = bench.pick(1_000_000, 10_000_000)
    path, packed = bench.work / "searched", bench.work / "searched.zst"
    write_lines(bench, path, lines)
    rivals = bool(shutil.which("rg") and shutil.which("zstd"))
    if rivals:
        subprocess.run(["zstd", "-q", "-3", "-f", path, "-o", packed], check=True)
    with bench.server("search") as server:
        bench.load_ingest(server, sockets=1, lines=lines, prefix="search", file=path, window=32)
        size = path.stat().st_size
        path.unlink()
        wait_for_tokens(server, "search0")
        goal, times = 0.3 * lines / 10_000_000, {}
        for what, text, regex in QUESTIONS:
            seconds, answer = ask(server, "search0", text, regex)
            times[text] = seconds
            reference = by_ripgrep(packed, text, regex) if rivals else None
            bench.row(
                f"search {lines:,} lines for {what}: count and first hit",
                f"≤ {goal:.3g} s",
                seconds,
                "s",
                reference,
                "zstd -dc | rg over the same lines, s",
                seconds / reference if reference else None,
                seconds <= goal,
            )
            scanned = answer["scanned_bytes"] / max(answer["scanned_bytes"] + answer["skipped_bytes"], 1)
            bench.note(f"{what}: {answer['count']:,} hits; {scanned:.1%} of {size / 1e6:,.0f} MB looked at")
        faster = times["the"] / times[RARE]
        bench.row(
            "search for a word in one chunk, against looking at all of them", "≥ 10 ×", faster, "×", met=faster >= 10
        )
    if rivals:
        packed.unlink()
