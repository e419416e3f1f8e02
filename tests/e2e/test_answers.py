"""Real answers of every operation against docs/openapi.yaml, strictly: no status, no media type and no member that it does
not have. A new route needs a request in `Scene`, so that there is an answer to look at."""

import hashlib
import re

import pytest
from support import postgres, schemas
from support.api import Api
from support.job_worker import JobWorker
from support.loki import Loki
from support.openapi import document
from support.routes import route_rows
from support.server import Server
from support.ws import Runner

ROWS = route_rows()
E, B, W = "/api/v1/executions", "/api/v1/batches", "/api/v1/workflows"
CONTENT = b"a file\n"
HASH = hashlib.sha256(CONTENT).hexdigest()
OTHER = b"another file\n"
MANY = b"".join(b"%s %d\n%s" % (hashlib.sha256(one).hexdigest().encode(), len(one), one) for one in (CONTENT, OTHER))
CONSOLE = ("/", "/ui/{page}", "/assets/{name}")
OCTETS = {"Content-Type": "application/octet-stream"}
FILE = {"sha256": HASH, "size": len(CONTENT), "mode": 0o644}
RECORDS = [
    {"message": "an artifact is written"},
    {"message": "no newline", "partial": True, "stream": "stderr", "level": "warning"},
    {
        "message": "fetch started",
        "event_type": "node_started",
        "node_id": "fetch",
        "node_name": "Fetch",
        "node_type": "http",
    },
    {
        "event_type": "node_progress",
        "node_id": "fetch",
        "progress_percentage": 12.345,
        "step_number": 1,
        "total_steps": 2,
    },
    {
        "message": "HTTP 503",
        "user_friendly_message": "It cannot be read now",
        "event_type": "node_failed",
        "node_id": "fetch",
        "stack_trace": "at main",
        "data": {"status": 503, "error": {"message": "HTTP 503", "code": "E503"}},
        "technical_details": [1],
        "performance_metrics": {"ms": 3},
        "duration_seconds": 0.25,
    },
    {"message": "  at main", "level": "error", "stream": "event", "continues": True},
    {
        "message": "half way",
        "event_type": "workflow_progress",
        "is_milestone": True,
        "display_priority": 9,
        "category": "business",
        "producer": "p",
    },
    {"event_type": "node_awaiting_input", "node_id": "ask", "message": "well?"},
]
# What else to ask; without a row, nothing.
QUERIES = {
    f"{E}": [{}, {"limit": 1}, {"status": "nonsense"}, {"cursor": "nonsense"}],
    f"{E}/{{id}}/logs": [
        {},
        {"limit": 2},
        {"tail": 1},
        {"grep": "artifact"},
        {"regex": "("},
        {"from": -1},
        *({"format": format} for format in ("ndjson", "text", "raw", "csv", "csv-fields", "chunk")),
    ],
    f"{E}/{{id}}/logs/search": [
        {"q": "artifact"},
        {"q": "artifact", "count": "false"},
        {"q": "(", "regex": "true"},
        {},
    ],
    "/api/v1/search": [{"q": "artifact"}, {"q": "artifact", "limit": 1}],
    f"{E}/{{id}}/logs/statistics": [{}, {"buckets": 1}, {"buckets": 0}],
    f"{W}/{{workflow}}/logs": [{}, {"limit": 1}],
    "/api/v1/app/executions/{id}/logs": [{}, {"limit": 1}, {"limit": 1001}, {"cursor": 1}],
    "/v2/workflows/executions/{id}/logs": [{}, {"limit": 1}, {"limit": 1001}],
    "/api/v1/app/executions/recent_logs": [
        {"workflow_id": "flow"},
        {"workflow_id": "flow", "include_all_executions": "true"},
        {"workflow_id": "nobody"},
        {},
    ],
    "/workflows/runs": [{}, {"limit": 1}],
    "/workflows/runs/{id}/trace": [{}, {"limit": 1}],
}


class Recorder(Api):
    """Keeps each answer beside the operation that it is of."""

    def __init__(self, port, token, kept):
        super().__init__(port, token)
        self.kept = kept

    def request(self, method, path, body=None, headers=None, token=None, query=None):
        options = {} if token is None else {"token": None if token == "none" else token}
        answer = super().request(method, path, body, headers, query=query, **options)
        self.kept.append((method, path, answer))
        return answer


def pattern(path):
    path = re.sub(r"(artifacts|inputs)/\{name\}", r"\1/.+", path)
    return re.compile(re.sub(r"\{\w+\}", "[^/]+", path))


