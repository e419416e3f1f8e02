"""The socket of a worker: many executions, each with a runner's protocol of its own."""

import json
import struct

import pytest
from support.api import eventually
from support.job_worker import JobWorker
from support.workers import Worker, part
from support.ws import Follower, Refused, Runner

PATH = "/api/v1/executions"


def test_the_server_welcomes_a_worker(server):
    with Worker(server, worker_id="w-1") as worker:
        assert worker.welcome["worker_id"] == "w-1"
        assert worker.welcome["lease_seconds"] == 30 and worker.welcome["heartbeat_seconds"] == 10
        assert worker.welcome["incarnation"] and worker.welcome["chunk_versions"] == [2]
        assert worker.welcome["streams_max"] >= 10000
    with Worker(server) as worker:
        assert worker.welcome["worker_id"].startswith("worker_")


@pytest.mark.threads
def test_executions_share_a_socket(server, api):
    ids = [api.create() for _ in range(3)]
    with Worker(server, worker_id="w-2", hostname="machine") as worker:
        streams = [worker.open(id) for id in ids]
        worker.listen(lambda: all(stream.ready for stream in streams))
        assert [stream.ready["execution_id"] for stream in streams] == ids
        worker.send_parts(*(stream.part(0, [f"{i} a", f"{i} b"]) for i, stream in enumerate(streams)))
        worker.listen(lambda: all(stream.acked == 1 for stream in streams))
        for stream in streams:
            assert stream.complete()["final_sequence"] == 1
            assert stream.closed["code"] == "completed"
    for i, id in enumerate(ids):
        assert api.messages(id) == [f"{i} a", f"{i} b"]
        status = api.status(id)
        assert status["status"] == "completed" and status["sealed"] is True
        assert status["worker_hostname"] == "machine"


def test_acks_of_one_turn_come_together(server, api):
    with Worker(server) as worker:
        streams = [worker.opened(api.create()) for _ in range(200)]
        worker.send_parts(*(stream.part(0, ["line"]) for stream in streams))
        frames = worker.listen(lambda: all(stream.acked == 0 for stream in streams))
        assert sum(len(frame["acks"]) for frame in frames) == 200
        assert len(frames) < 100


def test_a_thousand_streams_that_are_cut_go_on_without_loss_or_repetition(server, api):
    ids = [api.create() for _ in range(1000)]
    with Worker(server) as worker:
        streams = [worker.open(id, producer="p") for id in ids]
        worker.listen(lambda: all(stream.ready for stream in streams))
        for first in (0, 2, 4):
            worker.send_parts(*(stream.part(first, [f"{first}", f"{first + 1}"]) for stream in streams))
        worker.listen(lambda: sum(stream.acked >= 1 for stream in streams) > 100)
        epochs = {stream.execution_id: stream.ready["epoch"] for stream in streams}
        worker.cut()
    with Worker(server) as worker:
        streams = [worker.open(id, producer="p", epoch=epochs[id]) for id in ids]
        worker.listen(lambda: all(stream.ready for stream in streams))
        for stream in streams:
            assert stream.ready["epoch"] == epochs[stream.execution_id]
        parts = []
        for stream in streams:
            at = stream.ready["next_sequence"]
            assert at in (0, 2, 4, 6)
            parts.append(stream.part(0, [str(i) for i in range(8)]))  # with what the server has already
        worker.send_parts(*parts)
        worker.listen(lambda: all(stream.acked == 7 for stream in streams))
        for stream in streams:
            stream.say("complete", exit_code=0, final_sequence=7)
        worker.listen(lambda: all(stream.closed for stream in streams))
        assert all(stream.completed and stream.completed["next_sequence"] == 8 for stream in streams)
    for id in ids[::50]:
        assert api.messages(id) == [str(i) for i in range(8)]
    sealed = 0
    for id in ids:
        status = api.status(id)
        sealed += status["sealed"] and status["last_index"] == 8
    assert sealed == 1000


