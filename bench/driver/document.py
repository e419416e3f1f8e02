"""Puts the figures of the last whole run into docs/performance.md, between two marks."""

import json
import shutil

from . import report

BEGIN, END = "<!-- figures: bench/run --document -->", "<!-- end of figures -->"


def figures(result):
    machine = result["machine"]
    corpus = "; ".join(
        f"{kind} {part['bytes'] / 1e6:.1f} MB, {part['lines']:,} lines of {part['mean_line']} bytes on average"
        for kind, part in result["corpus"].items()
    )
    out = [
        f"{'A quick run' if result['quick'] else 'A whole run'} of {result['seconds']:.0f} s, at commit "
        f"{machine['commit']}: {machine['cores']} cores ({machine['processor']}), {machine['memory']} of memory, Linux "
        f"{machine['kernel']}, {machine['filesystem']}; load average at the end {machine['load_at_end']:.1f} "
        "(the bench itself makes 2 to 4).",
        "",
        f"Corpus: {corpus}.",
        "",
        "```",
        report.rows_text(result),
        "```",
        "",
    ]
    if result["growth"]:
        out += ["How cost grows:", "", "```", report.growth_text(result), "```", ""]
    out += [f"- {note}" for note in [*result["notes"], *(f"not measured: {what}" for what in result["failed"])]]
    for name in result["series"]:
        out += ["", f"![{name}](plots/{name}.svg)"]
    return "\n".join(out)


def write(root, build):
    result = json.loads((build / "bench.json").read_text())
    page = root / "docs" / "performance.md"
    text = page.read_text()
    before, rest = text.split(BEGIN)
    page.write_text(f"{before}{BEGIN}\n\n{figures(result)}\n\n{END}{rest.split(END)[1]}")
    plots = root / "docs" / "plots"
    plots.mkdir(exist_ok=True)
    for name in result["series"]:
        shutil.copy(build / "bench-plots" / f"{name}.svg", plots)
    print(f"{page} holds the figures now")