# Those with the fewest names first: /workflows/runs before /workflows/{workflow}.
PATTERNS = [(path, pattern(path)) for path in sorted(document()["paths"], key=lambda path: path.count("{"))]


def operation_of(method, path):
    for known, wanted in PATTERNS:
        if wanted.fullmatch(path) and method.lower() in document()["paths"][known]:
            return method, known
    raise AssertionError(f"{method} {path} is no operation")


class Scene:
    """A server in which there is something of everything, and what it has answered."""

    def __init__(self, root):
        self.loki = Loki()
        flags = ["--failed-logins-max", "1000000", "--loops", "1", *self.loki.flags()]
        self.server = Server(root, flags=flags)
        self.server.start()
        self.kept = []
        self.api = Recorder(self.server.port, self.server.operator_key, self.kept)
        self.build()
        self.ask()
        self.answers = {}
        for method, path, answer in self.kept:
            self.answers.setdefault(operation_of(method, path), []).append(answer)

    def build(self):
        api = self.api
        self.files()
        made = {"execution_id": "open", "metadata": {"a": [1]}, "script_filename": "a.sh"}
        for _ in range(2):
            api.post(E, made, headers={"Idempotency-Key": "made"})
        api.append("open", RECORDS)
        api.append("open", RECORDS[0], headers={"Idempotency-Key": "again"})
        api.append("open", RECORDS[0], headers={"Idempotency-Key": "again"})
        self.jobs()
        self.workflows()
        self.accounts()

    def files(self):
        api = self.api
        api.expect(200, "POST", "/api/v1/blobs/missing", {"hashes": [HASH]})
        api.request("HEAD", f"/api/v1/blobs/{HASH}")
        part = {**OCTETS, "Content-Range": f"bytes 0-2/{len(CONTENT)}"}
        assert api.request("PUT", f"/api/v1/blobs/{HASH}", CONTENT[:3], part).status == 202
        part["Content-Range"] = f"bytes 5-{len(CONTENT) - 1}/{len(CONTENT)}"
        assert api.request("PUT", f"/api/v1/blobs/{HASH}", CONTENT[5:], part).status == 409
        part["Content-Range"] = f"bytes 3-{len(CONTENT) - 1}/{len(CONTENT)}"
        assert api.request("PUT", f"/api/v1/blobs/{HASH}", CONTENT[3:], part).status == 201
        assert api.request("PUT", f"/api/v1/blobs/{HASH}", CONTENT, OCTETS).status == 200
        assert api.request("PUT", f"/api/v1/blobs/{'0' * 64}", CONTENT, OCTETS).status == 422
        for status in (201, 200):
            assert api.post("/api/v1/blobs", MANY, headers=OCTETS).status == status
        assert api.request("HEAD", f"/api/v1/blobs/{HASH}").status == 200

    def jobs(self):
        """A job that ends with files and a result, one that fails and is tried again, one that waits for no worker."""
        api = self.api
        inputs = [{"name": "in/a.txt", **FILE}]
        order = {"queue": True, "command": ["true"], "inputs": inputs, "result": "json", "retention": "7d"}
        api.expect(201, "POST", E, {"execution_id": "done", **order})
        jobs = [{"execution_id": f"b-{i}"} for i in range(3)]
        batch = {"batch_id": "batch", "name": "n", "job": {"command": ["x"]}, "jobs": jobs, "keep_open": True}
        for _ in range(2):
            api.post(B, {**batch, "metadata": {"b": 1}}, headers={"Idempotency-Key": "batch"})
        api.expect(201, "POST", f"{B}/batch/executions", {"jobs": [{"execution_id": "b-3", "command": ["y"]}]})
        worker = JobWorker(self.server, worker_id="w-1", slots=1, labels=["gpu"], runtimes=["bash"])
        job = worker.take().begin()
        for status in (201, 200):
            api.expect(status, "PUT", f"{E}/done/artifacts/out/a.txt", FILE)
        job.end(lines=["working", "done"], details={"result": '{"answer": 42}', "peak_memory_bytes": 1})
        worker.take().end(exit_code=3)
        last = worker.take()
        api.expect(200, "POST", "/api/v1/workers/w-1/drain")
        worker.expect("drain")
        last.end()
        api.expect(200, "GET", "/api/v1/workers")
        self.worker = worker
        for retry in (f"{E}/b-0/retry", f"{B}/batch/retry"):
            api.post(retry)
        for end in ("close", "cancel"):
            api.post(f"{B}/batch/{end}")
        api.expect(200, "POST", "/api/v1/workers/w-1/resume")
        api.create(execution_id="cancelled")
        api.expect(200, "DELETE", f"{E}/cancelled")
        api.expect(200, "DELETE", f"{E}/cancelled/artifacts")
        api.create(execution_id="purged")
        api.expect(200, "DELETE", f"{E}/purged")
        api.expect(200, "DELETE", f"{E}/purged", query={"purge": "true"})
        with Runner(self.server, api.create(execution_id="held")):
            api.expect(202, "DELETE", f"{E}/held")

    def workflows(self):
        api = self.api
        graph = {
            "nodes": [{"id": "fetch", "name": "Fetch", "type": "http"}, {"id": "ask"}],
            "edges": [["fetch", "ask"]],
        }
        body = {"workflow_id": "flow", "name": "Flow", "graph": graph, "metadata": {"team": "a"}, "retention": "30d"}
        for _ in range(2):
            api.post(W, body, headers={"Idempotency-Key": "flow"})
        api.expect(200, "PATCH", f"{W}/flow", {"description": "d", "job": {"command": ["true"]}})
        api.expect(200, "PATCH", f"{W}/flow", {"job": None})
        for key, path in (("one", f"{W}/flow/run"), ("two", "/workflows/flow/run")):
            run = {"execution_id": f"run-{key}", "inputs": {"a": 1}, "config": {"b": 2}, "idempotencyKey": key}
            for status in (201, 200):
                api.expect(status, "POST", path, run)
            api.append(f"run-{key}", RECORDS)
        api.expect(200, "PATCH", f"{E}/run-one", {"status": "running"})
        waiting = {
            "form": {"title": "Deploy?"},
            "assignees": ["user"],
            "until": "1h",
            "on_timeout": "fail",
            "node_id": "ask",
        }
        api.expect(200, "PUT", f"{E}/run-one/waiting", waiting)
        api.expect(200, "GET", f"{E}/run-one/waiting")
        api.expect(200, "GET", "/workflows/runs/run-one/status")
        for _ in range(2):
            api.expect(200, "POST", f"{E}/run-one/answer", {"data": {"go": True}}, headers={"Idempotency-Key": "go"})
        api.expect(200, "PATCH", f"{E}/run-one", {"status": "failed", "exit_code": 3})
        api.post("/workflows/runs/run-two/cancel")
        api.expect(201, "POST", W, {"workflow_id": "gone"})
        api.expect(200, "DELETE", f"{W}/gone")
        labels = {"stream": {"run_id": "loki"}, "values": [["1700000000000000000", "a line"]]}
        assert api.post("/loki/api/v1/push", {"streams": [labels]}).status == 204
        attributes = [{"key": "runnel.execution_id", "value": {"stringValue": "otlp"}}]
        logs = [{"logRecords": [{"body": {"stringValue": "a line"}}]}]
        exported = {"resourceLogs": [{"resource": {"attributes": attributes}, "scopeLogs": logs}]}
        api.expect(200, "POST", "/v1/logs", exported)
        api.post("/v1/logs", {"resourceLogs": 7})
        firehose = "/api/v1/sources/cloudwatch/firehose"
        api.expect(200, "POST", firehose, {"requestId": "r", "timestamp": 1, "records": []})
        api.expect(400, "POST", firehose, {"requestId": "r", "timestamp": 1, "records": [{"data": "no"}]})

    def accounts(self):
        api = self.api
        key = api.expect(201, "POST", "/api/v1/keys", {"name": "k", "role": "viewer", "expires_at": "90d"})["key_id"]
        api.expect(200, "PATCH", f"/api/v1/keys/{key}", {"name": "other"})
        api.expect(200, "DELETE", f"/api/v1/keys/{key}")
        api.expect(201, "POST", "/api/v1/tickets")
        for status, value in ((201, "a value"), (200, "another")):
            api.expect(status, "POST", "/api/v1/secrets/NAME", {"value": value})
        api.expect(201, "POST", "/api/v1/secrets/GONE", {"value": "a value"})
        api.expect(200, "DELETE", "/api/v1/secrets/GONE")
        api.expect(200, "POST", "/api/v1/secrets/NAME/reseal")
        for name in ("acme", "gone"):
            api.expect(201, "POST", "/api/v1/accounts", {"name": name})
        api.expect(200, "DELETE", "/api/v1/accounts/gone")
        guest = api.expect(201, "POST", "/api/v1/keys", {"name": "k", "role": "admin", "account": "acme"})["key"]
        self.suspended = guest
        api.expect(200, "PATCH", "/api/v1/accounts/acme", {"suspended": True, "retention": "7d"})
        path = str(self.server.data / "backups" / "a.db")
        (self.server.data / "backups").mkdir(exist_ok=True)
        api.expect(501 if postgres.WANTED else 201, "POST", "/api/v1/backup", {"path": path})
        api.expect(202, "POST", f"{E}/run-one/loki/replay")
        api.expect(202, "POST", "/api/v1/loki/replay", query={"since": "1h"})

    def ask(self):
        """Every operation that only reads, and what each answers to who may not, or asks for what there is not."""
        for row in ROWS:
            if row["method"] == "GET" and not row["socket"]:
                for path in self.paths(row["path"]):
                    for query in QUERIES.get(row["path"], [{}]):
                        self.api.get(path, query=query)
        for path in ("artifacts/out/a.txt", "inputs/in/a.txt"):
            for header in ({"Range": "bytes=1-2"}, {"Range": "bytes=99-"}, {"If-None-Match": f'"{HASH}"'}):
                self.api.get(f"{E}/done/{path}", headers=header)
        for row in ROWS:
            path = self.path(row["path"], "there-is-none")
            body = {} if row["body"] else None
            self.api.request(row["method"], path, body)
            if row["roles"]:
                for token in ("none", self.suspended):
                    self.api.request(row["method"], path, body, token=token)
            if not row["any_query"]:
                self.api.request(row["method"], path, body, query={"colour": "red"})
            if row["socket"]:
                self.api.get(self.path(row["path"], "open"))
            if row["resource"] == "execution":
                self.api.request(row["method"], row["path"].format_map(Names(id="purged")), body)

    @staticmethod
    def path(path, name):
        return path.format_map(Names(id=name, workflow=name, name=name, worker_id=name, key_id=name))

    def paths(self, path):
        """That path with each of the things that there are."""
        if "{id}" in path:
            things = ["batch"] if path.startswith(B) else ["open", "done", "b-0", "run-one", "run-two", "otlp", "loki"]
            if path.endswith(("/stream", "/events")):
                things = [one for one in things if one in ("batch", "done", "run-one")]  # those that end
            name = {True: "out/a.txt", False: "in/a.txt"}["artifacts" in path]
            return [path.format_map(Names(id=id, name=name)) for id in things]
        if path.startswith("/assets/"):
            return re.findall(r"/assets/[\w.-]+", self.api.get("/").body.decode())
        return [path.format_map(Names(workflow="flow", name="NAME" if "secrets" in path else "acme"))]