def test_a_fenced_stream_leaves_the_others(server, api):
    lost, kept = api.create(), api.create()
    with Worker(server) as worker:
        one, other = worker.opened(lost), worker.opened(kept)
        one.lines(0, ["a"])
        with Worker(server) as second:
            taken = second.opened(lost, epoch=one.ready["epoch"])
            assert one.ends()["code"] == "held"
            taken.lines(1, ["b"])
            other.lines(0, ["still here"])
        stale = worker.open(kept, epoch=99)
        assert stale.ends()["code"] == "fenced"
        other.lines(1, ["and here"])
        other.complete()
    assert api.messages(lost) == ["a", "b"]
    assert api.messages(kept) == ["still here", "and here"]


def test_a_cancel_reaches_the_stream(server, api):
    ids = [api.create(), api.create()]
    with Worker(server) as worker:
        streams = [worker.opened(id) for id in ids]
        api.delete(f"{PATH}/{ids[1]}")
        worker.listen(lambda: streams[1].cancel)
        assert streams[1].cancel["grace_seconds"] == 10
        assert streams[0].cancel is None


def test_a_stream_may_be_left_and_opened_again(server, api):
    id = api.create()
    with Worker(server) as worker:
        stream = worker.opened(id)
        stream.lines(0, ["a"])
        stream.say("close")
        again = worker.opened(id, epoch=stream.ready["epoch"])
        assert again.ready["next_sequence"] == 1
        again.lines(1, ["b"])
        assert api.status(id)["runner"]["connected"] is True


def test_the_lag_is_told_by_stream_and_leases_are_kept_by_the_worker(server, api):
    id = api.create()
    with Worker(server) as worker:
        stream = worker.opened(id)
        stream.say("heartbeat", lag=7)
        worker.send({"type": "heartbeat", "slots_free": 3})
        stream.lines(0, ["a"])
        assert api.status(id)["runner"] == {"connected": True, "lag_records": 7}


def alive(worker):
    """The time that the next answer to a heartbeat bears; what comes before it is heard."""
    return worker.collect(lambda message: worker.hear(message)["type"] == "alive")[-1]["at"]


def test_a_heartbeat_is_answered_with_its_time_after_what_it_does_not_renew_was_closed(server, api):
    mine, taken = api.create(), api.create()
    with Worker(server, at=5) as worker:
        assert alive(worker) == 5  # the answer to `hello`
        kept, other = worker.opened(mine), worker.opened(taken)
        with Worker(server) as second:
            there = second.opened(taken, epoch=other.ready["epoch"])
            worker.send({"type": "heartbeat", "slots_free": 1, "at": 77})
            assert alive(worker) == 77
            assert other.closed["code"] == "held" and kept.closed is None
            assert there.closed is None
        worker.send({"type": "heartbeat", "slots_free": 1})  # one that does not want to know
        worker.send({"type": "heartbeat", "slots_free": 1, "at": 78})
        assert alive(worker) == 78


def test_followers_see_the_lines_at_once(server, api):
    id = api.create()
    with Worker(server) as worker, Follower(server, id) as follower:
        stream = worker.opened(id)
        stream.lines(0, ["first", "second"])
        assert [record["message"] for record in follower.logs(2)] == ["first", "second"]


def test_what_cannot_be_opened_is_told_and_the_socket_stays(server, api):
    held = api.create()
    other = api.as_role("user").create()
    with Worker(server) as worker, Runner(server, held):
        for fields, code in (
            ({"execution_id": "nobody"}, "not_found"),
            ({"execution_id": held}, "held"),
            ({"execution_id": held, "epoch": 7}, "fenced"),
            ({"execution_id": held, "epoch": 0}, "invalid"),
            ({"execution_id": held, "epoch": "1"}, "invalid"),
            ({"execution_id": held, "producer": "idem:x"}, "invalid"),
            ({"execution_id": held, "producer": ""}, "invalid"),
            ({"execution_id": held, "incarnation": 1}, "invalid"),
            ({"execution_id": "no id"}, "invalid"),
            ({"execution_id": None}, "invalid"),
        ):
            stream = worker.open(**{"execution_id": held, **fields})
            assert stream.ends()["code"] == code, fields
            assert stream.closed["reason"]
        assert worker.opened(other).ready["epoch"] == 1


