"""Files with names of every kind, on their way to a job and from it."""

import os

import pytest
from support.cli import Cli
from support.files import Worker, artifacts, events, sealed, sha256
from support.jobs import fresh_id

# Each is a file that holds its own name.
GOOD = [
    "plain",
    "l" * 255,
    "-dash",
    "--help",
    "..x",
    "...",
    ".hidden",
    " space ",
    "50%25",
    "a#b?c&d=e",
    "back\\slash",
    "größe 日本",
    "e\u0301",
    "{}",
    "*",
    "a:b",
    "\u202etxt.exe",
]
CONTROL = ["new\nline", "esc\x1b[31m", "del\x7f"]
DEEP = "/".join(["d" * 99] * 5)


@pytest.fixture
def house(servers, tmp_path):
    server = servers()
    cli = Cli(tmp_path / "home", server)
    worker = Worker(cli, tmp_path / "elsewhere" / "worker").start()
    yield server.api(), cli
    worker.close()


@pytest.fixture
def files(tmp_path):
    folder = tmp_path / "files"
    (folder / DEEP).mkdir(parents=True)
    for name in [*GOOD, f"{DEEP}/file"]:
        (folder / name).write_text(name)
    return folder


def run_in(cli, folder, *args):
    with cli.start("run", "-q", *args, cwd=str(folder)) as process:
        return process.finish(120), process.out.data, process.err.data.decode()


def test_odd_names_come_to_the_job_and_back_as_they_are(house, files, tmp_path):
    api, cli = house
    code, _, err = run_in(
        cli, files, "--id", "odd", "--input", ".", "--", "sh", "-c", 'cp -r "$RUNNEL_INPUTS/." "$RUNNEL_OUTPUTS"'
    )
    assert code == 0, err
    sealed(api, "odd")
    names = [*GOOD, f"{DEEP}/file"]
    assert artifacts(api, "odd") == {name: (len(name.encode()), sha256(name.encode())) for name in names}
    cli.ok("artifacts", "odd", "--download", tmp_path / "got")
    assert {name: (tmp_path / "got" / name).read_text() for name in names} == {name: name for name in names}


@pytest.mark.parametrize("name", GOOD)
def test_an_odd_name_is_an_argument_of_its_job(house, files, name):
    _, cli = house
    code, out, err = run_in(cli, files, "--input", "./" + name, "--", "cat", "--", "./" + name)
    assert (code, out.decode()) == (0, name), err


def test_names_that_no_artifact_can_have_are_refused_before_anything_is_queued(house, files):
    api, cli = house
    for name in CONTROL:
        (files / name).write_text("x")
        code, _, err = run_in(cli, files, "--input", name, "--", "true")
        assert code == 2 and "must not have control characters; rename it, or put it into an archive" in err
        assert not set("\x1b\x7f") & set(err) and all(line.startswith(("runnel: ", " ")) for line in err.splitlines())
    bad = os.fsencode(files) + b"/bad\xff"
    with open(bad, "w") as file:
        file.write("x")
    code, _, err = run_in(cli, files, "--input", "bad\udcff", "--", "true")
    assert code == 2 and "is not UTF-8; rename it, or put it into an archive" in err
    assert api.expect(200, "GET", "/api/v1/executions")["executions"] == []


def test_a_folder_is_called_as_it_is_named_and_links_are_followed(house, tmp_path):
    _, cli = house
    folder = tmp_path / "top" / "folder"
    (folder / "sub").mkdir(parents=True)
    (folder / "sub" / "file").write_text("x")
    (folder / "link").symlink_to("sub/file")
    (folder / "out").symlink_to(tmp_path / "top" / "beside")
    (tmp_path / "top" / "beside").write_text("y")
    inside = ["./link", "./out", "./sub/file"]
    cases = [
        (folder, ".", inside),
        (folder, "./", inside),
        (folder, "sub/..", [f"./folder{path[1:]}" for path in inside]),
        (folder / "sub", "..", [f"./folder{path[1:]}" for path in inside]),
        (folder.parent, "folder/", [f"./folder{path[1:]}" for path in inside]),
        (folder.parent, "folder/.", inside),
        (tmp_path, str(folder), [f"./folder{path[1:]}" for path in inside]),
    ]
    for where, named, expected in cases:
        code, out, err = run_in(cli, where, "--input", named, "--", "find", ".", "-type", "f")
        assert code == 0 and sorted(out.decode().split()) == expected, (named, out, err)


