"""The table and what stands around it."""

import os
import pathlib
import platform
import subprocess


def number(value):
    if value is None:
        return "–"
    if isinstance(value, str):
        return value
    if abs(value) >= 10000:
        return f"{value:,.0f}"
    if abs(value) >= 100:
        return f"{value:.0f}"
    return f"{value:.3g}"


def met_text(row):
    return {True: "yes", False: "NO", None: ""}[row["met"]]


def row_text(row):
    reference = f" | {row['reference_what']}: {number(row['reference'])}" if row["reference"] is not None else ""
    ratio = f" | ratio {number(row['ratio'])}" if row["ratio"] is not None else ""
    return (
        f"{row['what']}: {number(row['figure'])} {row['unit']} | goal {row['goal']}{reference}{ratio} | {met_text(row)}"
    )


def first_line(path, begin):
    for line in pathlib.Path(path).read_text().splitlines():
        if line.startswith(begin):
            return line.split(":", 1)[1].strip()
    return ""


def machine(bench):
    version = subprocess.run([bench.runnel, "version"], capture_output=True, text=True).stdout.strip()
    commit = subprocess.run(
        ["git", "-C", bench.root, "rev-parse", "--short", "HEAD"], capture_output=True, text=True
    ).stdout.strip()
    return {
        "cores": os.cpu_count(),
        "processor": first_line("/proc/cpuinfo", "model name"),
        "memory": first_line("/proc/meminfo", "MemTotal"),
        "kernel": platform.release(),
        "filesystem": bench.filesystem,
        "load_at_end": os.getloadavg()[0],
        "version": version,
        "commit": commit,
    }


def table(head, lines):
    widths = [max(len(line[i]) for line in [head, *lines]) for i in range(len(head))]
    out = []
    for line in [head, ["-" * width for width in widths], *lines]:
        out.append("| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths)) + " |")
    return "\n".join(out)


def rows_text(result):
    lines = []
    for row in result["rows"]:
        reference = f"{number(row['reference'])} ({row['reference_what']})" if row["reference"] is not None else ""
        lines.append(
            [
                row["what"],
                row["goal"],
                f"{number(row['figure'])} {row['unit']}",
                reference,
                number(row["ratio"]) if row["ratio"] is not None else "",
                met_text(row),
            ]
        )
    return table(["what", "goal", "figure", "reference", "ratio", "met"], lines)


def growth_text(result):
    return table(
        ["how cost grows", "size", "figure", "note"],
        [[g["what"], str(g["size"]), f"{number(g['figure'])} {g['unit']}", g["note"]] for g in result["growth"]],
    )


def text(result):
    out = [rows_text(result)]
    if result["growth"]:
        out += ["", growth_text(result)]
    if result["notes"]:
        out += [""] + ["- " + note for note in result["notes"]]
    return "\n".join(out)
