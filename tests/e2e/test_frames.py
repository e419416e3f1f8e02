"""docs/asyncapi.yaml: valid, of the routes that there are, and what real exchanges are: of clients that speak by hand, and
of `runnel wrap` and `runnel worker`. A tap between them and the server keeps each frame."""

import json

import pytest
from jsonschema import Draft7Validator
from support import asyncapi, openapi
from support.api import Api, eventually
from support.cli import Cli
from support.job_worker import JobWorker
from support.jobs import shell
from support.npm import MODULES, needs_npm
from support.routes import route_rows
from support.server import Server
from support.sse import Stream
from support.ws import Follower, Runner, WebSocket

E, B = "/api/v1/executions", "/api/v1/batches"
RECORDS = [
    {"message": "a line"},
    {"message": "fetch started", "event_type": "node_started", "node_id": "fetch", "level": "info"},
    {"message": "no newline", "partial": True, "stream": "stderr", "data": {"a": [1]}},
]
# The stream of a run takes no position of another store, so its log would have to lose its front.
UNSEEN = {("/workflows/runs/{id}/stream", "send", "runGap")}


@needs_npm
def test_the_document_is_valid_by_the_schema_of_asyncapi():
    schema = json.loads((MODULES / "@asyncapi" / "specs" / "schemas" / "3.0.0.json").read_text())
    checker = Draft7Validator(schema)
    assert [f"{error.json_path}: {error.message[:300]}" for error in checker.iter_errors(asyncapi.document())] == []
    wrong = {**asyncapi.document(), "operations": {"one": {"action": "sends"}}}
    assert list(checker.iter_errors(wrong))


def test_the_channels_are_the_routes_that_stream():
    sockets = {row["path"] for row in route_rows() if row["socket"]}
    streams = {
        path
        for path, item in openapi.document()["paths"].items()
        if "text/event-stream"
        in openapi.resolve(item.get("get", {}).get("responses", {}).get("200", {})).get("content", {})
    }
    assert set(asyncapi.channels()) == sockets | streams
    assert {inlined["address"] for inlined in asyncapi.document()["channels"].values()} == sockets | streams


