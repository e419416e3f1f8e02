"""Runs that wait for somebody: the form, who may answer, until when, and that they go on once."""

import json
import threading

import pytest
from support import jwts
from support.api import Api, eventually
from support.cli import Cli
from support.jobs import fresh_id
from support.process import BIN
from support.server import Server
from support.ws import Follower, Runner

FORM = {"title": "Deploy?", "fields": [{"name": "go", "type": "boolean"}]}
ONE, OTHER = "user-one", "user-two"


def path_of(id, rest=""):
    return f"/api/v1/executions/{id}{rest}"


def running(api, **members):
    id = api.create(**members)
    api.expect(200, "PATCH", path_of(id), {"status": "running"})
    return id


def waits(api, id, **waiting):
    api.expect(200, "PATCH", path_of(id), {"status": "waiting", "waiting": waiting})
    return api.expect(200, "GET", path_of(id, "/waiting"))["waiting"]


def waiting(api, **members):
    id = running(api)
    waits(api, id, **members)
    return id


def answer(api, id, data=None, key=None, **members):
    headers = {"Idempotency-Key": key} if key else {}
    return api.post(
        path_of(id, "/answer"), {"data": {"go": True} if data is None else data, **members}, headers=headers
    )


def answers(api, id):
    return [record for record in api.logs(id, event_type="human_interaction")]


def fields_of(answer):
    assert (answer.status, answer.code) == (422, "invalid"), answer
    return {field["name"]: field["reason"] for field in answer.json()["error"]["fields"]}


# --- Asking and answering


def test_what_a_run_waits_for_is_served_and_an_answer_lets_it_go_on(api):
    id = running(api)
    api.append_lines(id, ["before"])
    kept = waits(api, id, form=FORM, node_id="gate")
    assert (kept["form"], kept["node_id"]) == (FORM, "gate") and kept["waiting_id"]
    asked = api.expect(200, "GET", path_of(id, "/waiting"))
    assert (asked["status"], asked["sealed"], asked["last_index"], asked["may_answer"]) == ("waiting", False, 1, True)
    given = answer(api, id, {"go": True, "who": "Zoë"}, waiting_id=kept["waiting_id"])
    assert (given.status, given.json()) == (
        200,
        {"execution_id": id, "status": "running", "sequence_number": 1, "index": 2},
    )
    (record,) = answers(api, id)
    assert (record["sequence_number"], record["stream"], record["node_id"]) == (1, "event", "gate")
    assert record["data"] == {"go": True, "who": "Zoë"}
    assert record["message"] == "answered by " + record["technical_details"]["answered_by"]
    after = api.expect(200, "GET", path_of(id, "/waiting"))
    assert (after["status"], after["waiting"], after["may_answer"]) == ("running", None, False)
    assert api.status(id)["status"] == "running"


def test_a_follower_sees_the_answer_live(server, api):
    id = waiting(api, form=FORM)
    with Follower(server, id) as follower:
        answer(api, id, {"go": False})
        (record,) = follower.logs(1)
        assert (record["event_type"], record["data"]) == ("human_interaction", {"go": False})


def test_a_second_answer_is_refused_unless_its_key_is_that_of_the_first(api):
    id, key = waiting(api, form=FORM), fresh_id()
    first = answer(api, id, key=key)
    again = answer(api, id, key=key)
    assert (first.status, again.status, again.json()) == (200, 200, first.json())
    other = answer(api, id, {"go": False}, key=key)
    assert (other.status, other.code) == (422, "idempotency_mismatch")
    for refused in (answer(api, id), answer(api, id, key=fresh_id())):
        assert (refused.status, refused.code) == (409, "conflict"), refused
    assert len(answers(api, id)) == 1
    assert answer(api, id, key="k" * 256).code == "malformed"


def test_a_repeated_answer_is_found_also_after_the_seal(api):
    id, key = waiting(api, form=FORM), fresh_id()
    first = answer(api, id, key=key).json()
    api.expect(200, "PATCH", path_of(id), {"status": "completed"})
    again = answer(api, id, key=key)
    assert again.status == 200
    assert (again.json()["sequence_number"], again.json()["status"]) == (first["sequence_number"], "completed")


