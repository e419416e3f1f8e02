"""`runnel logs`: whole lines, times, and what is shown of records with fields."""

import datetime
import re

import pytest
from support.ws import Runner

LONG = "A" * 10235 + "NEEDLE" + "B" * 100


@pytest.fixture(scope="module")
def long_line(api):
    execution_id = api.create()
    api.append_lines(execution_id, ["first", LONG, "three"])
    assert len(api.logs(execution_id)) == 4, "the long line is in two records"
    return execution_id


@pytest.fixture(scope="module")
def with_events(api):
    execution_id = api.create()
    api.append(execution_id, [{"message": "one"}, {"message": "two"}, {"event_type": "gap", "message": "hidden"}])
    return execution_id


SHOWN = [
    (["--grep", "NEEDLE"], [LONG]),
    (["--regex", "^A|^three"], [LONG, "three"]),
    (["--regex", "^LEB"], []),
    (["-n", "2"], [LONG, "three"]),
    (["-i", "--grep", "needle"], [LONG]),
    (["-v", "--grep", "NEEDLE"], ["first", "three"]),
    (["--grep", "first", "--grep", "thr"], ["first", "three"]),
    (["--grep", "a\\Eb", "--grep", "f.rst"], []),
    (["--regex", "^f", "--regex", "e$"], ["first", "three"]),
    (["-n", "1", "--grep", "e", "-i"], ["three"]),
]


@pytest.mark.parametrize("options, lines", SHOWN, ids=lambda value: " ".join(value)[:40])
def test_options_ask_of_whole_lines(cli, long_line, options, lines):
    assert cli.ok("logs", *options, long_line).text().splitlines() == lines
    shown = cli.ok("logs", "-t", *options, long_line).text().splitlines()
    assert [re.sub(r"^\[[^]]*\] \[stdout\] ", "", line) for line in shown] == lines
    assert cli.ok("logs", "-c", *options, long_line).text() == f"{len(lines)}\n"


def test_tail_counts_what_is_shown(cli, with_events):
    for more in ([], ["--until", "now"]):
        assert cli.ok("logs", "-n", "1", *more, with_events).text() == "two\n"
    assert "hidden" in cli.ok("logs", "-t", "-n", "1", with_events).text()
    assert "hidden" in cli.ok("logs", "-o", "json", "-n", "1", with_events).text()


def test_tail_counts_what_is_shown_live(server, cli, api):
    execution_id = api.create()
    api.append(execution_id, [{"message": "one"}, {"message": "two"}, {"event_type": "gap", "message": "hidden"}])
    with cli.start("logs", "-f", "-n", "1", execution_id) as process, Runner(server, execution_id) as runner:
        process.out.wait_for(b"two\n")
        runner.lines(["three"])
        runner.complete()
        assert process.finish() == 0
        assert process.out.data == b"two\nthree\n"


def test_a_live_line_in_several_records_is_matched_as_one(server, cli, api):
    execution_id = api.create()
    with cli.start("logs", "-f", "--regex", "^one two$", execution_id) as process, Runner(
        server, execution_id
    ) as runner:
        for message, partial in (("one ", True), ("two", False), ("two", False)):
            runner.send(runner.record(message, partial=partial))
        runner.complete()
        assert process.finish() == 0
        assert process.out.data == b"one two\n"


@pytest.mark.parametrize(
    "options, word",
    [
        (["-v"], b"--grep"),
        (["-i"], b"--grep"),
        (["--from-seq", "1", "-n", "2"], b"--tail"),
        (["--grep", "a", "--grep", "b", "--regex", "c"], b"--regex"),
    ],
)
def test_options_that_do_not_go_together_are_refused(cli, long_line, options, word):
    result = cli.run("logs", *options, long_line)
    assert result.code == 2 and word in result.err


# --- times
DAYS = [
    ("d1", "2026-10-24T00:30:00Z"),
    ("d2", "2026-10-25T00:30:00Z"),
    ("d3", "2026-10-25T01:30:00Z"),
    ("d4", "2026-10-25T02:30:00Z"),
]
BERLIN = {"TZ": "Europe/Berlin"}


@pytest.fixture(scope="module")
def days(api):
    execution_id = api.create()
    api.append(execution_id, [{"message": message, "timestamp": timestamp} for message, timestamp in DAYS])
    return execution_id


def test_date_and_zone_are_shown_where_they_matter(cli, days):
    assert cli.ok("logs", "-t", days, env=BERLIN).text().splitlines() == [
        "[02:30:00] [stdout] d1",
        "[25 Oct 2026 02:30:00 CEST] [stdout] d2",
        "[02:30:00 CET] [stdout] d3",
        "[03:30:00] [stdout] d4",
    ]
    assert cli.ok("logs", "-t", "--utc", days, env=BERLIN).text().splitlines()[1:3] == [
        "[25 Oct 2026 00:30:00] [stdout] d2",
        "[01:30:00] [stdout] d3",
    ]
    terminal = cli.on_terminal("logs", days, env={**BERLIN, "NO_COLOR": "1"}).text().replace("\r", "")
    assert "--- 24 Oct 2026 ---\n[02:30:00] [stdout] d1\n--- 25 Oct 2026 ---\n[02:30:00 CEST]" in terminal


