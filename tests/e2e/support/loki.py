"""Loki as it is documented: a push of Protocol Buffers in a block of snappy; equal lines of a stream are dropped; what is
too far behind its stream, too far ahead, or too long is refused with 400 while the rest is taken; limits for each stream
are 429; LogQL as far as a selector and filters of labels go."""

import base64
import contextlib
import http.server
import json
import re
import threading
import time
import urllib.parse

HOUR = 3_600_000_000_000
LINE_MAX = 256 * 1024
SELECTOR = re.compile(r'\s*([a-z_]+)\s*=\s*"((?:[^"\\]|\\.)*)"\s*,?')


def varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7


def unsnappy(data):
    size, at = varint(data, 0)
    out = bytearray()
    while at < len(data):
        tag = data[at]
        at += 1
        if tag & 3 == 0:
            length = (tag >> 2) + 1
            if length > 60:
                count = length - 60
                length = int.from_bytes(data[at : at + count], "little") + 1
                at += count
            out += data[at : at + length]
            at += length
            continue
        if tag & 3 == 1:
            length, offset = (tag >> 2 & 7) + 4, (tag >> 5) << 8 | data[at]
            at += 1
        else:
            count = 2 if tag & 3 == 2 else 4
            length, offset = (tag >> 2) + 1, int.from_bytes(data[at : at + count], "little")
            at += count
        assert 0 < offset <= len(out)
        while length > 0:
            part = out[len(out) - offset : len(out) - offset + length]
            out += part
            length -= len(part)
    assert len(out) == size
    return bytes(out)


def fields(data):
    at = 0
    while at < len(data):
        tag, at = varint(data, at)
        assert tag & 7 in (0, 2)
        value, at = varint(data, at)
        if tag & 7 == 2:
            value, at = data[at : at + value], at + value
        yield tag >> 3, value


def labels_of(text):
    return {name: json.loads(f'"{value}"') for name, value in SELECTOR.findall(text)}


class Line:
    def __init__(self, labels, data):
        parts = list(fields(data))
        moment = dict(fields(next(value for number, value in parts if number == 1)))
        self.labels = labels
        self.ns = moment.get(1, 0) * 1_000_000_000 + moment.get(2, 0)
        self.text = next((value for number, value in parts if number == 2), b"").decode()
        pairs = [dict(fields(value)) for number, value in parts if number == 3]
        self.metadata = {pair[1].decode(): pair[2].decode() for pair in pairs}

    @property
    def all(self):
        return {**labels_of(self.labels), **self.metadata}


