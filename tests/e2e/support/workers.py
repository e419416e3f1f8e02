"""A worker's socket, spoken by hand."""

import struct

from . import DEADLINE
from .chunk import chunk
from .ws import WebSocket


def part(stream, first, data):
    return struct.pack("<IIQ", stream, len(data), first) + data


class Worker(WebSocket):
    """Says hello. `streams`: number → Stream."""

    def __init__(self, server, token="", hello=True, **fields):
        super().__init__(server, "/ws/workers", token)
        self.streams = {}
        self.number = 0
        if hello:
            self.send({"type": "hello", "hostname": "host", "slots": 4, **fields})
            self.welcome = self.expect("welcome")

    def open(self, execution_id, **fields):
        """Asks for a stream, without waiting for its `ready`."""
        self.number += 1
        stream = Stream(self, self.number, execution_id)
        self.streams[stream.number] = stream
        self.send({"type": "open", "stream": stream.number, "execution_id": execution_id, **fields})
        return stream

    def opened(self, execution_id, **fields):
        stream = self.open(execution_id, **fields)
        self.listen(lambda: stream.ready)
        return stream

    def hear(self, message):
        stream = self.streams.get(message.get("stream"))
        if message["type"] == "acks":
            for number, sequence_number in message["acks"]:
                self.streams[number].acked = sequence_number
        elif stream:
            stream.heard.append(message)
            setattr(stream, message["type"], message)
        return message

    def listen(self, is_done, timeout=DEADLINE):
        """Takes in what comes until it is done; what came."""
        if is_done():
            return []
        return self.collect(lambda message: bool(self.hear(message) and is_done()), timeout)

    def send_parts(self, *parts):
        self.send(b"".join(parts))


class Stream:
    def __init__(self, worker, number, execution_id):
        self.worker, self.number, self.execution_id = worker, number, execution_id
        self.ready = self.closed = self.completed = self.error = self.cancel = None
        self.acked = -1
        self.heard = []

    def part(self, first, lines):
        return part(self.number, first, chunk(lines))

    def lines(self, first, lines):
        """Sends them as one frame and waits until they are durable."""
        self.worker.send(self.part(first, lines))
        self.worker.listen(lambda: self.acked >= first + len(lines) - 1)

    def say(self, kind, **fields):
        self.worker.send({"type": kind, "stream": self.number, **fields})

    def complete(self, **fields):
        self.say("complete", execution_id=self.execution_id, exit_code=0, **fields)
        self.worker.listen(lambda: self.closed)
        return self.completed

    def ends(self):
        """The `closed` frame that comes."""
        self.worker.listen(lambda: self.closed)
        return self.closed
