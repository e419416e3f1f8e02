"""Executions: making, reading, listing, changing, cancelling, purging."""

import concurrent.futures
import os
import re

import pytest
from support.api import eventually
from support.ws import Follower, RawWebSocket, Refused, Runner

STATUSES = "queued running waiting paused completed failed cancelled timed_out skipped lost".split()
PATH = "/api/v1/executions"


def seal(server, api, lines=(), exit_code=0, **fields):
    """An execution that a runner has ended; its id."""
    execution_id = api.create(**fields)
    with Runner(server, execution_id) as runner:
        if lines:
            runner.lines(lines)
        runner.complete(exit_code)
    return execution_id


# --- making
def test_the_server_makes_an_id_that_sorts_by_time(api):
    ids = [api.create() for _ in range(5)]
    assert all(re.fullmatch(r"exec_[0-9a-z]{26}", one) for one in ids) and len(set(ids)) == 5
    times = [one[: len("exec_") + 10] for one in ids]
    assert times == sorted(times)


@pytest.mark.parametrize("suffix", ["a", "shipsec-run-1", "0b2d6d9e-5b1c-4c57-b6f5-0d2a3f1c1d11", "A.b:c_d-e"])
def test_a_brought_id_is_kept(api, suffix, tmp_path):
    mine = f"{abs(hash(tmp_path))}{suffix}"
    assert api.create(execution_id=mine) == mine
    assert api.expect(200, "GET", f"{PATH}/{mine}")["execution_id"] == mine


def test_an_id_of_255_characters_is_the_longest(api, tmp_path):
    longest = f"{abs(hash(tmp_path))}".ljust(255, "x")
    assert api.create(execution_id=longest) == longest
    assert api.post(PATH, {"execution_id": longest + "x"}).status == 422


def test_an_id_is_used_once(api):
    execution_id = api.create()
    answer = api.post(PATH, {"execution_id": execution_id})
    assert (answer.status, answer.code) == (409, "conflict")


def test_creation_answers_with_the_location(api):
    answer = api.post(PATH, {"script_filename": "process.py"})
    assert answer.status == 201
    assert answer.headers["Location"] == f"{PATH}/{answer.json()['execution_id']}"


def test_an_idempotency_key_makes_creation_exactly_once(api, tmp_path):
    key = {"Idempotency-Key": f"create-{tmp_path}"}
    first = api.post(PATH, {"script_filename": "a.py"}, headers=key)
    again = api.post(PATH, {"script_filename": "a.py"}, headers=key)
    other = api.post(PATH, {"script_filename": "b.py"}, headers=key)
    assert first.status == 201 and again.status in (200, 201)
    assert again.json()["execution_id"] == first.json()["execution_id"]
    assert (other.status, other.code) == (422, "idempotency_mismatch")


def test_everything_that_was_submitted_is_shown(api):
    execution_id = api.create(
        script_filename="process.py", runtime="python:3.11", workflow_id="nightly", metadata={"team": "data", "n": 3}
    )
    shown = api.status(execution_id)
    assert shown["script_filename"] == "process.py" and shown["runtime"] == "python:3.11"
    assert shown["metadata"] == {"team": "data", "n": 3}


def test_a_run_that_began_before_it_was_made_says_when(server, api):
    began = "2025-11-15T10:30:15.250Z"
    key = {"Idempotency-Key": f"began-{os.getpid()}"}
    made = api.expect(201, "POST", PATH, {"queue": False, "started_at": began}, headers=key)
    again = api.expect(200, "POST", PATH, {"queue": False, "started_at": began}, headers=key)
    assert (again["execution_id"], again["started_at"]) == (made["execution_id"], began)
    assert made["started_at"] == began and made["created_at"] > began
    with Runner(server, made["execution_id"]) as runner:
        assert api.status(made["execution_id"])["started_at"] == began
        runner.complete(0, completed_at="2025-11-15T11:31:15.250+01:00")
    shown = api.status(made["execution_id"])
    assert (shown["started_at"], shown["completed_at"]) == (began, "2025-11-15T10:31:15.250Z")
    assert shown["duration_ms"] == 60000


