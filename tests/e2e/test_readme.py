"""The README's own commands, run as a reader would: each shell line of its code blocks that can be tried here."""

import pathlib
import re

import pytest
from support.process import BIN, Process
from support.server import clean_env

README = pathlib.Path(__file__).parents[2] / "README.md"
# A line of these begins something that needs another machine, root, or a browser.
ELSEWHERE = re.compile(r"apt|sudo|git clone|meson|ninja|\./dev|docker|systemctl|curl -fsSL|http://[^1l]")


def commands():
    """(line of the file, command) of every runnel line in fenced shell blocks; a leading `$ ` is a prompt."""
    if not README.exists():
        return []
    found, inside = [], False
    for number, line in enumerate(README.read_text().splitlines(), 1):
        if line.startswith("```"):
            inside = not inside and re.match(r"```(sh|shell|bash|console|terminal|text)?\s*$", line) is not None
            continue
        text = re.sub(r"^\$ ", "", line.strip())
        if inside and re.match(r"(\S+ \| )?(\./|build/)?runnel ", text) and not ELSEWHERE.search(text):
            found.append((number, re.sub(r"\s+#.*$", "", text)))
    return found


@pytest.mark.skipif(not README.exists(), reason="there is no README yet")
def test_the_readmes_commands_work(own_server, tmp_path):
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "runnel").symlink_to(BIN)
    env = clean_env(tmp_path, RUNNEL_URL=own_server.url, RUNNEL_TOKEN=own_server.operator_key)
    env["PATH"] = f"{folder}:{env['PATH']}"
    execution_id = own_server.api().create()
    own_server.api().append_lines(execution_id, ["something to read"])
    for change in ({"status": "running"}, {"status": "completed", "exit_code": 0}):
        own_server.api().expect(200, "PATCH", f"/api/v1/executions/{execution_id}", change)
    tried = 0
    for number, command in commands():
        if " serve" in command or "&" in command:
            continue
        command = re.sub(r"\b(exec_\w+|ID)\b…?", execution_id, command)
        command = re.sub(r"(\./|build/)?runnel ", "runnel ", command)
        with Process(["bash", "-c", command], env=env, cwd=str(tmp_path)) as process:
            code = process.finish()
        usage_error = process.err.data.startswith(b"runnel") and code == 2
        assert not usage_error and code not in (3, 4, 5, 126), (number, command, code, process.err.data)
        if not re.search(r"\bwrap\b|\brun\b", command):
            assert code == 0, (number, command, code, process.err.data)
        tried += 1
    assert tried > 0, "found no command to try"
