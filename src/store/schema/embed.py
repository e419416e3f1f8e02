#!/usr/bin/env python3
"""Writes the numbered .sql migrations as C tables, one for each engine: embed.py OUTPUT FILE... [--then FILE...]
The folder of a file says whose it is; those of `catalogue` are every engine's, and come before its own of the same
number. `--then`: migrations that have no number yet, and come behind the newest; for tests.

Each file from 0022 on says which programs can work on what it makes, while servers are replaced one by one:

    --- works with: N        those that know the schema N or a newer one: what they read and write is as it was
    --- works with: former   the same, of the one before
    --- works with: itself   those alone that know this one

What would hold everybody up if it were a part of the step may be done before it, while servers are at work. Each of
these texts is a transaction of its own, and may be run again, also by two at once:

    --- beforehand
    statements

And each says at its end whether there is a way back:

    --- no way back: what would be lost
or
    --- way back
    --- loses: what would be lost            (only with the next line)
    --- counted by: SELECT count(*) FROM …   (as long as it is 0, nothing is)
    statements
"""
import pathlib
import re
import sys

ENGINES = ["sqlite", "postgres"]
MARK = "--- "
FIRST_TO_SAY = 22  # what it works with


def c_string(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


def c_lines(lines: list) -> list:
    return ["        " + c_string(line + "\n") for line in lines] or ['        ""']


class Migration:
    """One file: its statements, those that undo it, and what its marks say."""

    def __init__(self, path: pathlib.Path):
        self.forward, self.back, self.before, self.says = [], [], [], {}
        into = self.forward
        for line in path.read_text().splitlines():
            if line.startswith(MARK):
                word, _, text = line[len(MARK) :].partition(":")
                self.says[word.strip()] = text.strip()
                into = self.back
                if word.strip() == "beforehand":
                    into = []
                    self.before.append(into)
            elif line and not line.startswith("--"):
                into.append(line)
        ways = {"way back", "no way back"} & set(self.says)
        known = {"way back", "no way back", "loses", "counted by", "works with", "beforehand"}
        if len(ways) != 1 or set(self.says) - known or ("loses" in self.says) != ("counted by" in self.says):
            sys.exit(f"{path}: ends with no `--- way back` or `--- no way back: …`; see {__file__}")


def works_with(number: int, parts: list) -> int:
    said = {part.says.get("works with") for part in parts} - {None}
    if number < FIRST_TO_SAY or not parts:
        return 0 if number < FIRST_TO_SAY else number - 1
    text = said.pop() if len(said) == 1 else ""
    oldest = number if text == "itself" else number - 1 if text == "former" else int(text) if text.isdigit() else 0
    if not FIRST_TO_SAY - 1 <= oldest <= number:
        sys.exit(f"a file of the number {number:04d} says no `--- works with: …` that is right; see {__file__}")
    return oldest


def entry(number: int, name: str, parts: list) -> list:
    """The catalogue's part was applied first, and is undone last."""

    def said(word: str) -> str:
        texts = [part.says[word] for part in parts if part.says.get(word)]
        if len(texts) > 1:
            sys.exit(f"two files of the number {number:04d} say `{word}`")
        return c_string(texts[0]) if texts else "NULL"

    one_way = any("no way back" in part.says for part in parts)
    out = [f"    {{.number = {number},", f"     .name = {c_string(name)},", "     .forward ="]
    out += c_lines([line for part in parts for line in part.forward])
    if not one_way:
        out += ["     , .back ="] + c_lines([line for part in reversed(parts) for line in part.back])
    before = [text for part in parts for text in part.before]
    if before:
        out += ["     , .before = (const char *const[]){"]
        out += [line for text in before for line in [*c_lines(text), "        ,"]] + ["        NULL}"]
    out += [f"     , .loses = {said('no way back' if one_way else 'loses')}"]
    out += [f"     , .works_with = {works_with(number, parts)},"]
    return out + [f"     .counted_by = {said('counted by')}" + "},"]


def main() -> None:
    output, *names = sys.argv[1:]
    then = names[names.index("--then") + 1 :] if "--then" in names else []
    files, titles = {}, {}
    for path in map(pathlib.Path, names[: len(names) - len(then) - bool(then)]):
        number = re.match(r"(\d{4})_(\w+)\.sql$", path.name)
        if not number or path.parent.name not in ["catalogue", *ENGINES]:
            sys.exit(f"{path}: expected catalogue, {' or '.join(ENGINES)}/NNNN_name.sql")
        place = path.parent.name, int(number.group(1))
        if place in files:
            sys.exit(f"{path}: another file there has its number; take the next one")
        files[place] = Migration(path)
        titles.setdefault(int(number.group(1)), number.group(2).replace("_", " "))
    for number in range(1, max(titles) + 1):
        if number not in titles:
            sys.exit(f"no migration has the number {number:04d}, and there are later ones")
    for path in map(pathlib.Path, then):
        number = max(titles) + 1
        files["catalogue", number] = Migration(path)
        titles[number] = path.stem.replace("_", " ")
    out = ['#include "store/schema/schema.h"', ""]
    for engine in ENGINES:
        out += [f"static const struct schema_migration {engine}[] = {{"]
        for number in sorted(titles):
            parts = [files[folder, number] for folder in ("catalogue", engine) if (folder, number) in files]
            out += entry(number, titles[number], parts)
        out += ["    {0},", "};", ""]
    out += ["const struct schema_migration *const schema_migrations[SQL_ENGINES] = {"]
    out += [f"    [SQL_{engine.upper()}] = {engine}," for engine in ENGINES] + ["};", ""]
    pathlib.Path(output).write_text("\n".join(out))


main()