@pytest.mark.parametrize(
    "fields, reason",
    [
        ({"queue": False, "started_at": "2999-01-01T00:00:00Z"}, "future"),
        ({"queue": False, "started_at": "yesterday"}, "RFC 3339"),
        ({"queue": False, "started_at": 1700000000}, "RFC 3339"),
        ({"queue": False, "started_at": "1969-12-31T23:59:59Z"}, "RFC 3339"),
        ({"queue": True, "started_at": "2025-11-15T10:30:15Z"}, "queue"),
        ({"started_at": "2025-11-15T10:30:15Z"}, "queue"),
    ],
)
def test_a_start_that_cannot_be_is_refused(api, fields, reason):
    answer = api.post(PATH, fields)
    assert (answer.status, answer.code) == (422, "invalid")
    [field] = answer.json()["error"]["fields"]
    assert field["name"] == "started_at" and reason in field["reason"]
    assert api.post(PATH, {"queue": False, "started_at": None}).status == 201


@pytest.mark.parametrize("told", ["2999-01-01T00:00:00Z", "2001-01-01T00:00:00Z", None])
def test_an_end_that_cannot_be_is_the_servers_now(server, api, told):
    execution_id = api.create()
    with Runner(server, execution_id) as runner:
        runner.complete(0, completed_at=told)
    shown = api.status(execution_id)
    assert shown["started_at"] <= shown["completed_at"] < "2999"


# --- reading
SEED_FIELDS = (
    "execution_id status script_filename runtime created_at started_at completed_at duration_seconds worker_id worker_hostname "
    "exit_code cost_micros cost_display artifacts_count"
).split()
OWN_FIELDS = "sealed last_index first_sequence duration_ms metadata expires_at runner".split()


def test_status_has_the_seeds_fields_and_runnels(api):
    execution_id = api.create()
    shown = api.status(execution_id)
    assert set(SEED_FIELDS + OWN_FIELDS) <= set(shown)
    for unknown in (
        "started_at",
        "completed_at",
        "exit_code",
        "worker_id",
        "worker_hostname",
        "duration_seconds",
        "script_filename",
    ):
        assert shown[unknown] is None, unknown
    assert shown["sealed"] is False and shown["last_index"] == 0 and shown["first_sequence"] == 0
    assert api.expect(200, "GET", f"{PATH}/{execution_id}")["execution_id"] == execution_id


def test_times_are_rfc_3339_in_utc_with_milliseconds(server, api):
    shown = api.status(seal(server, api, ["x"]))
    for name in ("created_at", "started_at", "completed_at"):
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", shown[name]), name
    assert shown["created_at"] <= shown["started_at"] <= shown["completed_at"]
    assert isinstance(shown["duration_ms"], int) and shown["duration_seconds"] == shown["duration_ms"] // 1000


def test_a_connected_runner_is_shown(server, api):
    execution_id = api.create()
    with Runner(server, execution_id) as runner:
        runner.lines(["one", "two"])
        shown = api.status(execution_id)
        assert shown["status"] == "running" and shown["runner"]["connected"] is True
        assert shown["last_index"] == 2
        runner.complete()
    shown = api.status(execution_id)
    assert shown["sealed"] is True and shown["status"] == "completed" and shown["exit_code"] == 0


@pytest.mark.parametrize("exit_code, status", [(0, "completed"), (1, "failed"), (137, "failed"), (255, "failed")])
def test_the_exit_code_decides_the_status(server, api, exit_code, status):
    shown = api.status(seal(server, api, exit_code=exit_code))
    assert (shown["status"], shown["exit_code"]) == (status, exit_code)


# --- listing
def test_the_list_is_newest_first_and_pages_hold_each_once(servers):
    api = servers().api()
    made = [api.create() for _ in range(7)]
    seen, cursor = [], None
    for _ in range(4):
        page = api.expect(200, "GET", PATH, query={"limit": 2, **({"cursor": cursor} if cursor else {})})
        seen += [execution["execution_id"] for execution in page["executions"]]
        cursor = page["next_cursor"]
    assert cursor is None and seen == made[::-1]