def test_an_answer_to_one_question_does_not_go_to_the_next(api):
    id = running(api)
    first = waits(api, id, form=FORM)["waiting_id"]
    answer(api, id)
    second = waits(api, id, form=FORM)["waiting_id"]
    late = answer(api, id, waiting_id=first)
    assert (late.status, late.code) == (409, "conflict")
    assert answer(api, id, waiting_id=second).status == 200


def test_of_answers_that_come_at_once_one_wins(api):
    for _ in range(5):
        id = waiting(api, form=FORM)
        begin, got = threading.Barrier(4), []

        def give(number):
            begin.wait()
            got.append(answer(api, id, {"number": number}))

        threads = [threading.Thread(target=give, args=(number,)) for number in range(4)]
        [thread.start() for thread in threads]
        [thread.join() for thread in threads]
        assert sorted(one.status for one in got) == [200, 409, 409, 409], got
        (record,) = answers(api, id)
        (winner,) = [one.json() for one in got if one.status == 200]
        assert record["sequence_number"] == winner["sequence_number"]


def test_what_does_not_wait_takes_no_answer(api):
    for id in (api.create(), running(api)):
        refused = answer(api, id)
        assert (refused.status, refused.code) == (409, "conflict")
        assert api.logs(id) == []
    assert answer(api, "exec_nobody").status == 404


def test_a_run_that_waits_for_nobody_in_particular_is_answered_too(api):
    id = running(api)
    api.expect(200, "PATCH", path_of(id), {"status": "waiting"})
    assert api.expect(200, "GET", path_of(id, "/waiting"))["waiting"] == {}
    assert answer(api, id).status == 200


@pytest.mark.parametrize("status", ["running", "completed", "failed", "cancelled"])
def test_another_status_ends_the_wait(api, status):
    id = waiting(api, form=FORM)
    api.expect(200, "PATCH", path_of(id), {"status": status})
    assert api.expect(200, "GET", path_of(id, "/waiting"))["waiting"] is None
    assert answer(api, id).code == "conflict"


def test_the_same_status_again_leaves_what_it_waits_for(api):
    id = waiting(api, form=FORM)
    api.expect(200, "PATCH", path_of(id), {"status": "waiting"})
    assert api.expect(200, "GET", path_of(id, "/waiting"))["waiting"]["form"] == FORM


WRONG = {
    "without the status": ({"waiting": {}}, {"waiting": "comes with the status `waiting`"}),
    "another status": ({"status": "running", "waiting": {}}, {"waiting": "comes with the status `waiting`"}),
    "no object": ({"status": "waiting", "waiting": 7}, {"waiting": "must be an object"}),
    "a form that is none": ({"status": "waiting", "waiting": {"form": []}}, {"waiting.form": "must be an object"}),
    "a large form": (
        {"status": "waiting", "waiting": {"form": {"a": "x" * 65536}}},
        {"waiting.form": "is larger than 64 KiB"},
    ),
    "a time that is over": (
        {"status": "waiting", "waiting": {"until": "2020-01-01T00:00:00Z"}},
        {"waiting.until": "has passed already"},
    ),
    "an unknown member": ({"status": "waiting", "waiting": {"colour": 1}}, {"waiting.colour": "is not known"}),
}


@pytest.mark.parametrize("body,reasons", WRONG.values(), ids=WRONG.keys())
def test_what_cannot_be_waited_for_is_refused_with_its_reason(api, body, reasons):
    id = running(api)
    assert fields_of(api.patch(path_of(id), body)) == reasons
    assert api.status(id)["status"] == "running"


def test_data_that_are_none_are_refused_and_it_goes_on_waiting(api):
    id = waiting(api, form=FORM)
    assert set(fields_of(api.post(path_of(id, "/answer"), {}))) == {"data"}
    assert set(fields_of(api.post(path_of(id, "/answer"), {"data": 7}))) == {"data"}
    assert fields_of(answer(api, id, {"a": "x" * 70000})) == {"data": "is larger than 64 KiB"}
    assert api.status(id)["status"] == "waiting" and api.logs(id) == []
    assert answer(api, id, {"a": "x" * 60000}).status == 200


