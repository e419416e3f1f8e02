"""GET …/logs?format=…: the whole rest as a stream, followed or not."""

import csv
import io
import json
import struct

import pytest
from support.cli import Cli
from support.server import Server
from support.ws import Runner

PATH = "/api/v1/executions"
ODD = [
    b"plain",
    b"",
    b"cr\r",
    b" \t both ends \t ",
    b"nul\0byte",
    b"\xff\xfe not utf-8",
    "ümlaut ☃".encode(),
    b'quo"te,comma',
    b"[bold]x[/bold]",
]


@pytest.fixture(scope="module")
def odd(server, cli_home):
    """A sealed execution whose output was exactly ODD, one line each, and a last line without newline; (id, bytes)."""
    output = b"\n".join(ODD) + b"\nunfinished"
    result = cli_home.run("pipe", input=output, expect=0)
    assert result.out == output
    listed = server.api().expect(200, "GET", PATH, query={"limit": 1})["executions"]
    return listed[0]["execution_id"], output


@pytest.fixture(scope="module")
def cli_home(tmp_path_factory, own_module_server):
    return Cli(tmp_path_factory.mktemp("home"), own_module_server)


@pytest.fixture(scope="module")
def own_module_server(tmp_path_factory):
    one = Server(tmp_path_factory.mktemp("formats")).start()
    yield one
    one.close()


@pytest.fixture(scope="module")
def server(own_module_server):
    return own_module_server


@pytest.fixture(scope="module")
def api(server):
    return server.api()


def fetch(api, execution_id, **query):
    answer = api.get(f"{PATH}/{execution_id}/logs", query=query)
    assert answer.status == 200, answer
    return answer


def test_raw_gives_back_the_very_bytes(api, odd):
    execution_id, output = odd
    answer = fetch(api, execution_id, format="raw")
    assert answer.body == output
    assert answer.headers["Content-Type"].startswith("application/octet-stream")


def test_text_gives_back_the_lines(api, odd):
    execution_id, output = odd
    answer = fetch(api, execution_id, format="text")
    assert answer.headers["Content-Type"].startswith("text/plain")
    assert answer.body.rstrip(b"\n").split(b"\n")[0] == b"plain"
    assert len(answer.body.rstrip(b"\n").split(b"\n")) == len(ODD) + 1


def test_json_shows_bytes_that_are_not_utf_8_as_replacement(api, odd):
    shown = api.messages(odd[0])
    assert shown[:5] == ["plain", "", "cr\r", " \t both ends \t ", "nul\0byte"]
    assert "\ufffd" in shown[5] and shown[5].endswith(" not utf-8")
    assert shown[6] == "ümlaut ☃" and shown[-1] == "unfinished"
    assert api.logs(odd[0])[-1]["partial"] is True


def test_ndjson_is_one_record_a_line(api, odd):
    answer = fetch(api, odd[0], format="ndjson")
    assert answer.headers["Content-Type"].startswith("application/x-ndjson")
    records = [json.loads(line) for line in answer.body.splitlines()]
    assert records == api.logs(odd[0])


def test_csv_follows_rfc_4180(api, odd):
    answer = fetch(api, odd[0], format="csv")
    assert answer.headers["Content-Type"].startswith("text/csv")
    rows = list(csv.reader(io.StringIO(answer.body.decode("utf-8", "replace"), newline="")))
    assert rows[0] == ["execution_id", "sequence_number", "index", "timestamp", "stream", "level", "message"]
    assert [row[1] for row in rows[1:]] == [str(i) for i in range(len(ODD) + 1)]
    assert rows[8][6] == 'quo"te,comma'


def test_csv_has_a_column_for_each_structured_field_if_asked_for(api):
    id = api.create()
    event = {"event_type": "node_failed", "node_id": 'n"1,é', "progress_percentage": 40.5, "is_milestone": True}
    event.update(level="ERROR", message="boom", data={"a": [1, "x,y"]}, stack_trace="at a\nat b")
    api.append(id, [{"message": "plain"}, event, {"message": "other", "event_type": "node_started"}])
    answer = fetch(api, id, format="csv-fields", min_level="ERROR")
    header, *rows = csv.reader(io.StringIO(answer.body.decode(), newline=""))
    assert len(header) == 7 + 17 and header[7] == "event_type" and header[-1] == "producer"
    (row,) = (dict(zip(header, row)) for row in rows)
    assert (row["sequence_number"], row["level"], row["message"]) == ("1", "ERROR", "boom")
    assert (row["event_type"], row["node_id"]) == ("node_failed", 'n"1,é')
    assert (row["progress_percentage"], row["is_milestone"]) == ("40.5", "true")
    assert row["stack_trace"] == "at a\nat b" and json.loads(row["data"]) == {"a": [1, "x,y"]}
    assert row["category"] == row["producer"] == ""