def test_the_list_filters(servers):
    server = servers()
    api = server.api()
    plain = api.create()
    flow = api.create(workflow_id="w1", metadata={"team": "data"})
    done = seal(server, api, metadata={"team": "ops"})

    def listed(**query):
        return [execution["execution_id"] for execution in api.expect(200, "GET", PATH, query=query)["executions"]]

    assert listed() == [done, flow, plain]
    assert listed(status="completed") == [done]
    assert listed(workflow_id="w1") == [flow]
    assert listed(**{"metadata.team": "data"}) == [flow]
    assert listed(**{"metadata.team": "nobody"}) == []
    assert listed(since="1h") == [done, flow, plain]
    assert listed(since="2099-01-01T00:00:00Z") == []
    assert listed(workflow_id="w1", status="completed") == []


# --- changing
@pytest.mark.parametrize(
    "metadata, reason",
    [
        ({"text": "x" * 65536}, "is larger than 64 KiB"),
        ({str(i): i for i in range(1001)}, "has more than 1000 members"),
        ({"list": [[i] for i in range(500)]}, "has more than 1000 members"),
        (["no", "object"], "must be an object"),
    ],
)
def test_metadata_has_limits(api, metadata, reason):
    execution_id = api.create(metadata={"kept": 1})
    for request in (
        ("POST", PATH, {"metadata": metadata}),
        ("PATCH", f"{PATH}/{execution_id}", {"metadata": metadata}),
    ):
        error = api.expect(422, *request)["error"]
        assert error["fields"] == [{"name": "metadata", "reason": reason}]
    assert api.status(execution_id)["metadata"] == {"kept": 1}


def test_metadata_is_merged(api):
    execution_id = api.create(metadata={"keep": 1, "drop": 2})
    api.expect(200, "PATCH", f"{PATH}/{execution_id}", {"metadata": {"drop": None, "new": {"deep": True}}})
    assert api.status(execution_id)["metadata"] == {"keep": 1, "new": {"deep": True}}


@pytest.mark.threads
def test_of_patches_of_metadata_at_once_none_is_lost(api):
    execution_id = api.create(metadata={"before": True})

    def patch(number):
        api.expect(
            200, "PATCH", f"{PATH}/{execution_id}", {"metadata": {f"key{number}": number, "o": {f"{number}": 1}}}
        )

    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        list(pool.map(patch, range(100)))
    assert api.status(execution_id)["metadata"] == {
        "before": True,
        **{f"key{number}": number for number in range(100)},
        "o": {f"{number}": 1 for number in range(100)},
    }


def test_metadata_is_limited_as_a_whole(api):
    execution_id = api.create(metadata={"a": "x" * 40000})
    for metadata in ({"b": "y" * 30000}, {"b": "y" * 70000}):
        answer = api.request("PATCH", f"{PATH}/{execution_id}", {"metadata": metadata, "pin": True})
        assert (answer.status, answer.code) == (422, "invalid")
        assert answer.json()["error"]["fields"] == [{"name": "metadata", "reason": "is larger than 64 KiB"}]
    shown = api.expect(200, "PATCH", f"{PATH}/{execution_id}", {"metadata": {"a": None, "b": "y" * 60000}})
    assert shown["metadata"] == {"b": "y" * 60000}


@pytest.mark.parametrize(
    "refused, status",
    [
        ({"status": "completed"}, 409),  # a queued one cannot have completed
        ({"status": "cancelled", "metadata": {"c": "x" * 65400}}, 422),
    ],
    ids=["status", "metadata"],
)
def test_a_patch_that_is_refused_has_changed_nothing(api, refused, status):
    execution_id = api.create(metadata={"a": 1, "b": "y" * 200})
    before = api.status(execution_id)
    body = {"metadata": {"a": 2}, "pin": True, **refused}
    assert api.patch(f"{PATH}/{execution_id}", body).status == status
    assert api.status(execution_id) == before