class Loki:
    """`script`: each is one answer to a push in the place of the usual one: a status, (status, headers), or bytes to be
    sent as they are. `away`: connections are closed unanswered. `gate`: pushes wait for it.
    """

    def __init__(self, credentials=None, tenant=None):
        self.credentials, self.tenant = credentials, tenant
        self.streams, self.newest, self.refused, self.script = {}, {}, [], []
        self.line_max, self.body_max, self.stream_bytes = LINE_MAX, None, None
        self.pushes = self.repeated = 0
        self.away = False
        self.gate = threading.Event()
        self.gate.set()
        self.changed = threading.Condition()
        self.statuses, self.queries, self.problems = [], [], []
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                outer.posted(self)

            def do_GET(self):
                outer.asked(self)

            def log_message(self, *_):
                pass

        self.http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.http.server_port}"
        self.thread = threading.Thread(target=self.http.serve_forever, args=(0.05,), daemon=True)
        self.thread.start()

    def close(self):
        self.gate.set()
        self.http.shutdown()
        self.http.server_close()
        self.thread.join()

    def flags(self, **settings):
        settings = {"url": self.url, "pause_ms": 20, **settings}
        return [text for name, value in settings.items() for text in (f"--loki-{name.replace('_', '-')}", value)]

    # --- What is there
    def lines(self, **wanted):
        """Of these labels and metadata, by time."""
        with self.changed:
            every = [line for stream in self.streams.values() for line in stream.values()]
        found = [line for line in every if wanted.items() <= line.all.items()]
        return sorted(found, key=lambda line: line.ns)

    def wait(self, probe, timeout=60):
        """Until the probe holds; it is tried after each request."""
        with self.changed:
            assert self.changed.wait_for(probe, timeout), (
                self.statuses[-5:],
                self.refused[-3:],
                self.problems,
            )

    def texts(self, **wanted):
        return [line.text for line in self.lines(**wanted)]

    # --- Requests
    def answer(self, request, status, text, headers=(), type="text/plain"):
        with self.changed:
            self.statuses.append(status)
            self.changed.notify_all()
        with contextlib.suppress(OSError):
            request.send_response(status)
            for name, value in headers:
                request.send_header(name, value)
            if text:
                request.send_header("Content-Type", type)
            request.send_header("Content-Length", str(len(text)))
            request.end_headers()
            request.wfile.write(text)

    def authorized(self, request):
        given = request.headers.get("Authorization", "")
        wanted = self.credentials
        if wanted and ":" in wanted:
            wanted = "Basic " + base64.b64encode(wanted.encode()).decode()
        elif wanted:
            wanted = f"Bearer {wanted}"
        return given == (wanted or "") and request.headers.get("X-Scope-OrgID") == self.tenant

    def gone(self, request):
        if self.away:
            request.close_connection = True
            with self.changed:
                self.statuses.append(0)
                self.changed.notify_all()
        return self.away

    def posted(self, request):
        body = request.rfile.read(int(request.headers["Content-Length"]))
        if self.gone(request):
            return
        with self.changed:
            self.pushes += 1
            self.changed.notify_all()
            scripted = self.script.pop(0) if self.script else None
        self.gate.wait()
        if request.path != "/loki/api/v1/push" or request.headers["Content-Type"] != "application/x-protobuf":
            self.answer(request, 404, b"404 page not found")
        elif not self.authorized(request):
            self.answer(request, 401, b"no org id")
        elif isinstance(scripted, bytes):
            with contextlib.suppress(OSError):
                request.wfile.write(scripted)
            request.close_connection = True
        elif scripted:
            status, headers = scripted if isinstance(scripted, tuple) else (scripted, ())
            self.answer(request, status, b"said by Loki", headers)
        elif self.body_max and len(body) > self.body_max:
            self.answer(request, 413, b"request body too large")
        else:
            status, text = self.take(body)
            self.answer(request, status, text.encode())

    def take(self, body):
        problems, rated, now = [], False, time.time_ns()
        with self.changed:
            try:
                plain = unsnappy(body)
                for number, stream in fields(plain):
                    assert number == 1
                    parts = list(fields(stream))
                    labels = next(value for number, value in parts if number == 1).decode()
                    assert labels_of(labels) and list(labels_of(labels)) == sorted(labels_of(labels))
                    lines = [Line(labels, value) for number, value in parts if number == 2]
                    size = sum(len(line.text.encode()) for line in lines)
                    if self.stream_bytes and size > self.stream_bytes:
                        rated = True
                        lines = lines[: len(lines) // 2]  # those that fitted
                    for line in lines:
                        self.take_line(line, problems, now)
            except Exception as problem:
                self.problems.append(repr(problem))
                return 400, "malformed"
        if rated:
            return 429, "per stream rate limit exceeded"
        return (400, problems[0]) if problems else (204, "")

    def take_line(self, line, problems, now):
        stream = self.streams.setdefault(line.labels, {})
        newest = self.newest.get(line.labels, 0)
        reason = None
        if len(line.text.encode()) > self.line_max:
            reason = "max entry size exceeded"
        elif line.ns < newest - HOUR:
            reason = "entry too far behind"
        elif line.ns > now + HOUR // 6:
            reason = "entry timestamp too new"
        elif line.ns < now - 7 * 24 * HOUR:
            reason = "entry timestamp too old"
        if reason:
            self.refused.append(line)
            problems.append(f"entry with timestamp {line.ns} ignored, reason: '{reason}'")
        elif (line.ns, line.text) in stream:
            self.repeated += 1
        else:
            stream[line.ns, line.text] = line
            self.newest[line.labels] = max(newest, line.ns)

    def asked(self, request):
        if self.gone(request):
            return
        self.gate.wait()
        path, _, query = request.path.partition("?")
        asked = {name: values[0] for name, values in urllib.parse.parse_qs(query).items()}
        self.queries.append(asked)
        if not self.authorized(request):
            self.answer(request, 401, b"no org id")
        elif path != "/loki/api/v1/query_range":
            self.answer(request, 404, b"404 page not found")
        else:
            self.answer(
                request,
                200,
                json.dumps(self.found(asked)).encode(),
                type="application/json",
            )

    def found(self, asked):
        selector, *filters = re.match(r"\{(.*?[^\\]\"|)\}(.*)$", asked["query"]).groups()
        wanted = {**labels_of(selector), **labels_of(filters[0].replace("|", ""))}
        assert labels_of(selector) and asked["direction"] == "forward" and int(asked["limit"]) <= 5000
        begin, end = int(asked["start"]), int(asked["end"])
        found = [
            line
            for line in self.lines()
            if begin <= line.ns < end and all(line.all.get(name, "") == value for name, value in wanted.items())
        ]
        streams = {}
        for line in found[: int(asked["limit"])]:
            key = json.dumps(line.all, sort_keys=True)
            streams.setdefault(key, {"stream": line.all, "values": []})["values"].append([str(line.ns), line.text])
        return {
            "status": "success",
            "data": {
                "resultType": "streams",
                "result": list(streams.values()),
                "stats": {},
            },
        }
