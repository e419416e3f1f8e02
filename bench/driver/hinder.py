"""What one client, or the clients of one account, can do to the others: loads by plain sockets, each in a process
of its own."""

import base64
import contextlib
import json
import multiprocessing
import os
import socket
import ssl
import struct
import threading
import time
import urllib.error
import urllib.request

UPGRADE = (
    "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
)


def head(line, key=None, extra=""):
    credential = f"Authorization: Bearer {key}\r\n" if key else ""
    return f"{line} HTTP/1.1\r\nHost: 127.0.0.1\r\n{credential}{extra}\r\n".encode()


def connect(port, deaf=False, tls=False):
    connection = socket.socket()
    if deaf:  # the kernel keeps almost nothing for it
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
    connection.settimeout(60)
    connection.connect(("127.0.0.1", port))
    if not tls:
        return connection
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context.wrap_socket(connection)


def behind_others(function, *arguments):
    """On the machine that it loads it must not take the processor from the server that it asks: others' clients
    would not."""
    with contextlib.suppress(OSError):
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
    os.nice(19)
    function(*arguments)


class Load:
    """Runs `function(stop, ready, …)` in a process until it is left; it sets `ready` once it is at it."""

    def __init__(self, function, *arguments):
        self.stop, self.ready = multiprocessing.Event(), multiprocessing.Event()
        self.process = multiprocessing.Process(
            target=behind_others, daemon=True, args=(function, self.stop, self.ready, *arguments)
        )

    def __enter__(self):
        self.process.start()
        self.ready.wait(120)
        return self

    def __exit__(self, *_):
        self.stop.set()
        self.process.join(20)
        if self.process.is_alive():
            self.process.kill()


def call(port, method, path, key=None, body=None, timeout=60):
    """(status, seconds, body)"""
    data = None if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
    headers = {"Content-Type": "application/json"} if data is not None else {}
    if key:
        headers["Authorization"] = f"Bearer {key}"
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", data, headers, method=method)
    began = time.monotonic()
    try:
        with urllib.request.urlopen(request, timeout=timeout) as answer:
            text, status = answer.read(), answer.status
    except urllib.error.HTTPError as error:
        text, status = error.read(), error.code
    return status, time.monotonic() - began, text


# --- Without a credential


def strangers(stop, ready, port, count):
    """Bodies where none is taken, pipelined requests whose answers nobody reads, and half heads, by a third each."""
    hog, connections = b"x" * (1 << 20), []
    for i in range(count):
        with contextlib.suppress(OSError):
            connection = connect(port, deaf=True)
            connections.append(connection)
            connection.settimeout(0.5)
            if i % 3 == 0:
                connection.sendall(head("GET /health", extra="Content-Length: 8388608\r\n") + hog)
            elif i % 3 == 1:
                connection.sendall(head("GET /metrics") * 2000)
            else:
                connection.sendall(head("GET /health", extra="X: " + "h" * 15000 + "\r\n")[:-4])
    ready.set()
    stop.wait()


# --- One account's worst


def pages_with_filters(stop, ready, port, key, name):
    def hammer():
        while not stop.is_set():
            with contextlib.suppress(OSError):
                call(port, "GET", f"/api/v1/executions/{name}/logs?tail=1&grep=zzzz", key)

    for _ in range(20):
        threading.Thread(target=hammer, daemon=True).start()
    ready.set()
    stop.wait()


def followers_with_filters(stop, ready, port, key, name):
    connections = []
    for i in range(900):
        connections.append(connect(port))
        connections[-1].sendall(head(f"GET /ws/executions/{name}/logs?tail=1&grep=zz{i}", key, UPGRADE))
    ready.set()
    stop.wait()


def followers_that_do_not_read(stop, ready, port, key, name, lines):
    connections = []
    for i in range(900):
        connections.append(connect(port, deaf=True))
        connections[-1].sendall(head(f"GET /ws/executions/{name}/logs?from={i * lines // 900}", key, UPGRADE))
    ready.set()
    stop.wait()


def answers_that_nobody_reads(stop, ready, port, key, name):
    connections = []
    for i in range(200):
        connections.append(connect(port, deaf=True))
        path = f"{name}/logs?limit=10000" if i % 2 else f"{name}/logs?format=csv"
        connections[-1].sendall(head(f"GET /api/v1/executions/{path}", key))
    ready.set()
    stop.wait()


def runners_that_flood(stop, ready, port, key, count):
    text = [base64.b64encode(os.urandom(6000)).decode() for _ in range(100)]
    frames = []
    for first in range(0, 2000, 100):
        records = ",".join('{"sequence_number":%d,"message":"%s"}' % (first + i, text[i]) for i in range(100))
        data = ("[" + records + "]").encode()
        frames.append(bytes([0x81, 0xFF]) + struct.pack(">Q", len(data)) + bytes(4) + data)

    def read(connection):
        with contextlib.suppress(OSError):
            while connection.recv(65536):
                pass

    def flood(number):
        with contextlib.suppress(OSError):
            call(port, "POST", "/api/v1/executions", key, {"execution_id": f"flood-{number}"})
            connection = connect(port)
            connection.sendall(head(f"GET /ws/runner/executions/flood-{number}/stream", key, UPGRADE))
            threading.Thread(target=read, args=(connection,), daemon=True).start()
            for frame in frames:
                if stop.is_set():
                    return
                connection.sendall(frame)

    for number in range(count):
        threading.Thread(target=flood, args=(number,), daemon=True).start()
    ready.set()
    stop.wait()


def posts_of_the_largest_size(stop, ready, port, key, name):
    body = json.dumps([{"message": base64.b64encode(os.urandom(7000)).decode()} for _ in range(850)]).encode()

    def hammer():
        while not stop.is_set():
            with contextlib.suppress(OSError):
                call(port, "POST", f"/api/v1/executions/{name}/logs", key, body)

    for _ in range(32):
        threading.Thread(target=hammer, daemon=True).start()
    ready.set()
    stop.wait()