def test_a_change_that_is_not_allowed_is_told_what_is(api):
    id = api.create()
    for asked in (
        lambda: api.patch(f"{PATH}/{id}", {"status": "waiting"}),
        lambda: api.request("PUT", f"{PATH}/{id}/waiting", {"form": {"title": "Go?"}}),
    ):
        refused = asked()
        assert (refused.status, refused.code) == (409, "bad_transition")
        told = refused.json()["error"]["message"]
        assert told.startswith(
            "it is queued, and cannot become waiting from there; it may become running, failed"
        ), told


@pytest.mark.parametrize("first", ["waiting", "paused"])
def test_a_running_execution_may_pause_and_go_on(api, first):
    execution_id = api.create()
    for status in ("running", first, "running"):
        assert api.expect(200, "PATCH", f"{PATH}/{execution_id}", {"status": status})["status"] == status


@pytest.mark.parametrize("end", ["completed", "failed", "cancelled", "timed_out"])
def test_an_end_is_final_and_ending_twice_alike_is_fine(api, end):
    execution_id = api.create()
    api.expect(200, "PATCH", f"{PATH}/{execution_id}", {"status": "running"})
    body = {"status": end, "exit_code": 0 if end == "completed" else 3}
    assert api.expect(200, "PATCH", f"{PATH}/{execution_id}", body)["status"] == end
    assert api.expect(200, "PATCH", f"{PATH}/{execution_id}", body)["status"] == end
    for other in STATUSES:
        if other not in (end, "lost"):
            answer = api.patch(f"{PATH}/{execution_id}", {"status": other})
            assert (answer.status, answer.code) == (409, "sealed"), (end, other, answer)
    assert api.patch(f"{PATH}/{execution_id}", {"status": "lost"}).status == 422


def test_ending_again_with_another_exit_code_is_refused(api):
    execution_id = api.create()
    api.expect(200, "PATCH", f"{PATH}/{execution_id}", {"status": "running"})
    api.expect(200, "PATCH", f"{PATH}/{execution_id}", {"status": "failed", "exit_code": 3})
    assert api.patch(f"{PATH}/{execution_id}", {"status": "failed", "exit_code": 4}).status == 409


def test_pin_takes_away_the_expiry(server, api):
    execution_id = seal(server, api)
    api.expect(200, "PATCH", f"{PATH}/{execution_id}", {"pin": True})
    assert api.status(execution_id)["expires_at"] is None


# --- cancelling and purging
def test_cancelling_asks_the_runner_and_then_is_202(server, api):
    execution_id = api.create()
    with Runner(server, execution_id) as runner:
        assert api.delete(f"{PATH}/{execution_id}").status == 202
        order = runner.expect("cancel")
        assert order["reason"] and isinstance(order["grace_seconds"], (int, float))
        runner.complete(143, status="cancelled")
    shown = api.status(execution_id)
    assert (shown["status"], shown["exit_code"]) == ("cancelled", 143)
    assert api.delete(f"{PATH}/{execution_id}").status == 200


def test_a_status_of_cancelled_that_is_told_reaches_the_runner_as_a_cancel_does(server, api):
    execution_id = api.create()
    with Runner(server, execution_id) as runner:
        assert api.expect(200, "PATCH", f"{PATH}/{execution_id}", {"status": "cancelled"})["sealed"] is False
        assert runner.expect("cancel")["reason"]
        runner.complete(143, status="cancelled")
    shown = api.status(execution_id)
    assert (shown["status"], shown["sealed"], shown["exit_code"]) == ("cancelled", True, 143)


@pytest.mark.parametrize("told", ["completed", "failed"])
def test_a_runner_that_goes_on_after_its_end_was_told_can_be_cancelled(server, api, told):
    execution_id = api.create()
    with Runner(server, execution_id) as runner:
        api.expect(200, "PATCH", f"{PATH}/{execution_id}", {"status": told})
        answer = api.expect(202, "DELETE", f"{PATH}/{execution_id}")
        assert (answer["status"], answer["sealed"]) == (told, False)
        runner.cut()
    with Runner(server, execution_id, epoch=1) as runner:
        assert runner.expect("cancel")["reason"]
        runner.complete(143, status="cancelled")
    assert api.status(execution_id)["status"] == told
    assert api.delete(f"{PATH}/{execution_id}").status == 200


