"""Hands jobs out to a real `runnel worker`: it stands between the worker's socket and a real server, passes every frame
on, and says `job` where a dispatcher would. On demand it cuts the connection."""

import asyncio
import json

import websockets

from . import DEADLINE
from .api import eventually
from .ws import Runner, background


class Handout:
    def __init__(self, server):
        self.server = server
        self.said = []  # what the worker said as text, without its streams' frames
        self._worker = self._peer = None
        self._listener = background().run(self._serve())
        self.port = self._listener.sockets[0].getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"

    async def _serve(self):
        return await websockets.serve(
            self._handle,
            "127.0.0.1",
            0,
            max_size=None,
            compression=None,
            ping_interval=None,
        )

    async def _handle(self, worker, path):
        headers = {"Authorization": worker.request_headers["Authorization"]}
        async with websockets.connect(
            f"ws://127.0.0.1:{self.server.port}{path}",
            extra_headers=headers,
            max_size=None,
            compression=None,
            ping_interval=None,
        ) as peer:
            self._worker, self._peer = worker, peer
            await asyncio.wait(
                [
                    asyncio.ensure_future(self._pass(worker, peer, True)),
                    asyncio.ensure_future(self._pass(peer, worker)),
                ],
                return_when=asyncio.FIRST_COMPLETED,
            )
        await worker.close()

    async def _pass(self, source, sink, note=False):
        try:
            async for frame in source:
                message = json.loads(frame) if note and isinstance(frame, str) else {"stream": 0}
                if "stream" not in message:
                    self.said.append(message)
                await sink.send(frame)
        except websockets.exceptions.ConnectionClosed:
            pass

    def job(self, api, spec, id=None, retry_on_lost=False, **members):
        """Makes an execution and claims it, as a dispatcher does, then says it to the worker. Its identifier."""
        id = id or api.create()
        with Runner(self.server, id, producer="claim") as claim:
            epoch = claim.ready["epoch"]
        self.say_job(id, epoch, spec, retry_on_lost, **members)
        return id

    def say_job(self, id, epoch, spec, retry_on_lost=False, **members):
        job = {"type": "job", "execution_id": id, "epoch": epoch, "token": "t", "attempt": 1, "account": "default"}
        job |= {"batch_id": "", "retry_on_lost": retry_on_lost, "spec": spec} | members
        self.connected()
        background().run(self._worker.send(json.dumps(job)))

    def connected(self):
        eventually(
            lambda: self._worker is not None and self._worker.open and self.heard("hello"), "a connection of the worker"
        )

    def heard(self, type):
        return [message for message in self.said if message["type"] == type]

    def cut(self):
        async def abort():
            self._worker.transport.abort()
            await self._worker.wait_closed()

        background().run(abort())

    def close(self):
        self._listener.close()
        background().run(self._listener.wait_closed(), DEADLINE)
