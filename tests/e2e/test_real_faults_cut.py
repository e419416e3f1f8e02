"""Connections cut at random byte positions, between a runner and the server and between followers and the server."""

import http.client
import json
import threading

import pytest
from support.api import Api, eventually
from support.cli import Cli
from support.faults import BusyJob, CuttingProxy, chance, rounds, stored_sums
from support.jobs import fresh_id, output_of, shell
from support.sse import Stream


class Reconnecting(threading.Thread):
    """A plain client of server-sent events: what it has seen last is all that it knows when it comes back."""

    def __init__(self, api, job):
        super().__init__(daemon=True)
        self.api = api
        self.job = job
        self.records = []
        self.connections = 0
        self.complete = None
        self.failure = None
        self.start()

    def run(self):
        try:
            while self.complete is None:
                self._connect()
        except Exception as error:
            self.failure = error

    def _connect(self):
        last = self.records[-1]["sequence_number"] if self.records else None
        headers = {"Last-Event-ID": str(last)} if self.records else {}
        self.connections += 1
        try:
            with Stream(self.api, self.job, headers=headers) as stream:
                if stream.status == 204:
                    self.complete = {}
                while self.complete is None and (event := stream.next()):
                    if event.kind == "log":
                        self.records.append(json.loads(event.data))
                    elif event.kind == "complete":
                        self.complete = event.json()
        except (OSError, ValueError, EOFError, http.client.HTTPException):
            pass  # cut in the head, or in the middle of a chunk


@pytest.mark.timeout(600)
@pytest.mark.threads
def test_connections_cut_at_random_bytes_neither_lose_nor_double_nor_disorder(servers, tmp_path):
    source = chance()
    # A runner that was cut before it had learned its epoch has to let its lease run out.
    server = servers("--lease-seconds", "2")
    cuts = rounds(200, least=20)
    with CuttingProxy(server.port, source, cuts) as proxy:
        cli = Cli(tmp_path / "home", url=proxy.url, token=server.operator_key)
        direct = server.api()
        stop = tmp_path / "stop"
        jobs = [BusyJob(cli, fresh_id(), tmp_path, stop, source.randrange(1 << 30)) for _ in range(4)]
        for job in jobs:
            eventually(lambda: direct.get(f"/api/v1/executions/{job.job}").status == 200, "the jobs are known")
        readers = [Reconnecting(Api(proxy.port, server.operator_key), job.job) for job in jobs]
        commands = []
        for job in jobs[:2]:
            commands.append((job, cli.start("logs", "-f", "-o", "raw", job.job)))
        proxy.wait(60 + cuts)
        stop.touch()
        for job in jobs:
            assert job.process.finish() == 0, job.process.err.data[-2000:]
        for job, reader in zip(jobs, readers):
            notices = job.process.err.data[-2000:].decode()
            assert stored_sums(direct, job.job) == job.sums(), (job.job, direct.status(job.job), notices)
            reader.join(60)
            assert not reader.is_alive() and reader.failure is None, reader.failure
            assert reader.records == direct.logs(job.job, limit=10000)
            assert [record["sequence_number"] for record in reader.records] == list(range(len(reader.records)))
        followed = 0
        for job, command in commands:
            code = command.finish()
            # It gives up at once only where the very first attempt never reached a server.
            assert code == 0 or (code == 5 and not command.out.data), command.err.data[-2000:]
            if code == 0:
                assert command.out.data == output_of(direct, job.job)
                followed += 1
        assert proxy.done == cuts


def test_half_of_a_refusal_is_no_refusal(server, api, tmp_path):
    """The status alone would be a conflict, which is final; the rest says that another holds it for now."""
    half = b'HTTP/1.1 409 Conflict\r\nContent-Type: application/json\r\nContent-Length: 90\r\n\r\n{"error":{'
    with CuttingProxy(server.port, chance(), 0, half_answer=(b"GET /ws/runner/", half)) as proxy:
        cli = Cli(tmp_path / "home", url=proxy.url, token=server.operator_key)
        job = fresh_id()
        result = cli.ok("wrap", "--id", job, *shell("echo one; echo two"))
        assert proxy.half_answer is None
    assert output_of(api, job) == b"one\ntwo\n", result