def test_a_runner_hears_of_a_cancel_that_was_asked_for_before_the_server_was_killed(servers):
    server = servers()
    api = server.api()
    execution_id = api.create()
    with Runner(server, execution_id) as runner:
        runner.lines(["one"])
        runner.cut()
    assert api.delete(f"{PATH}/{execution_id}").status == 202
    server.kill()
    server.restart()
    with Runner(server, execution_id, epoch=1) as runner:
        assert runner.expect("cancel")["reason"]
        runner.complete(143, status="cancelled")
    assert api.status(execution_id)["status"] == "cancelled"
    with Runner(server, execution_id, epoch=1) as runner:  # which has not heard that it is done
        runner.send({"type": "complete", "execution_id": execution_id, "exit_code": 143, "status": "cancelled"})
        assert runner.expect("completed")


def test_cancelling_works_as_soon_as_the_server_is_up(servers):
    server = servers()
    api = server.api()
    execution_id = api.create()
    Runner(server, execution_id).cut()
    server.kill()
    server.restart()
    assert api.delete(f"{PATH}/{execution_id}").status == 202
    with Runner(server, execution_id, epoch=1) as runner:
        assert runner.expect("cancel")["reason"]


@pytest.mark.parametrize("how", ["PATCH", "DELETE"])
def test_whoever_is_told_ready_can_write_whatever_is_cancelled_meanwhile(server, api, how):
    """Cancelled first: the runner is refused. Claimed first: the log stays open until its runner ends it."""
    seen = set()
    for number in range(60):
        execution_id = api.create()
        path, body = (
            f"{PATH}/{execution_id}",
            {"status": "cancelled", "metadata": {"a": "b"}} if how == "PATCH" else None,
        )
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            if number % 2:
                answer = pool.submit(api.request, how, path, body)
            try:
                runner = Runner(server, execution_id)
            except Refused as refused:
                runner = None
                assert refused.status == 409
            if not number % 2:
                answer = pool.submit(api.request, how, path, body)
        assert answer.result().status == (202 if how == "DELETE" and runner else 200)
        assert answer.result().json()["sealed"] is (runner is None)
        if runner:
            runner.lines(["a line that the job wrote"])
            runner.complete(143, status="cancelled")
            runner.close()
            assert api.messages(execution_id) == ["a line that the job wrote"]
        shown = api.status(execution_id)
        assert (shown["status"], shown["sealed"]) == ("cancelled", True)
        seen.add(runner is None)
    assert False in seen, "no runner was ever first"


@pytest.mark.parametrize("how", ["PATCH", "DELETE"])
@pytest.mark.parametrize("connected", [False, True], ids=["gone", "silent"])
def test_a_lost_one_that_is_cancelled_is_sealed_at_once_and_its_runner_fenced(servers, how, connected):
    server = servers("--lease-seconds", "5")
    api = server.api()
    execution_id = api.create()
    with Follower(server, execution_id) as follower:
        runner = Runner(server, execution_id)
        runner.lines(["one"])
        if not connected:
            runner.cut()
        eventually(lambda: api.status(execution_id)["status"] == "lost", "its loss")
        body = {"status": "cancelled"} if how == "PATCH" else None
        shown = api.expect(200, how, f"{PATH}/{execution_id}", body)
        assert (shown["status"], shown["sealed"], shown["exit_code"]) == ("cancelled", True, None)
        assert follower.rest()[1]["status"] == "cancelled"
    if connected:
        assert runner.closed_with() == 4409
    with pytest.raises(Refused) as refused:
        Runner(server, execution_id, epoch=1)
    assert refused.value.status == 409
    upgrade = RawWebSocket(server, f"/ws/runner/executions/{execution_id}/stream?epoch=1").upgrade
    assert upgrade.code == "fenced"
    assert api.messages(execution_id) == ["one"]


