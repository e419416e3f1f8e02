"""Writes structured records into the log of a job. Standard library only; Python 3.8 and later.

    import logging, runnel

    logging.getLogger().addHandler(runnel.Handler())
    runnel.emit("3 of 10 files done", level="info", progress_percentage=30)
    with runnel.node("fetch", name="Fetch", type="http"):
        ...  # node_started before, node_completed after it; node_failed with the traceback if it raises

Where the records go: by RUNNEL_SOCKET within a job (`runnel wrap`, `runnel run`), which needs no credential; else by
HTTP to RUNNEL_URL, with RUNNEL_TOKEN, into RUNNEL_EXECUTION_ID. With neither, records are dropped, and `sent` says so.

Records are gathered and sent by a thread in the background, together. What waits is bounded (QUEUE_MAX records; then
the oldest are dropped, and a record says how many), so a program is never held up by its log. `close`, and the end of
the program, wait at most CLOSE_SECONDS for what is left.
"""

import atexit
import collections
import contextlib
import datetime
import http.client
import json
import logging
import os
import socket
import threading
import traceback
import urllib.parse
import uuid

QUEUE_MAX = 10_000  # records
BATCH_BYTES = 256 * 1024  # of records that are sent together; a group is never divided if it fits
TEXT_MAX = 128 * 1024  # characters of one message
FIELD_MAX = 16 * 1024  # characters of a stack trace
ADDRESS_MAX = 107  # bytes of a path that the kernel takes as the address of a socket
TIMEOUT_SECONDS = 10  # for one exchange
RETRY_SECONDS = (0.1, 0.5, 1, 2, 5)
CLOSE_SECONDS = 10

_LEVELS = (
    (logging.CRITICAL, "CRITICAL"),
    (logging.ERROR, "ERROR"),
    (logging.WARNING, "WARNING"),
    (logging.INFO, "INFO"),
)


class Refused(Exception):
    """The records were understood and not taken: sending them again does not help."""


def _now():
    now = datetime.datetime.now(datetime.timezone.utc)
    return now.strftime("%Y-%m-%dT%H:%M:%S.") + f"{now.microsecond // 1000:03d}Z"


def _connect(connection, path):
    """To a socket whose path may be longer than an address: then it goes through the descriptor of its folder."""
    if len(os.fsencode(path)) <= ADDRESS_MAX:
        connection.connect(path)
        return
    folder, name = os.path.split(path)
    descriptor = os.open(folder or ".", getattr(os, "O_PATH", os.O_RDONLY) | os.O_DIRECTORY)
    try:
        connection.connect(f"/proc/self/fd/{descriptor}/{name}")
    finally:
        os.close(descriptor)


class _Socket:
    """The socket of a job's runner: a line with records, a line with the answer."""

    def __init__(self, path):
        self.path = path
        self.stream = None

    def send(self, body, _key):
        if self.stream is None:
            connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            connection.settimeout(TIMEOUT_SECONDS)
            _connect(connection, self.path)
            self.stream = connection.makefile("rwb")
            connection.close()  # the stream keeps it
        self.stream.write(body + b"\n")
        self.stream.flush()
        answer = self.stream.readline()
        if not answer:
            raise OSError("the runner has ended")
        if "error" in json.loads(answer):
            raise Refused(answer.decode(errors="replace").strip())

    def close(self):
        stream, self.stream = self.stream, None
        if stream is not None:
            with contextlib.suppress(OSError):
                stream.close()

    # What was sent and not answered may be in the log: sending it again would double it.
    repeats = False