def test_a_bad_part_ends_its_stream_alone(server, api):
    with Worker(server) as worker:
        bad, good = worker.opened(api.create()), worker.opened(api.create())
        worker.send_parts(part(bad.number, 0, b"no chunk at all"), good.part(0, ["a"]))
        worker.listen(lambda: bad.closed and good.acked == 0)
        assert bad.error["code"] == bad.closed["code"] == "corrupt"
        worker.send_parts(bad.part(0, ["late"]), good.part(1, ["b"]))  # what was under way to it is nothing
        worker.listen(lambda: good.acked == 1)
        assert [message["type"] for message in bad.heard] == ["ready", "error", "closed"]
        good.complete()


def test_a_stream_that_was_never_opened_is_told(server, api):
    with Worker(server) as worker:
        good = worker.opened(api.create())
        worker.number += 1
        never = type(good)(worker, worker.number, "none")
        worker.streams[never.number] = never
        worker.send_parts(never.part(0, ["x"]), good.part(0, ["a"]))
        assert never.ends()["code"] == "malformed"
        worker.listen(lambda: good.acked == 0)


def test_records_before_ready_end_the_stream(server, api):
    with Worker(server) as worker:
        good = worker.opened(api.create())
        early = worker.open(api.create())
        early.say("heartbeat", lag=1)
        worker.listen(lambda: early.closed or early.ready)
        if early.closed:  # else its `ready` was faster
            assert early.closed["code"] == "malformed"
        good.lines(0, ["a"])


def hello(**fields):
    return json.dumps({"type": "hello", **fields})


BREACHES = {
    "no hello": [b"x"],
    "no hello in text": ['{"type":"heartbeat"}'],
    "open before hello": ['{"type":"open","stream":1,"execution_id":"e"}'],
    "two hellos": [hello(), hello()],
    "no object": ["[]"],
    "no JSON": ["nonsense"],
    "no type": [hello(), '{"stream":1}'],
    "type twice": [hello(), '{"type":"drain","type":"drain"}'],
    "bad slots": [hello(slots=-1)],
    "slots in words": [hello(slots="4")],
    "bad worker id": [hello(worker_id="no good")],
    "long worker id": [hello(worker_id="x" * 129)],
    "bad clock": [hello(clock="yesterday")],
    "bad labels": [hello(labels="gpu")],
    "empty label": [hello(labels=[""])],
    "too many labels": [hello(labels=["x"] * 257)],
    "NUL in a label": [hello(labels=["a\0b"])],
    "bad held": [hello(held=[{"execution_id": "e"}])],
    "stream 0": [hello(), '{"type":"open","stream":0,"execution_id":"e"}'],
    "stream in words": [hello(), '{"type":"open","stream":"1","execution_id":"e"}'],
    "stream too large": [hello(), '{"type":"open","stream":4294967296,"execution_id":"e"}'],
    "a number again": [hello(), '{"type":"open","stream":5,"execution_id":"e"}', '{"type":"open","stream":5}'],
    "a lower number": [hello(), '{"type":"open","stream":5,"execution_id":"e"}', '{"type":"open","stream":4}'],
    "empty frame": [hello(), b""],
    "half a header": [hello(), b"\1\0\0\0\1\0\0"],
    "a part beyond the frame": [hello(), struct.pack("<IIQ", 1, 100, 0) + b"x"],
    "a length of 4 GiB": [hello(), struct.pack("<IIQ", 1, 0xFFFFFFFF, 0) + b"x"],
    "a part of stream 0": [hello(), struct.pack("<IIQ", 0, 1, 0) + b"x"],
    "an empty part": [hello(), struct.pack("<IIQ", 1, 0, 0)],
    "rest behind a part": [hello(), struct.pack("<IIQ", 1, 1, 0) + b"x" + b"\0" * 15],
}


