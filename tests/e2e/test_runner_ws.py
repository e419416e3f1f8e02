"""The WebSocket for runners: counters, acks, refusals, epochs, leases, the seal."""


import json

import pytest
from support.api import eventually
from support.ws import Follower, Refused, Runner

PATH = "/api/v1/executions"


@pytest.fixture
def execution_id(api):
    return api.create()


def refused_with(runner, code):
    return runner.collect(lambda m: m["type"] == "error" and m["code"] == code)[-1]


def test_the_server_speaks_first(server, execution_id):
    with Runner(server, execution_id) as runner:
        assert runner.ready["execution_id"] == execution_id
        assert runner.ready["next_sequence"] == 0 and runner.ready["epoch"] == 1 and runner.ready["incarnation"]


@pytest.mark.threads
def test_one_record_a_frame_and_an_array_of_them(server, api, execution_id):
    with Runner(server, execution_id) as runner:
        runner.send(runner.record("single"))
        runner.acked(0)
        runner.lines(["a", "b"], stream="stderr")
        assert runner.complete(0)["type"] == "completed"
    assert [(r["stream"], r["message"]) for r in api.logs(execution_id)] == [
        ("stdout", "single"),
        ("stderr", "a"),
        ("stderr", "b"),
    ]


def test_an_acknowledged_record_is_there_already(server, api, execution_id):
    with Runner(server, execution_id) as runner:
        for i in range(5):
            runner.lines([str(i)])
            assert api.page(execution_id)["last_index"] == i + 1


def test_a_repeated_record_is_acknowledged_again_and_kept_once(server, api, execution_id):
    with Runner(server, execution_id) as runner:
        record = runner.record("once")
        runner.send(record)
        runner.acked(0)
        runner.send(record)
        runner.acked(0)
    assert api.messages(execution_id) == ["once"]


def test_a_reconnecting_runner_learns_where_it_was(server, api, execution_id):
    with Runner(server, execution_id, producer="p") as runner:
        runner.lines(["0", "1", "2"])
        epoch = runner.ready["epoch"]
        runner.cut()
    with Runner(server, execution_id, producer="p", epoch=epoch) as runner:
        assert runner.ready["next_sequence"] == 3 and runner.ready["epoch"] == epoch
        runner.next = 1
        runner.lines(["1", "2", "3"])
        runner.complete()
    assert api.messages(execution_id) == ["0", "1", "2", "3"]


def test_a_repetition_that_differs_is_a_conflict(server, api, execution_id):
    with Runner(server, execution_id) as runner:
        runner.lines(["mine"])
        runner.next = 0
        runner.send(runner.record("other"))
        assert refused_with(runner, "conflict")["next_sequence"] == 1
    assert api.messages(execution_id) == ["mine"]


def test_a_gap_is_refused_and_the_socket_stays(server, api, execution_id):
    with Runner(server, execution_id) as runner:
        runner.lines(["0"])
        runner.next = 5
        runner.send(runner.record("5"))
        assert refused_with(runner, "gap")["next_sequence"] == 1
        runner.next = 1
        runner.lines(["1"])
        runner.complete()
    assert api.messages(execution_id) == ["0", "1"]


def test_a_skip_writes_an_explicit_gap_record(server, api, execution_id):
    with Runner(server, execution_id) as runner:
        runner.lines(["0"])
        runner.send({"type": "skip", "next_sequence": 5, "reason": "spool lost"})
        runner.next = 5
        runner.lines(["5"])
    records = api.logs(execution_id)
    assert [record["message"] for record in records if record["stream"] != "event"] == ["0", "5"]
    assert [record["event_type"] for record in records if record["stream"] == "event"] == ["gap"]


def test_a_message_over_the_limit_is_refused(server, api, execution_id):
    with Runner(server, execution_id) as runner:
        runner.send(runner.record("x" * 10240))
        runner.acked(0)
        runner.send(runner.record("x" * 10241))
        assert refused_with(runner, "too_long")["next_sequence"] == 1
        runner.next = 1
        runner.lines(["short"])


def test_complete_before_all_is_there_is_a_gap_and_not_the_end(server, api, execution_id):
    with Runner(server, execution_id) as runner:
        runner.lines(["0"])
        runner.send({"type": "complete", "execution_id": execution_id, "exit_code": 0, "final_sequence": 2})
        assert refused_with(runner, "gap")["next_sequence"] == 1
        runner.lines(["1", "2"])
        runner.complete()
    assert api.messages(execution_id) == ["0", "1", "2"]


@pytest.mark.parametrize(("final_sequence", "code"), [(-1, "conflict"), (0, "conflict"), (2, "gap"), (1 << 40, "gap")])
def test_only_the_producers_own_last_counter_completes(server, api, execution_id, final_sequence, code):
    with Runner(server, execution_id) as runner:
        runner.lines(["0", "1"])
        message = {"type": "complete", "execution_id": execution_id, "exit_code": 0, "final_sequence": final_sequence}
        runner.send(message)
        assert refused_with(runner, code)["next_sequence"] == 2
        assert api.status(execution_id)["sealed"] is False
        runner.send({**message, "final_sequence": 1})
        completed = runner.expect("completed")
    assert completed["final_sequence"] == 1 and completed["next_sequence"] == 2
    assert api.status(execution_id)["sealed"] is True


