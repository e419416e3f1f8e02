"""The other commands: status, list, verify, key, backup, completion, help; exit codes and messages that say what to
do."""

import json
import os
import pty
import re
import shutil
import sqlite3
import subprocess

import pytest
from support.cli import Cli
from support.jobs import fresh_id, shell
from support.process import Sink
from support.server import clean_env
from support.ws import Runner

COMMANDS = "serve wrap pipe status logs list cancel purge verify key backup restore completion".split()


# --- status
def test_status_of_a_completed_job_reads_as_the_seeds_example(server, cli, api):
    job = fresh_id()
    api.create(execution_id=job, script_filename="process.py", runtime="python:3.11")
    with Runner(server, job, worker="worker-hetzner-01") as runner:
        runner.complete(0)
    lines = cli.ok("status", job).text().splitlines()
    assert lines[0] == f"Execution: {job}"
    assert lines[1] == "Status: completed ✓"
    assert lines[2:4] == ["Script: process.py", "Runtime: python:3.11"]
    assert re.fullmatch(r"Started: \d{4}-\d\d-\d\d \d\d:\d\d:\d\d", lines[4])
    assert re.fullmatch(r"Duration: \S+.*", lines[5])
    assert lines[6] == "Worker: worker-hetzner-01"


def test_status_of_a_running_job_reads_as_the_seeds_example(server, cli, api):
    job = fresh_id()
    api.create(execution_id=job, script_filename="process.py", runtime="python:3.11")
    with Runner(server, job, worker="worker-hetzner-01"):
        text = cli.ok("status", job).text()
    expected = (
        rf"Execution: {job}\nStatus: running\nScript: process.py\nRuntime: python:3.11\n\n"
        r"Started: \d{4}-\d\d-\d\d \d\d:\d\d:\d\d\nDuration: \d+.*\nWorker: worker-hetzner-01\n"
        r"(Cost: .*\n)?(\nArtifacts: .*\n)?"
    )
    assert re.fullmatch(expected, text), text


def test_status_of_a_failed_job_says_how_to_see_its_log(server, cli, api):
    job = fresh_id()
    cli.run("wrap", "--id", job, *shell("exit 3"))
    text = cli.ok("status", job).text()
    assert "Status: failed ✗\n" in text and "\nExit code: 3\n" in text and f"View logs: runnel logs {job}\n" in text
    assert cli.run("status", "--exit-status", job).code == 3


def test_status_as_json_is_the_servers(cli, api):
    job = api.create(metadata={"k": "v"})
    assert json.loads(cli.ok("status", "-o", "json", job).out) == api.status(job)


def test_the_exit_status_of_a_job_that_goes_on_is_not_that_of_success(server, cli, api):
    job = api.create()
    for command in ("status", "logs"):
        result = cli.run(command, "--exit-status", job)
        assert result.code == 1 and b"has not ended (queued)" in result.err, result
    with Runner(server, job) as runner:
        runner.lines(["one"])
        for command in ("status", "logs"):
            result = cli.run(command, "--exit-status", job)
            assert result.code == 1 and b"has not ended (running)" in result.err, result
        with cli.start("logs", "-f", "--exit-status", job) as follower:
            follower.out.wait_for(b"one\n")
            runner.complete(7)
            assert follower.finish() == 7
    assert cli.run("logs", "-n", "1", "--exit-status", job).code == 7
    assert cli.run("status", "--exit-status", job).code == 7


# --- list
def test_list_shows_newest_first_and_filters(servers, tmp_path):
    server = servers()
    cli, api = Cli(tmp_path / "home", server), server.api()
    jobs = [fresh_id() for _ in range(3)]
    cli.ok("wrap", "--id", jobs[0], "-m", "team=data", "--", "true")
    cli.run("wrap", "--id", jobs[1], "--", "false")
    api.create(execution_id=jobs[2])

    def listed(*args):
        return [json.loads(line)["execution_id"] for line in cli.ok("list", "-o", "json", *args).text().splitlines()]

    assert listed() == jobs[::-1]
    assert listed("--status", "failed") == [jobs[1]]
    assert listed("-m", "team=data") == [jobs[0]]
    assert listed("-n", "1") == [jobs[2]]
    assert listed("--since", "1h") == jobs[::-1]
    table = cli.ok("list").text().splitlines()
    assert [line.split()[0] for line in table[1:]] == jobs[::-1] and "queued" in table[1]
    assert table[0].split()[2] == "STARTED" and table[1].split()[2] == "-"
    assert table[3].split()[2] == api.status(jobs[0])["started_at"][:10]