class _Http:
    """The server. Each batch has a key of its own, so sending it again does not double it."""

    repeats = True

    def __init__(self, url, token, execution_id):
        parts = urllib.parse.urlsplit(url)
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        self.open = lambda: kind(parts.netloc, timeout=TIMEOUT_SECONDS)
        self.path = f"{parts.path.rstrip('/')}/api/v1/executions/{urllib.parse.quote(execution_id)}/logs"
        self.headers = {"Content-Type": "application/json"}
        if token:
            self.headers["Authorization"] = f"Bearer {token}"
        self.connection = None

    def send(self, body, key):
        if self.connection is None:
            self.connection = self.open()
        try:
            self.connection.request("POST", self.path, body=body, headers={**self.headers, "Idempotency-Key": key})
            answer = self.connection.getresponse()
            text = answer.read()
        except http.client.HTTPException as error:
            raise OSError(str(error)) from error
        if answer.status in (429, 503) or answer.status >= 500:
            raise OSError(f"{answer.status} {text[:200]!r}")
        if answer.status >= 300:
            raise Refused(f"{answer.status} {text[:500].decode(errors='replace')}")

    def close(self):
        connection, self.connection = self.connection, None
        if connection is not None:
            connection.close()


def _way(url, token, execution_id):
    path = os.environ.get("RUNNEL_SOCKET")
    if url is None and execution_id is None and path:
        return _Socket(path)
    execution_id = execution_id or os.environ.get("RUNNEL_EXECUTION_ID")
    if not execution_id:
        return None
    url = url or os.environ.get("RUNNEL_URL") or "http://127.0.0.1:7117"
    return _Http(url, token or os.environ.get("RUNNEL_TOKEN"), execution_id)


class Client:
    """Sends records. Safe to use from several threads."""

    def __init__(self, url=None, token=None, execution_id=None):
        self._way = _way(url, token, execution_id)
        self._lock = threading.Condition()
        self._groups = collections.deque()  # each is a list of records that stay together, already as JSON
        self._waiting = 0  # records in them
        self._sending = self._closed = False
        self._thread = None
        self.sent = 0  # records that are in the log
        self.dropped = 0  # records that never will be
        self.last_error = None  # why

    # --- Records

    def emit(self, message=None, **fields):
        """One record. `fields` are those of the execution contract, such as level, node_id, data, event_type."""
        self.emit_group([{"message": message, **fields}])

    def emit_group(self, records):
        """Records that filters take as one: all but the first continue the one before."""
        group = []
        for i, record in enumerate(records):
            record = {name: value for name, value in record.items() if value is not None}
            record.setdefault("timestamp", _now())
            if "message" in record:
                record["message"] = str(record["message"])[:TEXT_MAX]
            if i > 0:
                record["continues"] = True
            group.append(json.dumps(record, ensure_ascii=True, default=str).encode())
        self._put(group)

    def emit_progress(self, message=None, percent=None, level="info", **fields):
        """How far it is, 0 to 100, as an event of the type node_progress."""
        fields.setdefault("event_type", "node_progress")
        self.emit(message, level=level, progress_percentage=percent, **fields)

    @contextlib.contextmanager
    def node(self, node_id, name=None, type=None, **fields):
        """A step of the run: node_started before it, node_completed after it, node_failed if it raises."""
        about = {"node_id": node_id, "node_name": name, "node_type": type, **fields}
        title = name or node_id
        began = datetime.datetime.now()
        self.emit(f"{title} started", event_type="node_started", **about)
        try:
            yield self
        except BaseException as error:
            took = (datetime.datetime.now() - began).total_seconds()
            self.emit_error(f"{title} failed: {error}", error, event_type="node_failed", duration_seconds=took, **about)
            raise
        took = (datetime.datetime.now() - began).total_seconds()
        self.emit(f"{title} completed", event_type="node_completed", duration_seconds=took, **about)

    def emit_error(self, message, error, **fields):
        """An exception: the message, and its traceback line by line, which filters take as one."""
        lines = "".join(traceback.format_exception(type(error), error, error.__traceback__)).rstrip("\n").split("\n")
        self._error(message, lines, **fields)

    def _error(self, message, lines, **fields):
        fields.setdefault("level", "error")
        fields.setdefault("stream", "event")
        trace = "\n".join(lines)
        first = {"message": message, "stack_trace": trace[-FIELD_MAX:], **fields}
        rest = {name: fields[name] for name in ("level", "stream", "node_id") if name in fields}
        self.emit_group([first] + [{"message": line, **rest} for line in lines])

    # --- Sending

    def _put(self, group):
        with self._lock:
            if self._way is None or self._closed:
                self.dropped += len(group)
                self.last_error = self.last_error or "there is neither RUNNEL_SOCKET nor RUNNEL_EXECUTION_ID"
                return
            self._groups.append(group)
            self._waiting += len(group)
            while self._waiting > QUEUE_MAX and len(self._groups) > 1:
                oldest = self._groups.popleft()
                self._waiting -= len(oldest)
                self.dropped += len(oldest)
                self.last_error = "the queue was full"
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="runnel", daemon=True)
                self._thread.start()
            self._lock.notify_all()

    def _take(self):
        records, size = [], 0
        while self._groups and (not records or size + sum(map(len, self._groups[0])) <= BATCH_BYTES):
            group = self._groups.popleft()
            records += group
            size += sum(map(len, group))
        self._waiting -= len(records)
        return records

    def _run(self):
        while True:
            with self._lock:
                while not self._groups and not self._closed:
                    self._lock.wait()
                if not self._groups:
                    self._way.close()
                    return
                records = self._take()
                self._sending = True
            error = self._send(records)
            with self._lock:
                self._sending = False
                if error is None:
                    self.sent += len(records)
                else:
                    self.dropped += len(records)
                    self.last_error = error
                self._lock.notify_all()

    def _send(self, records):
        """None, or why they are lost."""
        body, key = b"[" + b",".join(records) + b"]", str(uuid.uuid4())
        for pause in RETRY_SECONDS + (None,):
            try:
                self._way.send(body, key)
                return None
            except Refused as error:
                return str(error)
            except (OSError, ValueError) as error:
                self._way.close()
                if pause is None or not self._way.repeats:
                    return str(error)
            with self._lock:
                self._lock.wait_for(lambda: self._closed, pause)
        return None

    def flush(self, timeout=CLOSE_SECONDS):
        """Waits until all is sent. False if that took too long."""
        with self._lock:
            return self._lock.wait_for(lambda: not self._groups and not self._sending, timeout)

    def close(self, timeout=CLOSE_SECONDS):
        done = self.flush(timeout)
        with self._lock:
            self._closed = True
            self._lock.notify_all()
        return done


