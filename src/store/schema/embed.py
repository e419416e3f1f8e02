#!/usr/bin/env python3
"""Writes a folder of numbered .sql migrations as one C table: embed.py NAME OUTPUT FILE..."""
import pathlib
import re
import sys


def c_string(line: str) -> str:
    return '    "' + line.replace("\\", "\\\\").replace('"', '\\"') + '\\n"'


def main() -> None:
    name, output, *files = sys.argv[1:]
    out = ['#include "store/schema/schema.h"', "", f"const struct schema_migration {name}[] = {{"]
    for expected, file in enumerate(sorted(files, key=lambda f: pathlib.Path(f).name), start=1):
        path = pathlib.Path(file)
        number = re.match(r"(\d{4})_\w+\.sql$", path.name)
        if not number or int(number.group(1)) != expected:
            sys.exit(f"{path}: expected the migration number {expected:04d}, as NNNN_name.sql")
        lines = [line for line in path.read_text().splitlines() if line and not line.startswith("--")]
        out += [f'    {{{expected}, "{path.stem}",', *map(c_string, lines), "    },"]
    out += ["    {0, NULL, NULL},", "};", ""]
    pathlib.Path(output).write_text("\n".join(out))


main()