# --- verify
def test_verify_proves_a_whole_log(cli, api):
    job = fresh_id()
    cli.ok("wrap", "--id", job, *shell("seq 1 5000; printf '\\377\\0end'"))
    result = cli.ok("verify", job)
    assert "5001" in result.text()
    proof = json.loads(cli.ok("verify", "-o", "json", job).out)
    assert proof["verified"] is True and proof["records"] == 5001 and proof["sealed"] is True


def test_verify_counts_one_record_as_one(cli, api):
    job = api.create()
    api.append_lines(job, ["only"])
    assert ": 1 record, whole;" in cli.ok("verify", job).text()


def test_verify_of_an_empty_log(cli):
    job = fresh_id()
    cli.ok("wrap", "--id", job, "--", "true")
    cli.ok("verify", job)


def bodies(db):
    """[(table, id, body)] of every stored chunk, oldest first."""
    return [
        (table, *row)
        for table in ("hot", "chunks")
        for row in db.execute(f"SELECT id, body FROM {table} WHERE body IS NOT NULL ORDER BY id").fetchall()
    ]


def flip_a_bit(db):
    for table, row, body in bodies(db):
        db.execute(f"UPDATE {table} SET body = ? WHERE id = ?", (body[:-1] + bytes([body[-1] ^ 1]), row))


def exchange_two(db):
    """Each chunk is valid for itself; only the digest tells that it is another's."""
    (table_a, row_a, body_a), (table_b, row_b, body_b) = bodies(db)
    db.execute(f"UPDATE {table_a} SET body = ? WHERE id = ?", (body_b, row_a))
    db.execute(f"UPDATE {table_b} SET body = ? WHERE id = ?", (body_a, row_b))


@pytest.mark.sqlite("its file, and the disk that it lies on")
@pytest.mark.parametrize("damage", [flip_a_bit, exchange_two])
def test_verify_finds_a_changed_store(servers, tmp_path, damage):
    server = servers()
    api, cli = server.api(), Cli(tmp_path / "home", server)
    jobs = []
    for lines in (["one", "two"], ["eno", "owt"]):
        jobs.append(api.create())
        with Runner(server, jobs[-1]) as runner:
            runner.lines(lines)
            runner.complete()
        cli.ok("verify", jobs[-1])
    server.stop()
    with sqlite3.connect(server.database()) as db:
        assert len(bodies(db)) == 2
        damage(db)
    db.close()
    server.restart()
    for job in jobs:
        result = cli.run("verify", job)
        assert result.code == 1, result


# --- keys
def test_keys_are_made_listed_and_revoked(cli, server, tmp_path):
    secret = cli.ok("key", "create", "--role", "viewer", "--name", "dash", "--expires", "90d").text().strip()
    assert re.fullmatch(r"rnl_[A-Za-z0-9_-]{43}", secret)
    listed = [json.loads(line) for line in cli.ok("key", "list", "-o", "json").text().splitlines()]
    key_id = [key for key in listed if key["name"] == "dash"][-1]["key_id"]
    holder = Cli(tmp_path / "holder", url=server.url, token=secret)
    holder.ok("list")
    assert holder.run("key", "list").code == 4
    assert holder.run("wrap", "--deliver-wait", "1s", "--", "true").code == 0
    cli.ok("key", "rename", key_id, "--name", 'hall "display"')
    assert 'hall "display"' in cli.ok("key", "list").text()
    assert cli.run("key", "rename", key_id).code == 2
    assert cli.run("key", "rename", "key_nobody", "--name", "x").code == 3
    cli.ok("key", "rename", key_id, "--name", "dash")
    cli.ok("key", "revoke", key_id)
    assert holder.run("list").code == 4
    assert "dash" in cli.ok("key", "list").text()


def test_the_cli_on_the_servers_machine_finds_the_operator_key(server, tmp_path):
    cli = Cli(tmp_path / "home", url=server.url)
    cli.ok("list", env={"RUNNEL_DATA": str(server.data)})
    cli.ok("list", "--data", server.data)
    assert cli.run("list").code == 4


