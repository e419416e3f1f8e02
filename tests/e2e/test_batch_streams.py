"""The status of a batch as a live stream: by server-sent events, and as a subscription on `/ws/streams`."""

import itertools
import signal

import pytest
from support.api import eventually
from support.job_worker import BusyWorker, JobWorker
from support.sse import Stream
from support.ws import WebSocket

PATH = "/api/v1/batches"
_labels = itertools.count()


@pytest.fixture
def label():
    return f"batch-stream-{next(_labels)}"


def make(api, label, count, job=None, **fields):
    job = {"command": ["true"], "labels": [label], **(job or {})}
    jobs = [{"args": [str(i)]} for i in range(count)]
    return api.expect(201, "POST", PATH, {"job": job, "jobs": jobs, **fields})["batch_id"]


class Events(Stream):
    """The server-sent events of a batch."""

    def __init__(self, api, id, **options):
        super().__init__(api, id, path=f"{PATH}/{id}/stream", **options)

    def until(self, is_last):
        """All events up to the one for which is_last(event, its object) is true."""
        found = []
        while True:
            event = self.next()
            assert event, f"the stream ended after {found[-3:]}"
            found.append(event)
            if is_last(event, event.json()):
                return found


class Sockets(WebSocket):
    def __init__(self, server, token="", query=None):
        super().__init__(server, "/ws/streams", token, query)

    def subscribe(self, id, **fields):
        self.send({"type": "subscribe", "kind": "batch", "id": id, **fields})


def counts(message):
    batch = message["batch"]
    return [batch[f"{name}_count"] for name in ("completed", "failed", "running", "queued")]


# --- What comes


@pytest.mark.threads
def test_the_state_comes_first_then_each_change_then_the_end(server, api, label):
    id = make(api, label, 3)
    with Events(api, id) as stream:
        assert stream.headers["Content-Type"] == "text/event-stream"
        assert stream.headers["X-Accel-Buffering"] == "no"
        first = stream.next()
        assert first.kind == "batch" and counts(first.json()) == [0, 0, 0, 3]
        assert first.json()["batch"] == api.expect(200, "GET", f"{PATH}/{id}/status")
        assert int(first.id) == first.json()["version"] and first.json()["batch_id"] == id
        with JobWorker(server, labels=[label], slots=1) as worker:
            job = worker.take()
            stream.until(lambda event, told: counts(told) == [0, 0, 1, 2])
            job.end(0)
            stream.until(lambda event, told: counts(told)[0] == 1)
            worker.take().end(4)
            worker.take().end(0)
        last = stream.until(lambda event, told: event.kind == "complete")[-1]
        assert counts(last.json()) == [2, 1, 0, 0] and last.json()["status"] == "completed"
        assert [one["exit_code"] for one in last.json()["batch"]["failures"]] == [4]
        assert stream.next() is None


@pytest.mark.threads
def test_a_subscription_says_the_same_beside_those_to_logs(server, api, label):
    id = make(api, label, 2)
    with Sockets(server) as socket:
        socket.subscribe(id)
        first = socket.expect("batch")
        assert (first["batch_id"], first["status"], counts(first)) == (id, "queued", [0, 0, 0, 2])
        with JobWorker(server, labels=[label], slots=1) as worker:
            job = worker.take()
            socket.send({"type": "subscribe", "kind": "execution", "id": job.id})
            job.end(0, ["a line"])
            worker.take().end(0)
        seen = socket.collect(lambda message: message["type"] == "complete" and "batch_id" in message)
        assert counts(seen[-1]) == [2, 0, 0, 0] and seen[-1]["status"] == "completed"
        assert [message["message"] for message in seen if message["type"] == "log"] == ["a line"]
        socket.ping()  # the socket goes on


