"""Logs that nobody ends are sealed when nothing has come for a while."""

from support.api import eventually
from support.ws import Follower

PUSH = "/loki/api/v1/push"


def push(api, run, *lines):
    values = [[str(1_700_000_000_000_000_000 + i), line] for i, line in enumerate(lines)]
    return api.post(PUSH, {"streams": [{"stream": {"run_id": run}, "values": values}]})


def sealed(api, run):
    return eventually(lambda: (status := api.status(run)) and status["sealed"] and status, f"the seal of {run}")


def test_what_was_pushed_is_sealed_when_nothing_comes_any_more(servers):
    server = servers("--push-quiet-seconds", "1")
    api = server.api()
    api.create(execution_id="made")
    api.create(execution_id="queued", queue=False)
    assert push(api, "pushed", "one", "two").status == 204
    with Follower(server, "pushed", token=api.token) as follower:
        logs, complete = follower.rest()
        assert [log["message"] for log in logs] == ["one", "two"]
        assert (complete["status"], complete["final_sequence"]) == ("lost", 1)
    status = sealed(api, "pushed")
    assert (status["status"], status["exit_code"], status["last_index"]) == ("lost", None, 2)
    # Later lines are refused, and whoever sends them is told; what is stored can be read.
    late = push(api, "pushed", "three")
    assert late.status == 400 and "1 of 1 lines were not taken: the log is sealed" in late.json()["error"]["message"]
    assert api.messages("pushed") == ["one", "two"]
    eventually(lambda: api.metrics()["runnel_quiet_seals_total"] == 1, "it is counted")
    # What others have made is older, and still open.
    assert not api.status("made")["sealed"] and not api.status("queued")["sealed"]


def test_the_end_that_is_told_stands_and_closes_a_pushed_log_at_once(servers):
    server = servers("--push-quiet-seconds", "3600")
    api = server.api()
    assert push(api, "told", "one").status == 204
    api.expect(200, "PATCH", "/api/v1/executions/told", {"status": "completed", "exit_code": 0})
    status = api.status("told")
    assert (status["status"], status["sealed"]) == ("completed", True)


def test_a_server_that_starts_anew_still_seals_what_is_quiet(servers):
    server = servers("--push-quiet-seconds", "3600")
    assert push(server.api(), "before", "one").status == 204
    server.stop()
    # What an execution was told at its making holds.
    server.flags = ["--push-quiet-seconds", "1"]
    server.start()
    api = server.api()
    assert push(api, "after", "one").status == 204
    sealed(api, "after")
    assert not api.status("before")["sealed"]
    server.stop()
    server.start()
    assert server.api().status("after")["sealed"]