class Scene:
    """A server, and what was said to and by it."""

    def __init__(self, root):
        self.root = root
        self.server = Server(root / "house", flags=["--failed-logins-max", "1000000", "--loops", "1"])
        self.server.start()
        self.api = self.server.api()
        self.tap = asyncapi.Tap(self.server)
        self.checker = asyncapi.Checker()
        try:
            for act in (
                self.follow,
                self.streams,
                self.run,
                self.wrap,
                self.work,
                self.worker,
                self.events,
                self.revoke,
            ):
                act()
            for path, from_client, frame in self.tap.frames():
                self.checker.take(asyncapi.address_of(path), "receive" if from_client else "send", frame)
        finally:
            self.tap.close()
            self.server.close()

    def seal(self, id):
        self.api.expect(200, "PATCH", f"{E}/{id}", {"status": "failed", "exit_code": 3})

    # --- sockets

    def follow(self):
        self.api.create(execution_id="open")
        with Follower(self.tap, "open") as all_of_it, Follower(self.tap, "open", grep="nothing like it") as some:
            some.expect("state")
            self.api.append("open", RECORDS)
            all_of_it.logs(3)
            with Follower(self.tap, "open", **{"from": 99, "incarnation": "elsewhere"}) as restored:
                restored.expect("gap")
            self.seal("open")
            all_of_it.rest()
            some.rest()
        with Follower(self.tap, "nobody") as nobody:
            nobody.expect("error")

    def streams(self):
        for id in ("s-1", "s-2"):
            self.api.create(execution_id=id)
        self.api.expect(201, "POST", B, {"batch_id": "b-1", "job": {"command": ["x"]}, "jobs": [{}]})
        with WebSocket(self.tap, "/ws/streams") as socket:
            socket.send(
                {
                    "type": "subscribe",
                    "id": "s-1",
                    "kind": "execution",
                    "filters": {"grep": "a line", "level": ["INFO"]},
                }
            )
            socket.expect("state")
            socket.send({"type": "subscribe", "id": "s-2", "from": 99, "incarnation": "elsewhere"})
            socket.expect("gap")
            socket.send({"type": "subscribe", "id": "b-1", "kind": "batch"})
            socket.expect("batch")
            for frame in (
                {"type": "subscribe", "id": "nobody", "cursor": -1},
                {"type": "subscribe", "id": "no", "kind": "batch"},
            ):
                socket.send(frame)
                socket.expect("error")
            socket.send({"type": "unsubscribe", "id": "s-2", "kind": "execution"})
            socket.expect("unsubscribed")
            self.api.append("s-1", RECORDS)
            socket.expect("log")
            self.seal("s-1")
            socket.expect("complete")
            self.api.post(f"{B}/b-1/cancel")
            socket.collect(lambda message: message["type"] == "complete" and "batch_id" in message)

    def run(self):
        id = self.api.create()
        with Runner(self.tap, id) as runner:
            runner.lines(["one", "two"])
            runner.send(json.dumps(runner.record("three", level="ERROR", node_id="n", data={})))
            runner.acked(2)
            runner.send("\n".join(json.dumps(runner.record(f"{i}", "stderr")) for i in range(2)))
            runner.acked(4)
            runner.send({"type": "heartbeat", "lag": 3})
            runner.send({"type": "skip", "next_sequence": 9, "reason": "disk", "digest": None})
            runner.acked(8)
            runner.next = 20
            runner.send([runner.record("too far")])
            runner.expect("error")
            self.api.expect(202, "DELETE", f"{E}/{id}")
            runner.expect("cancel")
            runner.next = 9
            runner.complete(None, status="cancelled", details={"reason": "asked for", "peak_memory_bytes": 1})

    def wrap(self):
        cli = Cli(self.root / "home", self.server)
        cli.run(
            "wrap", "-q", "--result", "json", *shell("echo line; echo 7"), env={"RUNNEL_URL": self.tap.url}, expect=0
        )

    def work(self):
        """A worker by hand."""
        orders = [{"execution_id": "cancelled"}, {"execution_id": "returned"}]
        for order in orders:
            self.api.expect(201, "POST", E, {"queue": True, "command": ["x"], "labels": ["hand"], **order})
        with JobWorker(self.tap, worker_id="w-1", slots=1, labels=["hand"], at=1) as worker:
            job = worker.take().begin()
            job.stream.lines(0, ["a line"])
            job.stream.say("heartbeat", lag=1)
            job.stream.say("skip", next_sequence=3, reason="disk")
            worker.listen(lambda: job.stream.acked >= 2)
            worker.send_parts(job.stream.part(9, ["too far"]))
            worker.listen(lambda: job.stream.error)
            self.api.expect(202, "DELETE", f"{E}/cancelled")
            worker.listen(lambda: job.stream.cancel)
            job.stream.say("complete", exit_code=None, status="cancelled")
            worker.listen(lambda: job.stream.closed)
            self.api.expect(200, "POST", "/api/v1/workers/w-1/drain")
            worker.expect("drain")
            worker.send({"type": "heartbeat", "slots_free": 0, "at": 2})
            worker.expect("alive")
            self.api.expect(200, "POST", "/api/v1/workers/w-1/resume")
            worker.expect("resume")
            worker.send({"type": "heartbeat", "slots_free": 1})
            worker.take().give_back()
            worker.open("nobody")
            worker.collect(lambda message: worker.hear(message)["type"] == "closed")
            stream = worker.opened(self.api.create())
            stream.say("close")
            worker.send({"type": "drain"})
            worker.send({"type": "nonsense"})
            worker.expect("error")
        self.api.request("DELETE", f"{E}/returned")

    def worker(self):
        """A real one, with a job that has a secret and one that cannot be had."""
        self.api.expect(201, "POST", "/api/v1/secrets/NAME", {"value": "a value"})
        cli = Cli(self.root / "home", self.server)
        arguments = ("worker", "--data", self.root / "worker", "--slots", 2, "--label", "real")
        with cli.start(*arguments, env={"RUNNEL_URL": self.tap.url}) as worker:
            worker.err.wait_for(b'"message":"connected')
            order = {"queue": True, "labels": ["real"], "command": ["echo", "a line"], "secrets": ["NAME"]}
            self.api.expect(201, "POST", E, {"execution_id": "real", **order})
            eventually(lambda: self.api.status("real")["sealed"], "the job has ended")
            worker.signal(15)
            worker.finish()

    # --- server-sent events

    def streams_of(self, api, id):
        """address → a stream of each kind over that execution."""
        kinds = [address for address in asyncapi.channels() if "{id}" in address and not address.startswith("/ws/")]
        return {address: address.replace("{id}", id) for address in kinds if not address.startswith(B)}

    def read(self, address, stream, until=lambda event: False):
        """All that comes, until the stream ends or that event."""
        while (event := stream.next()) is not None:
            if event.kind == "position":
                continue
            self.checker.take(address, "send", event.json(), event.kind)
            if until(event):
                return

    def events(self):
        for address, path in self.streams_of(self.api, "open").items():
            with Stream(self.api, None, path=path) as stream:
                self.read(address, stream)
        with Stream(self.api, "s-2", **{"from": 99, "incarnation": "elsewhere"}) as stream:
            self.read(f"{E}/{{id}}/logs/stream", stream, lambda event: event.kind == "gap")
        with Stream(self.api, None, path=f"{B}/b-1/stream") as stream:
            self.read(f"{B}/{{id}}/stream", stream)

    def revoke(self):
        """What each stream says when its credential ends."""
        key = self.api.key("service")
        guest = Api(self.server.port, key["key"])
        self.api.expect(201, "POST", B, {"batch_id": "b-2", "keep_open": True})
        paths = {**self.streams_of(self.api, "s-2"), f"{B}/{{id}}/stream": f"{B}/b-2/stream"}
        streams = {address: Stream(guest, None, path=path) for address, path in paths.items()}
        follower = Follower(self.tap, "s-2", token=key["key"])
        follower.expect("state")
        self.api.expect(200, "DELETE", f"/api/v1/keys/{key['key_id']}")
        follower.expect("error")
        for address, stream in streams.items():
            self.read(address, stream)
            stream.close()


