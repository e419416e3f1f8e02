"""docs/asyncapi.yaml, and frames of real exchanges held against it."""

import functools
import json
import pathlib
import re
import threading

import yaml

from . import openapi, schemas
from .proxy import Proxy

FILE = openapi.FILE.with_name("asyncapi.yaml")


@functools.cache
def document():
    return yaml.safe_load(FILE.read_text())


@functools.cache
def whole(file):
    return yaml.safe_load((FILE.parent / file).read_text())


def inlined(value, file=FILE.name):
    """Without references, of which those within another file are looked up there."""
    if isinstance(value, list):
        return [inlined(one, file) for one in value]
    if not isinstance(value, dict):
        return value
    if "$ref" in value:
        other, _, path = value["$ref"].partition("#/")
        file = pathlib.PurePath(other).name or file
        at = whole(file)
        for part in path.split("/"):
            at = at[part]
        return inlined(at, file)
    return {name: inlined(one, file) for name, one in value.items()}


@functools.cache
def channels():
    """address → {"send": {message: validator}, "receive": …}; the validator of a binary frame is None."""
    found = {}
    for operation in document()["operations"].values():
        channel = inlined(operation["channel"])
        names = [one["$ref"].rsplit("/", 1)[1] for one in operation["messages"]]
        ways = found.setdefault(channel["address"], {"send": {}, "receive": {}})
        for name in names:
            message = channel["messages"][name]
            binary = message["payload"].get("format") == "binary"
            ways[operation["action"]][name] = None if binary else schemas.validator(message["payload"])
    return found


class Checker:
    """Holds frames against the document. `seen`: (address, "send" or "receive", message) of all that fitted."""

    def __init__(self):
        self.seen = set()
        self.faults = []
        self.count = 0

    def take(self, address, way, frame, event=None):
        """`event`: the kind of a server-sent event, which must be the message's name."""
        known = channels()[address][way]
        self.count += 1
        if isinstance(frame, bytes):
            fit = [name for name, checker in known.items() if checker is None]
        else:
            known = {name: checker for name, checker in known.items() if checker}
            fit = [name for name, checker in known.items() if checker.is_valid(frame)]
        if event is not None:
            fit = [
                name for name in fit if inlined(document()["components"]["messages"][name]).get("name", event) == event
            ]
        self.seen |= {(address, way, name) for name in fit}
        if not fit:
            why = {name: schemas.faults(checker, frame)[:3] for name, checker in known.items() if checker}
            self.faults.append((address, way, event, frame, why))


# --- What passes between a client and the server


class Tap(Proxy):
    """Keeps all that passes. `server` and what stands for one: support.ws takes it in a server's place."""

    def __init__(self, server):
        self._bytes = {}
        self._guard = threading.Lock()
        super().__init__(server.port, hear=self._keep)
        self.scheme, self.operator_key = server.scheme, server.operator_key

    def _keep(self, client, from_client, piece):
        with self._guard:
            both = self._bytes.setdefault(client, (bytearray(), bytearray()))
            both[0 if from_client else 1].extend(piece)

    def frames(self):
        """(path, from the client, frame): text as what its JSON says, binary as bytes; also of what is open."""
        with self._guard:
            kept = [(bytes(sent), bytes(got)) for sent, got in self._bytes.values()]
        for sent, got in kept:
            head, _, sent = sent.partition(b"\r\n\r\n")
            answer, _, got = got.partition(b"\r\n\r\n")
            if b" 101 " not in answer.split(b"\r\n")[0]:
                continue
            path = head.split()[1].decode().split("?")[0]
            for from_client, data in ((True, sent), (False, got)):
                for opcode, payload in messages(data):
                    yield path, from_client, payload if opcode == 2 else text_of(payload)


def text_of(payload):
    try:
        return json.loads(payload)
    except ValueError:  # NDJSON
        return [json.loads(line) for line in payload.splitlines()]


def messages(data):
    """(1 for text or 2 for binary, payload) of the whole messages in a WebSocket's bytes."""
    parts, kind = b"", 0
    while len(data) >= 2:
        size, at = data[1] & 127, 2
        if size >= 126:
            width = 2 if size == 126 else 8
            if len(data) < at + width:
                return
            size, at = int.from_bytes(data[at : at + width], "big"), at + width
        mask = data[at : at + 4] if data[1] & 128 else b""
        at += len(mask)
        if len(data) < at + size:
            return
        payload = data[at : at + size]
        if mask:
            payload = bytes(byte ^ mask[i % 4] for i, byte in enumerate(payload))
        opcode, last = data[0] & 15, data[0] & 128
        data = data[at + size :]
        if opcode >= 8:
            continue
        kind, parts = (opcode or kind), parts + payload
        if last:
            yield kind, parts
            parts = b""


def address_of(path):
    """The channel that a path is of."""
    for address in channels():
        if re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", address), path):
            return address
    return None