def test_what_is_stored_of_a_producer_is_told_with_its_digest(server, api, execution_id):
    with Runner(server, execution_id, producer="p") as runner:
        assert (runner.ready["next_sequence"], runner.ready["digest"]) == (0, "0" * 16)
        runner.lines(["a", "b"])
        alone = api.get(f"/api/v1/executions/{execution_id}").json()
        api.append_lines(execution_id, ["from elsewhere"])
        epoch = runner.ready["epoch"]
    with Runner(server, execution_id, producer="p", epoch=epoch) as runner:
        told = runner.ready["digest"]
        assert runner.ready["next_sequence"] == 2 and len(told) == 16 and told != "0" * 16
        assert alone.get("digest") in (None, told)
        completed = runner.complete()
    # The log's own digest is another one, as others wrote to it too.
    assert (completed["next_sequence"], completed["digest"], completed["final_sequence"]) == (2, told, 2)
    assert api.get(f"/api/v1/executions/{execution_id}").json()["digest"] != told


@pytest.mark.parametrize("said", ["0123456789abcdef", None])
def test_after_a_skip_the_digest_goes_on_from_what_is_said(server, api, said):
    digests = []
    for first in (0, 5):
        job = api.create()
        with Runner(server, job) as runner:
            if first:
                runner.send({"type": "skip", "next_sequence": first, "reason": "lost", "digest": said})
                runner.acked(first - 1)
                runner.next = first
            else:
                runner.lines(["kept"])
            digests.append(runner.complete()["digest"])
    assert digests[1] == said and digests[0] not in (None, said)


def test_a_skip_with_what_is_no_digest_is_refused(server, execution_id):
    with Runner(server, execution_id) as runner:
        runner.send({"type": "skip", "next_sequence": 5, "reason": "lost", "digest": "beef"})
        assert refused_with(runner, "invalid")["next_sequence"] == 0


def test_a_wrong_digest_is_refused(server, api, execution_id):
    with Runner(server, execution_id) as runner:
        runner.lines(["0"])
        runner.send(
            {
                "type": "complete",
                "execution_id": execution_id,
                "exit_code": 0,
                "final_sequence": 0,
                "digest": "0123456789abcdef",
            }
        )
        refused_with(runner, "digest_mismatch")
        assert api.status(execution_id)["sealed"] is False
        runner.complete()
    assert api.status(execution_id)["sealed"] is True


def test_completing_again_after_a_lost_answer_is_answered_again(server, api, execution_id):
    with Runner(server, execution_id) as runner:
        runner.lines(["0"])
        runner.complete(3)
    with Runner(server, execution_id, epoch=1) as runner:
        assert runner.ready["next_sequence"] == 1
        runner.complete(3)
    assert api.status(execution_id)["exit_code"] == 3


def test_nothing_is_appended_to_a_sealed_log(server, api, execution_id):
    with Runner(server, execution_id) as runner:
        runner.lines(["0"])
        runner.complete()
    answer = api.post(f"{PATH}/{execution_id}/logs", {"message": "late"})
    assert (answer.status, answer.code) == (409, "sealed")
    with pytest.raises(Refused) as refused:
        Runner(server, execution_id)
    assert refused.value.status == 409


# --- the execution is held by one
def test_a_second_runner_is_refused_while_the_first_holds(server, execution_id):
    with Runner(server, execution_id):
        with pytest.raises(Refused) as refused:
            Runner(server, execution_id)
        assert refused.value.status == 409


def test_a_silent_runner_is_lost_then_another_takes_over_and_the_first_is_fenced(servers):
    server = servers("--lease-seconds", "5")
    api = server.api()
    execution_id = api.create()
    with Follower(server, execution_id) as follower, Runner(server, execution_id) as first:
        first.lines(["mine"])
        # On a slow machine it may have been lost and heard of again before its line was stored.
        eventually(lambda: api.status(execution_id)["status"] == "lost", "its loss")
        assert api.status(execution_id)["sealed"] is False
        follower.collect(lambda m: m["type"] == "state" and m["status"] == "lost")
        with Runner(server, execution_id) as second:
            assert second.ready["epoch"] == 2
            follower.collect(lambda m: m["type"] == "state" and m["status"] == "running")
            assert first.closed_with() == 4409
            second.next = second.ready["next_sequence"]
            second.lines(["theirs"])
            second.complete()
    assert api.messages(execution_id) == ["mine", "theirs"]
    with pytest.raises(Refused):
        Runner(server, execution_id, epoch=1)


