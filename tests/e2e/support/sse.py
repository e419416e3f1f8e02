"""A reader of text/event-stream, by the letter of WHATWG HTML 9.2."""

import http.client
import json


class Event:
    def __init__(self, event_id, kind, data):
        self.id = event_id
        self.kind = kind
        self.data = data

    def json(self):
        return json.loads(self.data)

    def __repr__(self):
        return f"Event({self.id!r}, {self.kind!r}, {self.data[:200]!r})"


class Stream:
    """An open stream. Comments and bare ids are kept beside the events."""

    def __init__(self, api, execution_id, headers=None, path=None, token=None, **query):
        options = {} if token is None else {"token": None if token == "none" else token}
        self.answer = api.open(
            "GET", path or f"/api/v1/executions/{execution_id}/logs/stream", headers=headers, query=query, **options
        )
        self.status = self.answer.status
        self.headers = self.answer.headers
        self.comments = 0
        self.last_id = None
        self.cut = False  # ended without the end of the answer

    def next(self):
        """The next event; bare ids come as events of kind "position"; None at the end of the stream."""
        kind, data, event_id = None, [], None
        while True:
            try:
                line = self.answer.readline()
            except (ConnectionResetError, http.client.IncompleteRead):
                self.cut = True
                return None
            if not line:
                return None
            line = line.decode().rstrip("\r\n")
            if line.startswith(":"):
                self.comments += 1
            elif not line:
                if event_id is not None:
                    self.last_id = event_id
                if data:
                    return Event(event_id, kind or "message", "\n".join(data))
                if event_id is not None:
                    return Event(event_id, "position", "")
                kind, data, event_id = None, [], None
            else:
                name, _, value = line.partition(":")
                value = value[1:] if value.startswith(" ") else value
                if name == "event":
                    kind = value
                elif name == "data":
                    data.append(value)
                elif name == "id":
                    event_id = value

    def comment(self):
        """Waits for the next comment line."""
        while True:
            line = self.answer.readline()
            assert line, "the stream ended"
            if line.startswith(b":"):
                return

    def logs(self, count):
        records = []
        while len(records) < count:
            event = self.next()
            assert event, f"the stream ended after {len(records)} of {count}"
            if event.kind == "log":
                assert int(event.id) == event.json()["sequence_number"]
                records.append(event.json())
        return records

    def rest(self):
        """(log records, complete event's object) to the end."""
        records, complete = [], None
        while True:
            event = self.next()
            if event is None:
                return records, complete
            if event.kind == "log":
                records.append(event.json())
            elif event.kind == "complete":
                complete = event.json()

    def close(self):
        self.answer.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class EventSource:
    """What a browser's EventSource does by itself: it comes back with the last id that it saw, until a 204 or a
    refusal.
    Plain calls instead of events: `run` opens streams until `done` says so, or until it may not come back."""

    def __init__(self, api, execution_id, ticket, **query):
        self.api = api
        self.execution_id = execution_id
        self.query = {"access_token": ticket, **query}
        self.last_id = ""
        self.statuses = []
        self.records = []
        self.kinds = []

    def run(self, done=lambda source: False):
        while True:
            headers = {"Last-Event-ID": self.last_id} if self.last_id else {}
            with Stream(self.api, self.execution_id, headers=headers, token="none", **self.query) as stream:
                self.statuses.append(stream.status)
                if stream.status != 200:
                    return self
                while event := stream.next():
                    if event.id is not None:
                        self.last_id = event.id
                    self.kinds.append(event.kind)
                    if event.kind == "log":
                        self.records.append(event.json())
                    if done(self):
                        return self