def test_cancelling_what_has_ended_changes_nothing(server, api):
    execution_id = seal(server, api)
    assert api.delete(f"{PATH}/{execution_id}").status == 200
    assert api.status(execution_id)["status"] == "completed"


def test_purging_needs_a_sealed_log(api):
    execution_id = api.create()
    answer = api.delete(f"{PATH}/{execution_id}", query={"purge": "true"})
    assert answer.status == 409, answer


def test_a_purged_execution_is_gone_for_good(server, api):
    execution_id = seal(server, api, ["secret"])
    assert api.delete(f"{PATH}/{execution_id}", query={"purge": "true"}).status in (200, 204)
    for method, path, body in (
        ("GET", f"{PATH}/{execution_id}", None),
        ("GET", f"{PATH}/{execution_id}/status", None),
        ("GET", f"{PATH}/{execution_id}/logs", None),
        ("GET", f"{PATH}/{execution_id}/logs/stream", None),
        ("POST", f"{PATH}/{execution_id}/logs", {"message": "late"}),
        ("POST", PATH, {"execution_id": execution_id}),
    ):
        answer = api.request(method, path, body)
        assert (answer.status, answer.code) == (410, "expired"), (method, path, answer)
    listed = api.expect(200, "GET", PATH, query={"limit": 100})["executions"]
    assert execution_id not in [execution["execution_id"] for execution in listed]


@pytest.mark.parametrize(
    "word, becomes, kept",
    [
        ("TERMINATED", "cancelled", True),
        ("WORKFLOW_EXECUTION_STATUS_TIMED_OUT", "timed_out", False),
        ("ContinuedAsNew", "completed", True),
        ("Succeeded", "completed", True),
        ("Crashed", "failed", True),
        ("FAILED", "failed", False),
    ],
)
def test_a_state_of_another_engine_is_taken_and_its_word_kept(api, word, becomes, kept):
    execution_id = api.create(queue=False, started_at="2026-01-01T00:00:00Z", metadata={"a": 1})
    path = f"/api/v1/executions/{execution_id}"
    api.expect(200, "PATCH", path, {"status": "Running"})
    status = api.expect(200, "PATCH", path, {"status": word, "completed_at": "2026-01-01T00:05:00Z"})
    assert (status["status"], status["completed_at"]) == (becomes, "2026-01-01T00:05:00.000Z")
    assert status["metadata"] == {"a": 1, **({"engine_state": word} if kept else {})}


def test_the_word_of_another_engine_goes_with_the_next_status(api):
    execution_id = api.create()
    path = f"/api/v1/executions/{execution_id}"
    assert api.expect(200, "PATCH", path, {"status": "restarting"})["metadata"] == {"engine_state": "restarting"}
    assert api.expect(200, "PATCH", path, {"metadata": {"b": 2}})["metadata"] == {"b": 2, "engine_state": "restarting"}
    assert api.expect(200, "PATCH", path, {"status": "paused"})["metadata"] == {"b": 2}
    own = {"status": "Deferred", "metadata": {"engine_state": "mine"}}
    assert api.expect(200, "PATCH", path, own)["metadata"] == {"b": 2, "engine_state": "mine"}


@pytest.mark.parametrize(
    "body, field, reason",
    [
        ({"status": "EXPLODED"}, "status", "continued_as_new"),
        ({"status": "STALE"}, "status", "is set by the server alone"),
        ({"completed_at": "2026-01-01T00:00:00Z"}, "completed_at", "comes with a status that ends it"),
        ({"status": "running", "completed_at": "2026-01-01T00:00:00Z"}, "completed_at", "comes with a status"),
    ],
)
def test_a_state_that_cannot_be_taken_is_refused(api, body, field, reason):
    answer = api.patch(f"/api/v1/executions/{api.create()}", body)
    assert answer.status == 422
    (wrong,) = answer.json()["error"]["fields"]
    assert wrong["name"] == field and reason in wrong["reason"]