# --- Who may answer


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    root = tmp_path_factory.mktemp("waiting") / "house"
    root.mkdir(parents=True)
    roles = [f"{role}={role}" for role in ("viewer", "user", "service", "admin")] + ["service_role=service"]
    path = jwts.issuers_file(root, supabase=jwts.supabase(root, roles=roles))
    made = Server(root, flags=["--jwt-issuers", path])
    made.start()
    yield made
    made.close()


def user(house, sub, role="user", **claims):
    return Api(house.port, jwts.token(sub=sub, role=role, **claims))


def test_without_assignees_the_owner_answers_and_for_others_it_is_not_there(house):
    one, other = user(house, ONE), user(house, OTHER)
    id = waiting(one, form=FORM)
    assert (answer(other, id).status, other.get(path_of(id, "/waiting")).status) == (404, 404)
    assert user(house, OTHER, "viewer").post(path_of(id, "/answer"), {"data": {}}).status == 403
    assert answer(one, id).status == 200
    (record,) = answers(one, id)
    assert record["technical_details"] == {"answered_by": ONE}


def test_assignees_answer_and_nothing_else_of_it_is_shown_to_them(house):
    one, other, third = user(house, ONE), user(house, OTHER), user(house, "user-three")
    id, key = waiting(one, form=FORM, assignees=[OTHER]), fresh_id()
    asked = other.expect(200, "GET", path_of(id, "/waiting"))
    assert (asked["may_answer"], asked["waiting"]["form"]) == (True, FORM)
    owner_sees = one.expect(200, "GET", path_of(id, "/waiting"))
    assert owner_sees["may_answer"] is False
    refused = answer(one, id)
    assert (refused.status, refused.code) == (403, "forbidden")
    assert answer(third, id).status == third.get(path_of(id, "/waiting")).status == 404
    assert other.get(path_of(id)).status == other.get(path_of(id, "/logs")).status == 404
    first = answer(other, id, key=key)
    assert first.status == 200
    assert answer(other, id, key=key).json() == first.json()
    assert answer(other, id).code == "conflict"
    assert one.logs(id)[0]["technical_details"] == {"answered_by": OTHER}


@pytest.mark.parametrize("role", ["service", "admin"])
def test_services_and_admins_answer_always(house, role):
    one = user(house, ONE)
    id = waiting(one, form=FORM, assignees=[OTHER])
    assert answer(user(house, "boss", role), id).status == 200
    assert one.logs(id)[0]["technical_details"] == {"answered_by": "boss"}


def test_an_answer_with_a_token_that_has_expired_is_none(house):
    one = user(house, ONE)
    id = waiting(one, form=FORM)
    refused = answer(user(house, ONE, exp=jwts.now() - 100), id)
    assert (refused.status, refused.code) == (401, "token_expired")
    assert one.status(id)["status"] == "waiting"


# --- Time


def test_what_nobody_answers_in_time_has_timed_out_and_says_why(api):
    id = waiting(api, form=FORM, until="1s")
    ended = eventually(lambda: (now := api.status(id))["status"] == "timed_out" and now, "the end of its time")
    assert ended["sealed"] is True
    (record,) = answers(api, id)
    assert record["message"].startswith("nobody has answered until ") and "data" not in record
    assert answer(api, id).code == "conflict"


def test_a_run_that_is_to_go_on_without_an_answer_does(api):
    id = waiting(api, form=FORM, until="1s", on_timeout="resume", node_id="gate")
    eventually(lambda: api.status(id)["status"] == "running", "the end of its time")
    (record,) = answers(api, id)
    assert record["message"].endswith("; the run goes on without an answer") and record["node_id"] == "gate"
    assert answer(api, id).code == "conflict"