def test_contexts_name_servers(server, tmp_path):
    cli = Cli(tmp_path / "home")
    folder = cli.home / "config" / "runnel"
    folder.mkdir(parents=True)
    (folder / "config").write_text(
        f'current = here\ncontext here {{\n  url = "{server.url}"\n  token = "{server.operator_key}"\n}}\n'
        'context away {\n  url = "http://127.0.0.1:1"\n}\n'
    )
    cli.ok("list")
    assert cli.run("--context", "away", "list").code == 5
    assert cli.run("list", env={"RUNNEL_URL": "http://127.0.0.1:1"}).code == 5
    cli.ok("--url", server.url, "--token", server.operator_key, "list", env={"RUNNEL_URL": "http://127.0.0.1:1"})


# --- help and errors
@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_has_help_with_examples(tmp_path, command):
    cli = Cli(tmp_path / "home")
    for asked in (("help", command), (command, "--help"), (command, "-h")):
        text = cli.ok(*asked).text()
        assert f"runnel {command}" in text and "xample" in text, asked


def test_help_lists_every_command(tmp_path):
    cli = Cli(tmp_path / "home")
    text = cli.ok("help").text()
    assert all(re.search(rf"^\s+{command}\s", text, re.MULTILINE) for command in COMMANDS)
    assert cli.ok("--help").text() == text
    nothing = cli.run()
    assert nothing.code == 2 and b"wrap" in nothing.err + nothing.out


def test_version(tmp_path):
    cli = Cli(tmp_path / "home")
    assert re.match(r"runnel \d+\.\d+\.\d+", cli.ok("--version").text())


@pytest.mark.parametrize(
    "args, says",
    [
        (("statsu", "x"), b"status"),
        (("logs", "--folow", "x"), b"--follow"),
        (("status",), b"ID"),
        (("cancel",), b"ID"),
        (("status", "x", "y"), b"y"),
        (("logs", "-n", "many", "x"), b"many"),
        (("logs", "--since", "someday", "x"), b"someday"),
        (("logs", "-o", "xml", "x"), b"xml"),
        (("logs", "--level"), b"level"),
        (("key", "create", "--role", "king", "--name", "n"), b"viewer"),
        (("key", "frobnicate"), b"create"),
        (("status", "bad/id"), b"bad/id"),
        (("completion", "tcsh"), b"bash"),
        (
            ("list", "-s", "foo"),
            b"queued, running, waiting, paused, completed, failed, cancelled, timed_out, skipped or lost",
        ),
        (("--url", "ftp://x", "list"), b"http"),
        (("--color", "sometimes", "list"), b"auto"),
    ],
)
def test_wrong_usage_is_2_and_says_what_is_right(cli, args, says):
    result = cli.run(*args)
    assert result.code == 2 and result.err.startswith(b"runnel") and says in result.err, result
    assert result.out == b""


def test_errors_of_the_server_have_their_exit_codes(cli, server, api, tmp_path):
    for args in (("status",), ("logs",), ("logs", "-f"), ("verify",)):
        missing = cli.run(*args, "exec_nowhere")
        assert missing.code == 3 and b"no such execution" in missing.err, missing
    job = api.create()
    with Runner(server, job) as runner:
        runner.complete()
    api.delete(f"/api/v1/executions/{job}", query={"purge": "true"})
    gone = cli.run("logs", job)
    assert gone.code == 3 and b"purged" in gone.err
    stranger = Cli(tmp_path / "stranger", url=server.url, token="rnl_" + "x" * 43)
    refused = stranger.run("status", job)
    assert refused.code == 4 and b"credential" in refused.err


# --- completion and man pages
@pytest.mark.parametrize(
    "shell_name, check", [("bash", ["bash", "-n"]), ("zsh", ["zsh", "-n"]), ("fish", ["fish", "-n"])]
)
def test_completion_scripts_are_valid(tmp_path, shell_name, check):
    script = Cli(tmp_path / "home").ok("completion", shell_name).out
    assert all(command.encode() in script for command in COMMANDS)
    if shutil.which(check[0]):
        path = tmp_path / "script"
        path.write_bytes(script)
        subprocess.run([*check, str(path)], check=True)