def test_links_that_lead_nowhere_or_back_are_refused(house, tmp_path):
    _, cli = house
    folder = tmp_path / "folder"
    (folder / "sub").mkdir(parents=True)
    (folder / "sub" / "back").symlink_to("..")
    code, _, err = run_in(cli, tmp_path, "--input", "folder", "--", "true")
    assert code == 2 and "folder/sub/back is a link back to a folder that it lies in" in err.splitlines()[0]
    (folder / "sub" / "back").unlink()
    (folder / "nowhere").symlink_to("none")
    code, _, err = run_in(cli, tmp_path, "--input", "folder", "--", "true")
    assert code == 2 and "folder/nowhere: No such file or directory" in err.splitlines()[0]


LEAVES = r"""
import os, socket
os.chdir(os.environ["RUNNEL_OUTPUTS"])
for name in (b"fine", b"new\nline", b"esc\x1b[31m", b"bad\xff", b"del\x7f"):
    open(name, "w").write("x")
os.makedirs("/".join(["d" * 200] * 3))
open("/".join(["d" * 200] * 3) + "/file", "w").write("x")
os.symlink("/etc/passwd", "out")
os.symlink("fine", "in")
os.symlink(".", "self")
os.mkfifo("pipe")
socket.socket(socket.AF_UNIX).bind("socket")
"""


def test_what_is_left_with_names_that_cannot_be_is_told_in_one_line_each(house):
    api, cli = house
    cli.ok("run", "-q", "--id", "left", "--", "/usr/bin/python3", "-c", LEAVES)
    sealed(api, "left")
    assert list(artifacts(api, "left")) == ["fine"]
    control, link = "its name must not have control characters", "links are not followed"
    assert events(api, "left", "artifact_missing") == [
        f"The output {name} was not uploaded: {reason}"
        for name, reason in (
            ("bad\ufffd", "its name must be UTF-8"),
            ("/".join(["d" * 200] * 3) + "/file", "its name must be at most 512 bytes long"),
            ("del\\x7f", control),
            ("esc\\x1b[31m", control),
            ("in", link),
            ("new\\x0aline", control),
            ("out", link),
            ("pipe", "it is no regular file"),
            ("self", link),
            ("socket", "it is no regular file"),
        )
    ]


def test_a_file_that_grows_while_it_is_sent_is_kept_as_it_was_at_one_time_or_told(cli, api, tmp_path):
    """What a command has left running writes on, and ends by itself. Which of both it is, is up to the two."""
    start = b"x" * 20_000_000
    script = """
cd "$RUNNEL_OUTPUTS"; echo whole >whole; head -c 20000000 /dev/zero | tr '\\0' x >grows
( exec >>grows 2>&-; i=0; while [ $i -lt 200000 ]; do echo more; i=$((i+1)); done ) &
"""
    id = fresh_id()
    with cli.start("wrap", "-q", "--id", id, "--", "sh", "-c", script) as process:
        assert process.finish(120) == 0
    left = artifacts(api, id)
    told = events(api, id, "artifact_missing")
    assert "whole" in left
    if "grows" not in left:
        assert told == ["The output grows was not uploaded: it changed while it was read"]
        return
    assert told == []
    cli.ok("artifacts", id, "grows", "--download", tmp_path / "got")
    grown = (tmp_path / "got" / "grows").read_bytes()
    more = (len(grown) - len(start)) // 5
    assert left["grows"] == (len(grown), sha256(grown)) and grown == start + b"more\n" * more