class Names(dict):
    def __missing__(self, name):
        return "0" * 64 if name == "sha256" else "some-name"


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    made = Scene(tmp_path_factory.mktemp("answers") / "house")
    yield made
    made.worker.close()
    made.server.close()
    made.loki.close()


def name_of(row):
    return f"{row['method']} {row['path']}"


@pytest.mark.parametrize("row", ROWS, ids=name_of)
def test_what_an_operation_answers_is_what_the_document_says(scene, row):
    answers = scene.answers[row["method"], row["path"]]
    found = {fault for one in answers for fault in schemas.answer_faults(row["path"], row["method"], one)}
    assert not found, "\n".join(sorted(found))
    statuses = {one.status for one in answers}
    if row["path"] in CONSOLE and not any(scene.paths("/assets/{name}")):
        pytest.skip("this build has no console")
    if row["socket"]:
        assert 426 in statuses  # what it says on the socket is in asyncapi.yaml
    elif postgres.WANTED and row["path"] == "/api/v1/backup":
        assert 501 in statuses
    else:
        assert any(status < 300 for status in statuses), f"nothing of {statuses} shows what it answers: ask in Scene"
    if row["roles"]:
        assert {401, 403} <= statuses


def test_a_member_that_the_document_does_not_know_is_a_fault():
    execution = {"error": {"code": "x", "message": "y", "request_id": "z"}}
    error = schemas.validator({"$ref": "#/components/schemas/Error"})
    assert schemas.faults(error, execution) == []
    for wrong in ({**execution, "more": 1}, {"error": {**execution["error"], "more": 1}}, {"error": {"code": "x"}}, {}):
        assert schemas.faults(error, wrong), wrong
    run = schemas.validator({"$ref": "#/components/schemas/Run"})
    assert any("more" in fault for fault in schemas.faults(run, {"more": 1}))