def test_bash_completes_commands_and_options(tmp_path):
    script = tmp_path / "completion"
    script.write_bytes(Cli(tmp_path / "home").ok("completion", "bash").out)

    def complete(*words):
        program = (
            f'source {script}; COMP_WORDS=({" ".join(repr(w) for w in words)}); COMP_CWORD={len(words) - 1}; '
            'spec=$(complete -p runnel); f=${spec##*-F }; f=${f%% *}; $f runnel "${COMP_WORDS[COMP_CWORD]}" ""; '
            'printf "%s\\n" "${COMPREPLY[@]}"'
        )
        answer = subprocess.run(["bash", "-c", program], capture_output=True, text=True, check=True)
        return answer.stdout.split("\n")[:-1]

    assert "status" in complete("runnel", "sta")
    assert "--follow" in complete("runnel", "logs", "--fo")
    assert complete("runnel", "logs", "-o", "") == ["text", "raw", "json"]
    assert complete("runnel", "logs", "--output", "=", "r") == ["raw"]
    assert complete("runnel", "--color", "al") == ["always"]
    assert complete("runnel", "list", "--status", "c") == ["completed", "cancelled"]
    assert complete("runnel", "serve", "--log-level", "d") == ["debug"]
    assert {"create", "list", "revoke"} <= set(complete("runnel", "key", ""))
    assert complete("runnel", "completion", "z") == ["zsh"]
    assert "printf" in complete("runnel", "wrap", "--", "print")
    assert str(script) in complete("runnel", "wrap", "-q", "--", "cat", str(script)[:-3])
    assert str(script) in complete("runnel", "--ca-file", str(script)[:-3])
    assert complete("runnel", "logs", "-n", "") == [""]


@pytest.mark.skipif(not shutil.which("fish"), reason="fish is not installed")
def test_fish_completes_values_and_the_wrapped_command(tmp_path):
    script = tmp_path / "runnel.fish"
    script.write_bytes(Cli(tmp_path / "home").ok("completion", "fish").out)

    def complete(line):
        program = f"source {script}; complete -C '{line}'"
        answer = subprocess.run(
            ["fish", "-N", "-c", program], capture_output=True, text=True, check=True, env=clean_env(tmp_path)
        )
        return [word.split("\t")[0] for word in answer.stdout.splitlines()]

    assert "raw" in complete("runnel logs -o ") and "--output=json" in complete("runnel logs --output=")
    assert complete("runnel list --status ca") == ["cancelled"]
    assert "revoke" in complete("runnel key ")
    assert "printf" in complete("runnel wrap -- print")


@pytest.mark.skipif(not shutil.which("zsh"), reason="zsh is not installed")
def test_zsh_completes_values_and_the_wrapped_command(tmp_path):
    (tmp_path / "_runnel").write_bytes(Cli(tmp_path / "home").ok("completion", "zsh").out)
    setup = f"PS1='ready> '; fpath=({tmp_path} $fpath); autoload -U compinit; compinit -D -u; zstyle ':completion:*' list-prompt ''"

    def complete(line):
        """What the line becomes when the tab key is pressed."""
        master, slave = pty.openpty()
        env = clean_env(tmp_path, TERM="dumb")
        with subprocess.Popen(
            ["zsh", "-f", "-i"], env=env, stdin=slave, stdout=slave, stderr=slave, start_new_session=True
        ):
            os.close(slave)
            with os.fdopen(master, "rb+", buffering=0) as terminal:
                sink = Sink(terminal)
                terminal.write(f"{setup}; echo set'up'\n".encode())
                sink.wait_for(b"setup")
                terminal.write(f"{line}\t".encode())
                terminal.write(b"\x01: \x05; echo do'ne'\n")  # as an argument of `:`, so that nothing is run
                sink.wait_for(b"done")
                terminal.write(b"exit\n")
                sink.wait_end()
        return sink.data.decode(errors="replace")

    assert "--output raw" in complete("runnel logs --output r")
    assert "--status cancelled" in complete("runnel list --status ca")
    assert "key revoke" in complete("runnel key rev")
    assert "wrap -- mktemp" in complete("runnel wrap -- mktem")


@pytest.mark.parametrize("command", COMMANDS)
def test_man_pages_render_without_complaint(tmp_path, command):
    cli = Cli(tmp_path / "home")
    page = cli.ok("help", "--man", command).out
    rendered = subprocess.run(
        ["man", "--warnings", "-l", "-"], input=page, capture_output=True, env={**cli.env, "MANWIDTH": "100"}
    )
    assert rendered.returncode == 0 and rendered.stderr == b"", rendered.stderr
    text = re.sub(rb".\x08", b"", rendered.stdout)
    assert b"EXAMPLES" in text and f"runnel {command}".encode() in text.replace(
        b"-" + command.encode(), b" " + command.encode()
    )