def test_a_lost_runner_with_the_same_epoch_goes_on(servers):
    server = servers("--lease-seconds", "5")
    api = server.api()
    execution_id = api.create()
    with Follower(server, execution_id) as follower:
        with Runner(server, execution_id) as runner:
            runner.lines(["before"])
            runner.cut()
        follower.collect(lambda m: m["type"] == "state" and m["status"] == "lost")
        with Runner(server, execution_id, epoch=1) as runner:
            assert runner.ready["epoch"] == 1 and runner.ready["next_sequence"] == 1
            follower.collect(lambda m: m["type"] == "state" and m["status"] == "running")
            runner.lines(["after"])
            runner.complete()
        logs, complete = follower.rest()
    assert complete["status"] == "completed"
    assert api.messages(execution_id) == ["before", "after"]


def test_heartbeats_keep_the_lease(servers):
    server = servers("--lease-seconds", "1")
    api = server.api()

    def is_kept():
        execution_id, other = api.create(), api.create()
        with Runner(server, execution_id) as quiet, Runner(server, other), Follower(server, execution_id) as watch:
            # The other runner says nothing; once it is lost, more than a lease has passed.
            while api.status(other)["status"] != "lost":
                quiet.send({"type": "heartbeat", "lag": 7})
            shown = api.status(execution_id)
            api.append_lines(execution_id, ["seen"])
            told = watch.collect(lambda m: m["type"] == "log")
            if "lost" in [shown["status"], *(m["status"] for m in told if m["type"] == "state")]:
                return False
            assert shown["status"] == "running"
            assert shown["runner"] == {"connected": True, "lag_records": 7}
            return True

    # Whoever sends them may stand still for longer than a lease. Without heartbeats none would ever outlast the other.
    eventually(is_kept, "a lease that is kept")


def test_a_lost_execution_is_sealed_after_its_grace(servers):
    server = servers("--lease-seconds", "5", "--lost-seal-seconds", "1")
    execution_id = server.api().create()
    with Follower(server, execution_id) as follower:
        with Runner(server, execution_id) as runner:
            runner.lines(["prefix"])
            runner.cut()
        logs, complete = follower.rest()
    assert [m["message"] for m in logs][:1] == ["prefix"]
    assert complete["status"] == "lost" and complete["exit_code"] is None


def test_leases_start_anew_when_the_server_starts(servers):
    server = servers("--lease-seconds", "3600")  # none runs out, however slow the machine
    api = server.api()
    execution_id = api.create()
    with Runner(server, execution_id) as runner:
        runner.lines(["before"])
        server.kill()
    server.restart()
    assert api.status(execution_id)["status"] == "running"
    with Runner(server, execution_id, epoch=1) as runner:
        assert runner.ready["next_sequence"] == 1 and runner.ready["epoch"] == 1
        runner.lines(["after"])
        runner.complete()
    assert api.messages(execution_id) == ["before", "after"]


def test_what_was_acknowledged_survives_kill_9(servers):
    server = servers()
    api = server.api()
    execution_id = api.create()
    acked = -1
    with Runner(server, execution_id) as runner:
        for _ in range(20):
            runner.lines([f"line {runner.next + i}" for i in range(50)], wait=False)
        acked = runner.acked(500)["sequence_number"]
        server.kill()
    server.restart()
    kept = api.messages(execution_id, limit=10000)
    assert len(kept) > acked
    assert kept == [f"line {i}" for i in range(len(kept))]


def test_records_in_binary_chunks_are_taken(server, api):
    """A chunk as another execution's log gives it, sent with its first counter in front."""
    source, target = api.create(), api.create()
    api.append_lines(source, [f"chunked {i}" for i in range(100)])
    body = api.get(f"{PATH}/{source}/logs", query={"format": "chunk"}).body
    first, length = int.from_bytes(body[:8], "little"), int.from_bytes(body[8:12], "little")
    assert first == 0 and len(body) == 12 + length
    with Runner(server, target) as runner:
        runner.send(body[:8] + body[12:])
        runner.acked(99)
        runner.next = 100
        runner.complete()
    assert api.messages(target) == [f"chunked {i}" for i in range(100)]


def test_a_fragmented_message_is_put_together(server, api, execution_id):
    with Runner(server, execution_id) as runner:
        runner.send_fragmented(json.dumps([runner.record(f"☃ {i}") for i in range(20)], ensure_ascii=False), 7)
        runner.acked(19)
    assert api.messages(execution_id) == [f"☃ {i}" for i in range(20)]


def test_structured_fields_come_through_as_sent(server, api, execution_id):
    fields = {
        "level": "WARNING",
        "event_type": "step_progress_x",
        "category": "business",
        "node_id": "n-1",
        "node_name": "Load",
        "node_type": "python",
        "step_number": 2,
        "total_steps": 5,
        "progress_percentage": 40.5,
        "duration_seconds": 1.25,
        "user_friendly_message": "Loading ☃",
        "display_priority": 8,
        "is_milestone": True,
        "data": {"a": [1, {"b": None}]},
        "technical_details": {"host": "h"},
        "stack_trace": "line\nline",
        "performance_metrics": {"ms": 3},
    }
    with Runner(server, execution_id) as runner:
        runner.send(runner.record("m", "event", **fields))
        runner.acked(0)
    stored = api.logs(execution_id)[0]
    assert {name: stored.get(name) for name in fields} == fields