def test_a_wait_and_its_time_outlast_a_restart(own_server):
    api = own_server.api()
    long, short = waiting(api, form=FORM), waiting(api, form=FORM, until="3s")
    own_server.kill()
    own_server.start()
    api = own_server.api()
    assert api.expect(200, "GET", path_of(long, "/waiting"))["waiting"]["form"] == FORM
    eventually(lambda: api.status(short)["status"] == "timed_out", "the end of its time")
    assert answer(api, long).status == 200
    assert len(answers(api, short)) == len(answers(api, long)) == 1


def test_an_answer_whose_reply_was_lost_by_a_crash_counts_once(own_server):
    api = own_server.api()
    ids = [waiting(api, form=FORM) for _ in range(20)]
    go = threading.Barrier(2)

    def give():
        go.wait()
        for id in ids:
            try:
                answer(api, id, key="k-" + id)
            except OSError:
                return

    thread = threading.Thread(target=give)
    thread.start()
    go.wait()
    own_server.kill()
    thread.join()
    own_server.start()
    api = own_server.api()
    for id in ids:
        assert answer(api, id, key="k-" + id).status == 200
        assert len(answers(api, id)) == 1
        assert api.status(id)["status"] == "running"


# --- Runners


def test_a_wait_outlasts_the_loss_of_its_runner(servers):
    server = servers("--lease-seconds", "5")
    api = server.api()
    id = api.create()

    def heard_of(runner, status):
        runner.lines(["still here"])  # its lease is renewed, however slow this is
        return api.status(id)["status"] == status

    with Runner(server, id) as runner:
        waits(api, id, form=FORM)
    eventually(lambda: api.status(id)["status"] == "lost", "the end of its lease")
    assert api.expect(200, "GET", path_of(id, "/waiting"))["waiting"]["form"] == FORM
    with Runner(server, id, epoch=1) as runner:
        eventually(lambda: heard_of(runner, "waiting"), "what it did before it was lost")
    eventually(lambda: api.status(id)["status"] == "lost", "the end of its lease")
    given = answer(api, id)
    assert (given.status, given.json()["status"]) == (200, "lost")
    with Runner(server, id, epoch=1) as runner:
        eventually(lambda: heard_of(runner, "running"), "that it goes on")


def test_the_runner_of_what_nobody_has_answered_is_told_to_end(server, api):
    id = api.create()
    with Runner(server, id) as runner:
        waits(api, id, form=FORM, until="1s")
        cancel = runner.expect("cancel")
        assert cancel["reason"] == "nobody has answered in time"
        runner.complete(143, final_sequence=-1)
    ended = api.status(id)
    assert (ended["status"], ended["exit_code"], ended["sealed"]) == ("timed_out", 143, True)


# --- The command line


def test_answer_answers_and_says_what_it_did(api, cli):
    id = waiting(api, form=FORM, assignees=["ann"], until="2099-01-01T00:00:00Z")
    shown = cli.run("status", id, "--utc", expect=0).text()
    asked = f"Asks: {FORM['title']}\nForm: {json.dumps(FORM, separators=(',', ':'))}\nAsked: ann\n"
    assert f"\n{asked}Until: 2099-01-01 00:00:00 UTC\nAnswer: runnel answer {id} NAME=TEXT\n" in shown
    done = cli.run("answer", id, "note=after lunch", "go:=true", "sum=1=1", expect=0)
    assert done.text() == f"{id}: answered; running\n"
    (record,) = answers(api, id)
    assert record["data"] == {"note": "after lunch", "go": True, "sum": "1=1"}
    again = cli.run("answer", id, expect=1)
    assert f"{id} waits for no answer; it is running" in again.err.decode()
    assert "Answer:" not in cli.run("status", id, expect=0).text()


def test_answer_takes_json_and_the_beginning_of_an_identifier(api, cli):
    id = waiting(api, form=FORM)
    done = cli.run("answer", id[:-3], "--data", '{"go": false}', "-o", "json", expect=0)
    assert done.text().startswith('{"execution_id":')
    assert answers(api, id)[0]["data"] == {"go": False}