@pytest.fixture(scope="module")
def checker(tmp_path_factory):
    return Scene(tmp_path_factory.mktemp("frames")).checker


@pytest.mark.parametrize("address", list(asyncapi.channels()))
def test_every_frame_is_one_that_the_document_knows_and_every_one_of_it_is_said(checker, address):
    faults = [fault for fault in checker.faults if fault[0] == address and fault[3] != {"type": "nonsense"}]
    assert not faults, f"{len(faults)} faults\n{json.dumps(faults[0][1:], indent=1)}"
    known = {(address, way, name) for way, names in asyncapi.channels()[address].items() for name in names}
    assert known - checker.seen <= UNSEEN
    assert not UNSEEN & checker.seen


def test_a_frame_with_a_member_that_the_document_does_not_know_is_a_fault():
    checker = asyncapi.Checker()
    ack = {"type": "ack", "sequence_number": 3}
    address = "/ws/runner/executions/{id}/stream"
    checker.take(address, "send", ack)
    assert checker.faults == [] and checker.seen == {(address, "send", "ack")}
    for wrong in ({**ack, "more": 1}, {"type": "ack"}, {"type": "news"}, {**ack, "sequence_number": "3"}):
        checker.take(address, "send", wrong)
    assert len(checker.faults) == 4 and checker.count == 5


def test_frames_are_read_out_of_what_passes():
    masked = b"\x01\x83abcd" + bytes(byte ^ mask for byte, mask in zip(b"one", b"abc"))
    data = masked + b"\x89\x00" + b"\x80\x03two" + b"\x82\x7e\x01\x00" + b"x" * 256 + b"\x81\x05cut"
    assert list(asyncapi.messages(data)) == [(1, b"onetwo"), (2, b"x" * 256)]