class Handler(logging.Handler):
    """For the module logging: levels, logger as `producer`, and exceptions as one group with their stack trace."""

    def __init__(self, client=None, level=logging.NOTSET, stream="stderr"):
        super().__init__(level)
        self.client = client or default()
        self.stream = stream

    def emit(self, record):
        try:
            message = record.getMessage()
            fields = {
                "level": next((name for least, name in _LEVELS if record.levelno >= least), "DEBUG"),
                "producer": record.name[:255],
                "stream": self.stream,
                **getattr(record, "runnel", {}),  # logger.info("…", extra={"runnel": {"node_id": "fetch"}})
            }
            if record.exc_info and record.exc_info[1] is not None:
                lines = "".join(traceback.format_exception(*record.exc_info)).rstrip("\n").split("\n")
                self.client._error(message, lines, **fields)
            else:
                lines = message.split("\n")
                self.client.emit_group([{"message": line, **fields} for line in lines])
        except Exception:
            self.handleError(record)

    def flush(self):
        self.client.flush()


_default = None
_default_lock = threading.Lock()


def default():
    """The client that the functions of this module use. It is closed at the end of the program."""
    global _default
    with _default_lock:
        if _default is None:
            _default = Client()
            atexit.register(_default.close)
        return _default


def emit(message=None, **fields):
    default().emit(message, **fields)


def emit_progress(message=None, percent=None, level="info", **fields):
    default().emit_progress(message, percent, level, **fields)


def node(node_id, name=None, type=None, **fields):
    return default().node(node_id, name, type, **fields)


def flush(timeout=CLOSE_SECONDS):
    return default().flush(timeout)