def test_many_ends_are_told_by_few_frames(server, api, label):
    id = make(api, label, 300)
    with Events(api, id) as stream:
        stream.next()
        with BusyWorker(server, labels=[label], slots=16):
            told = stream.until(lambda event, told: event.kind == "complete")
        took = told[-1].json()["batch"]["duration_seconds"]
        assert len(told) <= (took + 2) * 6, (len(told), took)  # five a second, and not one for each of 900 changes
        versions = [event.id for event in told]
        assert counts(told[-1].json()) == [300, 0, 0, 0] and versions[-1] not in versions[:-1]


def test_a_batch_is_not_over_while_one_of_it_will_be_tried_again(server, api, label):
    id = make(api, label, 1, {"retries": 1})
    with Sockets(server) as socket, Events(api, id) as stream:
        socket.subscribe(id)
        with JobWorker(server, labels=[label]) as worker:
            worker.take().end(1)
            again = worker.take()
            assert again.attempt == 2
            again.end(0)
        events = stream.until(lambda event, told: event.kind == "complete")
        frames = socket.collect(lambda message: message["type"] == "complete")
    for told in ([event.json() for event in events], frames):
        assert counts(told[-1]) == [1, 0, 0, 0] and all(one["status"] != "completed" for one in told[:-1])


def test_a_batch_that_is_open_ends_when_it_is_closed(server, api, label):
    id = make(api, label, 1, keep_open=True)
    with Events(api, id) as stream:
        with BusyWorker(server, labels=[label]):
            stream.until(lambda event, told: counts(told) == [1, 0, 0, 0] and event.kind == "batch")
            api.expect(
                201, "POST", f"{PATH}/{id}/executions", {"job": {"command": ["x"], "labels": [label]}, "jobs": [{}]}
            )
            stream.until(lambda event, told: counts(told) == [2, 0, 0, 0] and event.kind == "batch")
        api.expect(200, "POST", f"{PATH}/{id}/close")
        stream.until(lambda event, told: event.kind == "complete")


def test_a_cancelled_batch_ends_as_such(api, label):
    id = make(api, label, 2)
    with Events(api, id) as stream:
        stream.next()
        api.expect(202, "POST", f"{PATH}/{id}/cancel")
        last = stream.until(lambda event, told: event.kind == "complete")[-1].json()
    assert last["status"] == "cancelled" and last["batch"]["counts"]["cancelled"] == 2


# --- Coming back


def test_who_comes_back_is_told_what_is_new_and_the_end_once(server, api, label):
    id = make(api, label, 2)
    with Events(api, id) as stream:
        known = stream.next().id
    with JobWorker(server, labels=[label], slots=1) as worker:
        worker.take().end(0)
        with Events(api, id, headers={"Last-Event-ID": known}) as stream:
            told = stream.until(lambda event, told: counts(told)[0] == 1)
            assert known not in [event.id for event in told]
        job = worker.take()
        with Events(api, id, last_event_id=told[-1].id) as stream:
            stream.until(lambda event, told: counts(told)[2] == 1)
            job.end(0)
            last = stream.until(lambda event, told: event.kind == "complete")[-1]
    assert Events(api, id, headers={"Last-Event-ID": last.id}).status == 204
    assert Events(api, id, lastEventId=last.id).status == 204
    with Events(api, id, last_event_id=known) as stream:  # who has not seen the end is told
        assert stream.next().id == last.id and stream.next() is None
    api.expect(202, "POST", f"{PATH}/{id}/retry")  # nothing failed, so it is still over
    assert Events(api, id, lastEventId=last.id).status == 204
    assert api.get(f"{PATH}/{id}/stream", query={"last_event_id": "x"}).status == 400


def test_a_subscription_that_knows_the_end_waits_for_what_comes_after(server, api, label):
    id = make(api, label, 1)
    with JobWorker(server, labels=[label]) as worker:
        worker.take().end(1)
        with Sockets(server) as socket:
            socket.subscribe(id)
            end = socket.expect("complete")
        with Sockets(server) as socket:
            socket.subscribe(id, cursor=end["version"])
            api.expect(202, "POST", f"{PATH}/{id}/retry")
            worker.take().end(0)
            told = socket.collect(lambda message: message["type"] == "complete")
            assert end["version"] not in [message["version"] for message in told]
            assert counts(told[-1]) == [1, 0, 0, 0]