def test_chunks_carry_first_and_length(api, odd):
    body = fetch(api, odd[0], format="chunk").body
    at, firsts = 0, []
    while at < len(body):
        first, length = struct.unpack_from("<QI", body, at)
        firsts.append(first)
        assert body[at + 12 : at + 14] == b"RC"
        at += 12 + length
    assert at == len(body) and firsts[0] == 0


@pytest.mark.parametrize(
    "accept, starts",
    [("application/x-ndjson", b'{"execution_id"'), ("text/plain", b"plain\n"), ("text/csv", b"execution_id,")],
)
def test_accept_chooses_the_format_too(api, odd, accept, starts):
    answer = api.get(f"{PATH}/{odd[0]}/logs", headers={"Accept": accept})
    assert answer.status == 200 and answer.body.startswith(starts), answer


def test_an_unknown_format_is_refused(api, odd):
    assert api.get(f"{PATH}/{odd[0]}/logs", query={"format": "pdf"}).status in (400, 422)


def test_text_holds_output_only(api):
    execution_id = api.create()
    api.append(
        execution_id,
        [
            {"message": "seen"},
            {"message": "hidden", "stream": "event", "event_type": "separator"},
            {"message": "err", "stream": "stderr"},
        ],
    )
    for form in ("text", "raw"):
        assert fetch(api, execution_id, format=form).body == b"seen\nerr\n"


def test_formats_obey_position_and_filter(api, odd):
    assert fetch(api, odd[0], format="raw", **{"from": len(ODD)}).body == b"unfinished"
    assert fetch(api, odd[0], format="text", grep="plain").body == b"plain\n"
    assert fetch(api, odd[0], format="ndjson", tail=1).body.count(b"\n") == 1


def test_a_sealed_log_has_an_etag(api, odd):
    answer = fetch(api, odd[0], format="raw")
    tag = answer.headers["ETag"]
    again = api.get(f"{PATH}/{odd[0]}/logs", query={"format": "raw"}, headers={"If-None-Match": tag})
    assert again.status == 304 and again.body == b""
    other = fetch(api, odd[0], format="ndjson")
    assert other.headers["ETag"] != tag


def test_an_open_log_has_none(api):
    execution_id = api.create()
    api.append_lines(execution_id, ["x"])
    assert "ETag" not in fetch(api, execution_id, format="raw").headers


FOLLOW_FORMS = {
    "text": lambda line, i: line == f"line {i}\n".encode(),
    "raw": lambda line, i: line == f"line {i}\n".encode(),
    "ndjson": lambda line, i: json.loads(line)["sequence_number"] == i,
    "csv": lambda line, i: line.rstrip(b"\r\n").endswith(f"line {i}".encode()),
}


@pytest.mark.threads
@pytest.mark.parametrize("form", FOLLOW_FORMS)
def test_follow_gives_lines_as_they_come_and_ends_at_the_seal(server, api, form):
    execution_id = api.create()
    with Runner(server, execution_id) as runner:
        runner.lines(["line 0"])
        stream = api.open("GET", f"{PATH}/{execution_id}/logs", query={"format": form, "follow": "true"})
        assert stream.status == 200
        if form == "csv":
            assert stream.readline().startswith(b"execution_id,")
        for i in range(5):
            assert FOLLOW_FORMS[form](stream.readline(), i)
            runner.lines([f"line {i + 1}"])
        runner.complete()
    assert FOLLOW_FORMS[form](stream.readline(), 5)
    if form == "ndjson":
        assert json.loads(stream.readline()) == {
            "type": "complete",
            "execution_id": execution_id,
            "exit_code": 0,
            "status": "completed",
            "final_sequence": 5,
        }
    assert stream.read() == b""


def test_following_a_sealed_log_gives_it_and_ends(api, odd):
    assert fetch(api, odd[0], format="raw", follow="true").body == odd[1]
