#!/usr/bin/env python3
"""Writes the numbered .sql migrations as C tables, one for each engine: embed.py OUTPUT FILE...
The folder of a file says whose it is; those of `catalogue` are every engine's, and come before its own of the same number."""
import pathlib
import re
import sys

ENGINES = ["sqlite", "postgres"]


def c_string(line: str) -> str:
    return '    "' + line.replace("\\", "\\\\").replace('"', '\\"') + '\\n"'


def main() -> None:
    output, *names = sys.argv[1:]
    files = {}
    for path in map(pathlib.Path, names):
        number = re.match(r"(\d{4})_\w+\.sql$", path.name)
        if not number or path.parent.name not in ["catalogue", *ENGINES]:
            sys.exit(f"{path}: expected catalogue, {' or '.join(ENGINES)}/NNNN_name.sql")
        files[path.parent.name, int(number.group(1))] = path
    newest = max(number for _, number in files)
    for number in range(1, newest + 1):
        if not any(of == number for _, of in files):
            sys.exit(f"no migration has the number {number:04d}, and there are later ones")
    out = ['#include "store/schema/schema.h"', ""]
    for engine in ENGINES:
        out += [f"static const struct schema_migration {engine}[] = {{"]
        for number in range(1, newest + 1):
            texts = [files[folder, number].read_text() for folder in ("catalogue", engine) if (folder, number) in files]
            lines = [line for text in texts for line in text.splitlines() if line and not line.startswith("--")]
            out += [f"    {{{number},", *(map(c_string, lines) if lines else ['    ""']), "    },"]
        out += ["    {0, NULL},", "};", ""]
    out += ["const struct schema_migration *const schema_migrations[SQL_ENGINES] = {"]
    out += [f"    [SQL_{engine.upper()}] = {engine}," for engine in ENGINES] + ["};", ""]
    pathlib.Path(output).write_text("\n".join(out))


main()
