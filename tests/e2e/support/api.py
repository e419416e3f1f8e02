"""HTTP as a client would speak it, and bytes as a client should not send them."""

import http.client
import json
import socket
import threading
import time
import urllib.parse

from . import DEADLINE

OWN_TOKEN = object()


class Response:
    def __init__(self, status, headers, body):
        self.status = status
        self.headers = headers
        self.body = body

    def json(self):
        return json.loads(self.body)

    @property
    def code(self):
        """The error's code word, None for answers without one."""
        try:
            return self.json()["error"]["code"]
        except (ValueError, KeyError, TypeError):
            return None

    def __repr__(self):
        return f"<{self.status} {self.body[:400]!r}>"


def query_string(query):
    return "?" + urllib.parse.urlencode(query, doseq=True) if query else ""


class Api:
    def __init__(self, port, token, ssl_context=None, timeout=DEADLINE):
        self.port = port
        self.token = token
        self.ssl_context = ssl_context
        self.timeout = timeout

    def _connection(self):
        if self.ssl_context:
            return http.client.HTTPSConnection("127.0.0.1", self.port, timeout=self.timeout, context=self.ssl_context)
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=self.timeout)

    def open(self, method, path, body=None, headers=None, token=OWN_TOKEN, query=None):
        """The answer with its body still to be read: (http.client.HTTPResponse)."""
        headers = dict(headers or {})
        token = self.token if token is OWN_TOKEN else token
        if token is not None:
            headers.setdefault("Authorization", f"Bearer {token}")
        if body is not None and not isinstance(body, (bytes, str)):
            body = json.dumps(body)
            headers.setdefault("Content-Type", "application/json")
        connection = self._connection()
        connection.request(method, path + query_string(query), body=body, headers=headers)
        return connection.getresponse()

    def request(self, method, path, body=None, headers=None, token=OWN_TOKEN, query=None):
        answer = self.open(method, path, body, headers, token, query)
        return Response(answer.status, answer.headers, answer.read())

    def get(self, path, **options):
        return self.request("GET", path, **options)

    def post(self, path, body=None, **options):
        return self.request("POST", path, body, **options)

    def patch(self, path, body=None, **options):
        return self.request("PATCH", path, body, **options)

    def delete(self, path, **options):
        return self.request("DELETE", path, **options)

    def expect(self, status, method, path, body=None, **options):
        answer = self.request(method, path, body, **options)
        assert answer.status == status, (method, path, answer)
        return answer.json() if answer.body else None

    # --- executions and their logs
    def create(self, **fields):
        """Makes an execution; its id."""
        return self.expect(201, "POST", "/api/v1/executions", fields)["execution_id"]

    def status(self, execution_id):
        return self.expect(200, "GET", f"/api/v1/executions/{execution_id}/status")

    def append(self, execution_id, records, **options):
        answer = self.post(f"/api/v1/executions/{execution_id}/logs", records, **options)
        assert answer.status in (200, 201), answer
        return answer.json()

    def append_lines(self, execution_id, messages, stream="stdout"):
        return self.append(execution_id, [{"stream": stream, "message": message} for message in messages])

    def page(self, execution_id, **query):
        return self.expect(200, "GET", f"/api/v1/executions/{execution_id}/logs", query=query)

    def logs(self, execution_id, **query):
        """All records from the query's position on, by pages."""
        records = []
        while True:
            page = self.page(execution_id, **query)
            records += page["logs"]
            if not page["has_more"]:
                return records
            for name in ("from", "after", "since", "since_index", "tail"):
                query.pop(name, None)
            query["cursor"] = page["next_cursor"]

    def messages(self, execution_id, **query):
        return [record["message"] for record in self.logs(execution_id, **query)]

    def key(self, role, name="test", **fields):
        """A new API key of that role: the answer, its secret under "key"."""
        return self.expect(201, "POST", "/api/v1/keys", {"role": role, "name": name, **fields})

    def as_role(self, role, **fields):
        return Api(self.port, self.key(role, **fields)["key"], self.ssl_context)

    def metrics(self):
        """{name or name{labels}: value}; a name alone has the sum over its labels"""
        values = {}
        for line in self.get("/metrics", token=None).body.decode().splitlines():
            if line and not line.startswith("#"):
                name, value = line.rsplit(" ", 1)
                values[name] = float(value)
                if "{" in name and 'le="' not in name:
                    whole = name.split("{")[0]
                    values[whole] = values.get(whole, 0) + float(value)
        return values


def eventually(probe, what, timeout=DEADLINE):
    """For what has no event to wait on, such as a gauge: asks until it is true. It asks at once, then less and less
    often: who is asked without a pause, and what is waited for, have no processor left."""
    end, pause, nothing = time.monotonic() + timeout, 0.001, threading.Event()
    while True:
        found = probe()
        if found:
            return found
        assert time.monotonic() < end, f"never came true: {what}"
        nothing.wait(pause)
        pause = min(2 * pause, 0.064)


class _SharedReader:
    """Lets several http.client.HTTPResponse read one after the other from one socket."""

    def __init__(self, connection):
        self.file = connection.makefile("rb")

    def makefile(self, *_):
        return self

    def close(self):
        pass

    def __getattr__(self, name):
        return getattr(self.file, name)


class RawConnection:
    """Bytes as they are, answers parsed."""

    def __init__(self, port, timeout=DEADLINE):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=timeout)
        self._reader = _SharedReader(self.socket)

    def send(self, data):
        try:
            self.socket.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            pass  # it was refused while it was still being sent; the answer says why
        return self

    def answer(self, method="GET"):
        reply = http.client.HTTPResponse(self._reader, method=method)
        reply.begin()
        return Response(reply.status, reply.headers, reply.read())

    def told_to_go_on(self):
        """The interim answer to `Expect: 100-continue`."""
        assert self._reader.readline() == b"HTTP/1.1 100 Continue\r\n"
        assert self._reader.readline() == b"\r\n"

    def ended(self):
        """True once the server has closed its side without a further byte."""
        try:
            return self._reader.read(1) == b""
        except ConnectionResetError:
            return True

    def close(self):
        self._reader.file.close()
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def exchange(port, data, method="GET"):
    """One raw request, one answer; a connection that ends without any is (0)."""
    with RawConnection(port) as connection:
        connection.send(data)
        try:
            return connection.answer(method)
        except (http.client.RemoteDisconnected, ConnectionResetError):
            return Response(0, {}, b"")