@pytest.mark.parametrize(
    "args", [[], ["x", "go"], ["x", "=1"], ["x", "a:=no"], ["x", "--data", "[]"], ["x", "--data", "{}", "a=b"], ["/"]]
)
def test_what_is_no_answer_is_a_usage_error(cli, args):
    cli.run("answer", *args, expect=2)


def test_a_question_with_escape_sequences_is_shown_without_them(api, cli):
    id = waiting(api, form={"title": "\x1b]0;owned\x07Go?\n\nStatus: completed"})
    shown = cli.run("status", id, expect=0).out
    assert b"\x1b" not in shown and b"\nStatus: completed" not in shown


def test_a_job_asks_and_gets_the_answer(api, cli):
    id = fresh_id()
    script = 'answer=$("$RUNNEL" ask \'Deploy?\' --node gate) && echo "got $answer"'
    with cli.start("wrap", "--id", id, "--", "sh", "-c", script, env={"RUNNEL": BIN}) as job:
        asked = eventually(
            lambda: (found := api.get(path_of(id, "/waiting"))).status == 200 and found.json()["waiting"],
            "the question",
        )
        assert (asked["form"], asked["node_id"]) == ({"title": "Deploy?"}, "gate")
        assert answer(api, id, {"go": True}).status == 200
        assert job.wait() == 0
    assert 'got {"go":true}' in api.messages(id)
    assert api.status(id)["status"] == "completed"


def test_a_job_of_a_worker_asks_by_the_token_of_its_own_run(tmp_path):
    script = (
        'echo "token $RUNNEL_TOKEN"; "$RUNNEL" status "$OTHER" 2>&1 && echo seen; '
        'answer=$("$RUNNEL" ask \'Deploy?\') && echo "got $answer"'
    )
    server = Server(tmp_path / "server", flags=["--jobs", "1"])
    server.start()
    try:
        api, cli = server.api(), Cli(tmp_path / "home", server)
        other = api.create()
        values = ["-e", f"OTHER={other}", "-e", f"RUNNEL={BIN}", "--secret", "@run"]
        id = cli.run("run", "-d", *values, "--", "sh", "-c", script, expect=0).text().strip()
        eventually(lambda: api.get(path_of(id, "/waiting")).json()["waiting"], "the question")
        assert answer(api, id, {"go": True}).status == 200
        cli.run("wait", id, expect=0)
        lines = api.messages(id)
    finally:
        server.stop()
    assert "token ***" in lines and 'got {"go":true}' in lines and "seen" not in lines, lines


def test_a_job_may_ask_before_its_runner_has_told_the_server_of_it(own_server, tmp_path):
    api, cli, id = own_server.api(), Cli(tmp_path / "home", own_server), fresh_id()
    unknown = cli.run("ask", "Deploy?", "--id", id, expect=3)
    assert b"no such execution" in unknown.err
    refusals = 'runnel_refusals_total{reason="not_found"}'
    before = api.metrics()[refusals]
    with cli.start("ask", "Deploy?", env={"RUNNEL_EXECUTION_ID": id}) as asking:
        eventually(lambda: api.metrics()[refusals] > before, "it was too early")
        running(api, execution_id=id)
        eventually(lambda: api.expect(200, "GET", path_of(id, "/waiting"))["waiting"], "the question")
        assert answer(api, id, {"go": True}).status == 200
        assert asking.finish() == 0 and asking.out.data == b'{"go":true}\n'


@pytest.mark.parametrize("then", ["fail", "resume"])
def test_a_question_that_nobody_answers_in_time_is_124(api, cli, then):
    id = running(api)
    asked = cli.run("ask", "Well?", "--id", id, "--until", "1s", "--on-timeout", then, expect=124)
    assert (asked.out, asked.err) == (b"", b"runnel: nobody has answered in time\n")


def test_a_run_that_ends_ends_the_question(api, cli):
    id = running(api)
    with cli.start("ask", "Well?", "--id", id) as asking:
        eventually(lambda: api.status(id)["status"] == "waiting", "the question")
        api.expect(200, "PATCH", path_of(id), {"status": "completed"})
        assert asking.finish() == 1
        assert b"the run has ended without an answer" in asking.err.data