def test_a_stream_is_cut_by_the_server_s_end_and_goes_on_at_the_next(servers, label):
    server = servers()
    api = server.api()
    id = make(api, label, 1)
    with Events(api, id) as stream, Sockets(server) as socket:
        known = stream.next().id
        socket.subscribe(id)
        socket.expect("batch")
        server.process.signal(signal.SIGTERM)
        assert stream.next() is None
        assert socket.closed_with() == 1001
    server.process.wait()
    server.start()
    api = server.api()
    with Events(api, id, headers={"Last-Event-ID": known}) as stream:
        with JobWorker(server, labels=[label]) as worker:
            worker.take().end(0)
        told = stream.until(lambda event, told: event.kind == "complete")
        assert known not in [event.id for event in told]


# --- Who may, and how many


def test_a_ticket_opens_it_and_opens_it_again(api, label):
    id = make(api, label, 1)
    ticket = api.expect(201, "POST", "/api/v1/tickets")["ticket"]
    for _ in range(2):
        with Events(api, id, token="none", access_token=ticket) as stream:
            assert stream.next().kind == "batch"
    assert Events(api, make(api, label, 1), token="none", access_token=ticket).status == 401


def test_what_cannot_be_followed_is_told(server, api, label):
    private = make(api.as_role("user"), label, 1)
    user = api.key("user")["key"]
    assert Events(api, "none").status == 404
    assert Events(api, private, token=user).status == 404
    with Sockets(server, user) as socket:
        for id in ("none", private):
            socket.subscribe(id)
            error = socket.expect("error")
            assert (error["code"], error["batch_id"]) == ("not_found", id)
        for fields in ({"cursor": "x"}, {"cursor": -1}, {"tail": 3}, {"filters": {}}):
            socket.subscribe("any", **fields)
            assert socket.expect("error")["code"] == "invalid"
    with Sockets(server) as socket:
        socket.subscribe(private)
        socket.expect("batch")
        socket.subscribe(private)
        assert socket.expect("error")["code"] == "conflict"
        socket.send({"type": "unsubscribe", "kind": "batch", "id": private})
        assert socket.expect("unsubscribed")["kind"] == "batch"


def test_each_takes_a_place_among_the_followers_of_the_account(servers, label):
    server = servers("--followers-max", "2")
    api = server.api()
    ids = [make(api, label, 1) for _ in range(3)]
    with Events(api, ids[0]) as stream, Sockets(server) as socket:
        stream.next()
        socket.subscribe(ids[1])
        socket.expect("batch")
        assert api.metrics()["runnel_followers"] == 2
        assert Events(api, ids[2]).status == 429
        socket.subscribe(ids[2])
        error = socket.expect("error")
        assert (error["code"], error["batch_id"]) == ("too_many_requests", ids[2])
    eventually(lambda: api.metrics()["runnel_followers"] == 0, "the places were given back")


def test_a_revoked_key_ends_it(api, label):
    key = api.key("viewer")
    with Events(api, make(api, label, 1), token=key["key"]) as stream:
        stream.next()
        api.delete(f"/api/v1/keys/{key['key_id']}")
        events = []
        while event := stream.next():
            events.append(event)
    assert {event.kind for event in events[:-1]} <= {"batch"}
    assert events[-1].kind == "error" and events[-1].json()["code"] == "unauthorized"


def test_comments_keep_a_quiet_one_alive(api, label):
    with Events(api, make(api, label, 1)) as stream:
        stream.next()
        stream.comment()


def test_head_has_the_headers_only(api, label):
    answer = api.open("HEAD", f"{PATH}/{make(api, label, 1)}/stream")
    assert answer.status == 200 and answer.headers["Content-Type"] == "text/event-stream"