@pytest.mark.parametrize("frames", BREACHES.values(), ids=BREACHES)
def test_a_frame_that_is_none_ends_the_socket(server, frames):
    with Worker(server, hello=False) as worker:
        for frame in frames:
            worker.send(frame)
        messages, code = worker.until_closed()
        assert code == 1008
        assert messages[-1]["type"] == "error" and messages[-1]["code"] == "malformed" and messages[-1]["error"]


def test_an_unknown_frame_is_refused_and_the_socket_stays(server, api):
    with Worker(server) as worker:
        worker.send({"type": "nonsense"})
        assert worker.expect("error")["code"] == "invalid"
        worker.send({"type": "return", "execution_id": "e"})
        assert worker.expect("error")["code"] == "invalid"
        worker.send({"type": "drain"})
        stream = worker.opened(api.create())
        stream.say("nonsense")
        worker.listen(lambda: stream.error)
        assert stream.error["code"] == "invalid"
        stream.lines(0, ["a"])


def test_a_revoked_key_ends_the_socket_with_all_its_streams(server, api):
    key = api.key("service")
    id = api.create()
    with Worker(server, key["key"]) as worker:
        worker.opened(id)
        api.delete(f"/api/v1/keys/{key['key_id']}")
        assert worker.closed_with() == 4401
    eventually(lambda: api.status(id)["runner"]["connected"] is False, "the runner was disconnected")


@pytest.mark.parametrize("role", ["viewer", "user"])
def test_who_is_no_service_is_no_worker(server, api, role):
    with pytest.raises(Refused) as refused:
        Worker(server, api.key(role)["key"])
    assert refused.value.status == 403


def test_a_stream_that_floods_leaves_room_for_the_others(server, api):
    """One stream sends as much ahead of its acks as the window allows, all the time; the other's lines are not late for
    it."""
    with Worker(server) as worker:
        flood, calm = worker.opened(api.create()), worker.opened(api.create())
        line = "x" * 8000
        window = worker.welcome["stream_window"] // (8000 * 100)
        sent = 0
        for turn in range(30):
            while sent - (flood.acked + 1) < window * 100:
                worker.send(flood.part(sent, [line] * 100))
                sent += 100
            worker.send(calm.part(turn, [str(turn)]))
            worker.listen(lambda: calm.acked >= turn)
        worker.listen(lambda: flood.acked == sent - 1)
        calm.complete()
        flood.complete()


def test_a_worker_that_asks_again_how_its_job_ended_gets_the_next_one(servers):
    server = servers("--jobs", "0")
    api = server.api()
    for _ in range(3):
        api.create(queue=True, command=["true"])
    offer = {"worker_id": "one", "slots": 1}
    with JobWorker(server, **offer) as worker:
        job = worker.take().end()
        worker.take()
        worker.cut()
    # The answer may have been lost, so it asks once more. That takes no place of its one.
    with JobWorker(server, **offer) as worker:
        assert worker.opened(job.id, epoch=job.epoch).complete(final_sequence=-1)
        for _ in range(2):
            worker.take().end()


def test_a_job_that_others_end_leaves_its_place_to_the_next_one(servers):
    server = servers("--jobs", "0")
    api = server.api()
    for _ in range(2):
        api.create(queue=True, command=["true"])
    with JobWorker(server, slots=1) as worker:
        job = worker.take()
        # It has not opened a stream, so nothing but the change in the store says that the job is over.
        assert api.patch(f"{PATH}/{job.id}", {"status": "failed", "exit_code": 1}).status == 200
        assert api.status(job.id)["status"] == "failed"
        worker.take().end()