@pytest.mark.parametrize(
    "options, messages",
    [
        (["--since", "2026-10-25 02:30"], ["d2", "d3", "d4"]),
        (["--since", "2026-10-25 02:30 CET"], ["d3", "d4"]),
        (["--until", "2026-10-25 02:30:00"], ["d1", "d2", "d3"]),
        (["--until", "2026-10-25 02:30 CEST"], ["d1", "d2"]),
        (["--since", "2026-10-25"], ["d2", "d3", "d4"]),
        (["--utc", "--since", "2026-10-25 01:00"], ["d3", "d4"]),
        (["--since", "2026-10-25T01:00Z"], ["d3", "d4"]),
        (["--since", "1792893000", "-n", "1"], ["d4"]),
        (["--since", "2026-10-25", "-n", "2", "--until", "2026-10-25T01:45Z"], ["d2", "d3"]),
    ],
)
def test_times_without_a_zone_are_local(cli, days, options, messages):
    assert cli.ok("logs", *options, days, env=BERLIN).text().split() == messages


@pytest.mark.parametrize(
    "form",
    [
        "2020-01-01",
        "00:00:00",
        "1h30m",
        "1w",
        "yesterday",
        "yesterday 10:00",
        "today",
        "1764288000",
        "2026-01-01T00:00",
        "10m ago",
        "now",
    ],
)
def test_all_usual_forms_of_a_time_are_read(cli, long_line, form):
    cli.ok("logs", "--since", form, long_line)
    cli.ok("list", "--since", form)


@pytest.mark.parametrize("form", ["10", "soon", "25:00", "2026-02-30", ""])
def test_what_is_no_time_is_refused_with_examples(cli, long_line, form):
    for command in (["logs", long_line], ["list"]):
        result = cli.run(*command, "--since", form)
        assert result.code == 2 and b"1h30m" in result.err, result


def test_a_time_that_is_shown_can_be_given_back(cli, api):
    job = api.create(started_at="2025-11-15T10:30:15.250Z", queue=False)
    api.append(job, {"message": "hi", "timestamp": "2025-11-15T10:30:15.750Z"})
    api.expect(200, "PATCH", f"/api/v1/executions/{job}", {"status": "running"})
    api.expect(200, "PATCH", f"/api/v1/executions/{job}", {"status": "completed", "exit_code": 0})
    shown = re.search(r"^Started: (.*)$", cli.ok("status", job, env={"TZ": "America/New_York"}).text(), re.M).group(1)
    for option in ("--since", "--until"):
        assert cli.ok("logs", option, shown, job, env={"TZ": "America/New_York"}).text() == "hi\n"
    status = cli.ok("status", "--utc", job, env={"TZ": "America/New_York"}).text()
    times = [line for line in status.splitlines() if line.startswith(("Started:", "Expires:"))]
    assert len(times) == 2 and all(line.endswith(" UTC") for line in times)


# --- --until ends a follower
def test_following_until_what_has_passed_ends_at_once_with_what_matches(cli, days):
    assert cli.ok("logs", "-f", "--until", "2026-10-25T00:30:00Z", days).text() == "d1\nd2\n"


def test_following_until_a_moment_ends_when_it_has_passed(server, cli, api):
    execution_id = api.create()
    api.append_lines(execution_id, ["before"])
    until = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=2)
    with cli.start("logs", "-f", "--until", until.strftime("%FT%T.%fZ"), execution_id) as process:
        process.out.wait_for(b"before\n")
        assert process.finish() == 0
        assert datetime.datetime.now(datetime.timezone.utc) >= until
        assert process.out.data == b"before\n"
    assert cli.run("logs", "-f", "--exit-status", "--until", "2020-01-01", execution_id).code == 1


# --- records with fields
def test_a_terminal_shows_what_a_record_says_beside_its_message(cli, api):
    execution_id = api.create()
    step = {"event_type": "step_started", "node_id": "n1", "node_name": "Download", "step_number": 2, "total_steps": 5}
    api.append(
        execution_id,
        [
            {**step, "message": "raw", "progress_percentage": 40, "user_friendly_message": "Fetching the file"},
            {"message": "broken", "level": "error", "stream": "stderr"},
            {"message": "Name: ", "partial": True},
            {"message": "Ada"},
        ],
    )
    seen = cli.on_terminal("logs", execution_id).out
    assert b"\x1b[31mERROR\x1b[0m broken" in seen
    plain = re.sub(rb"\x1b\[[0-9;]*m", b"", seen).decode()
    assert re.search(r"\[event\] step_started Download \(n1\) 2/5 40(\.00)?%: Fetching the file", plain)
    assert "[stdout] Name: Ada" in plain
