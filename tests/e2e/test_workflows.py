"""Workflows: made, listed, changed, deleted, run; whose they are; what their runs are given."""

import datetime
import json

import pytest
from support.api import Api, eventually
from support.jobs import fresh_id
from support.server import Server

PATH = "/api/v1/workflows"
GRAPH = {
    "nodes": [{"id": "fetch", "name": "Fetch", "type": "http"}, {"id": "sum"}],
    "edges": [["fetch", "sum"], ["sum", "fetch"]],
}


def make(api, **members):
    return api.expect(201, "POST", PATH, {"workflow_id": fresh_id(), **members})


def run(api, workflow, body=None, status=201, path=PATH, **options):
    return api.expect(status, "POST", f"{path}/{workflow}/run", {} if body is None else body, **options)


def fields_of(answer):
    assert (answer.status, answer.code) == (422, "invalid"), answer
    return {field["name"]: field["reason"] for field in answer.json()["error"]["fields"]}


# --- Workflows


def test_a_workflow_is_made_and_served_back(api):
    id = fresh_id()
    answer = api.post(PATH, {"workflow_id": id, "name": "Zoë's", "graph": GRAPH, "metadata": {"team": "a"}})
    assert answer.status == 201
    assert answer.headers["Location"] == f"{PATH}/{id}"
    made = answer.json()
    assert made == api.expect(200, "GET", f"{PATH}/{id}")
    assert (made["workflow_id"], made["name"], made["graph"], made["metadata"]) == (id, "Zoë's", GRAPH, {"team": "a"})
    assert (made["description"], made["job"], made["retention"], made["user_id"]) == (None,) * 4
    assert made["created_at"] == made["updated_at"]


def test_a_workflow_without_an_identifier_gets_one(api):
    made = api.expect(201, "POST", PATH, {})
    assert made["workflow_id"].startswith("wf_") and len(made["workflow_id"]) == 29


def test_an_identifier_is_taken_once(api):
    id = make(api)["workflow_id"]
    answer = api.post(PATH, {"workflow_id": id})
    assert (answer.status, answer.code) == (409, "conflict")
    assert "this workflow_id exists already" in answer.json()["error"]["message"]


def test_the_same_key_makes_one_workflow(api):
    headers, body = {"Idempotency-Key": fresh_id()}, {"name": "once"}
    first = api.post(PATH, body, headers=headers)
    again = api.post(PATH, body, headers=headers)
    assert (first.status, again.status, first.json()) == (201, 200, again.json())
    assert api.post(PATH, {"name": "twice"}, headers=headers).code == "idempotency_mismatch"
    assert api.post(PATH, body, headers={"Idempotency-Key": "k" * 256}).code == "malformed"


def test_a_workflow_that_is_not_there_is_404(api):
    for id in ("wf_nobody", "%20", "a%2Fb", "x" * 256):
        for method, path in (
            ("GET", f"{PATH}/{id}"),
            ("PATCH", f"{PATH}/{id}"),
            ("DELETE", f"{PATH}/{id}"),
            ("POST", f"{PATH}/{id}/run"),
            ("POST", f"/workflows/{id}/run"),
            ("GET", f"{PATH}/{id}/executions"),
        ):
            answer = api.request(method, path, {} if method in ("PATCH", "POST") else None)
            assert (answer.status, answer.code) == (404, "not_found"), (method, path, answer)
            assert answer.json()["error"]["message"] == "no such workflow"


def test_a_patch_changes_what_it_names_and_null_removes(api):
    id = make(api, name="a", description="b", graph=GRAPH, metadata={"x": 1, "y": 2}, retention="7d")["workflow_id"]
    changed = api.expect(200, "PATCH", f"{PATH}/{id}", {"name": "c", "metadata": {"x": None, "z": 3}})
    assert (changed["name"], changed["description"], changed["graph"]) == ("c", "b", GRAPH)
    assert (changed["metadata"], changed["retention"]) == ({"y": 2, "z": 3}, "7d")
    assert changed["updated_at"] >= changed["created_at"]
    gone = {"name": None, "description": None, "graph": None, "metadata": None, "retention": None, "job": None}
    empty = api.expect(200, "PATCH", f"{PATH}/{id}", gone)
    assert {name: empty[name] for name in gone} == gone
    assert api.expect(200, "GET", f"{PATH}/{id}") == empty


def test_metadata_that_become_too_large_by_a_patch_are_refused(api):
    id = make(api, metadata={"a": "x" * 40000})["workflow_id"]
    answer = api.patch(f"{PATH}/{id}", {"metadata": {"b": "x" * 40000}})
    assert fields_of(answer) == {"metadata": "is larger than 64 KiB"}


def test_a_deleted_workflow_leaves_its_executions(api):
    id = make(api, graph=GRAPH)["workflow_id"]
    execution = run(api, id)["execution_id"]
    assert api.expect(200, "DELETE", f"{PATH}/{id}") == {"workflow_id": id, "deleted": True}
    assert api.get(f"{PATH}/{id}").status == 404
    assert api.delete(f"{PATH}/{id}").status == 404
    assert api.expect(200, "GET", f"/api/v1/executions/{execution}")["workflow_id"] == id
    assert api.expect(200, "GET", f"/api/v1/executions/{execution}/graph") == GRAPH


def test_workflows_are_listed_newest_first_in_pages_without_what_may_be_large(own_server):
    api = own_server.api()
    ids = [make(api, graph=GRAPH, job={"command": ["true"]}, name=str(i))["workflow_id"] for i in range(5)]
    found, query = [], {"limit": 2}
    while True:
        page = api.expect(200, "GET", PATH, query=query)
        assert len(page["workflows"]) <= 2
        found += page["workflows"]
        if not page["next_cursor"]:
            break
        query["cursor"] = page["next_cursor"]
    assert [one["workflow_id"] for one in found] == ids[::-1]
    assert not any("graph" in one or "job" in one for one in found)


GRAPHS = {
    "twice": ({"nodes": [{"id": "a"}, {"id": "a"}]}, "nodes[1].id is there twice: a"),
    "nowhere": ({"nodes": [{"id": "a"}], "edges": [["a", "b"]]}, "edges[0] names a node that is not there: b"),
    "no-nodes": ({"edges": []}, "nodes must be a list of objects with an id each"),
    "unknown": ({"nodes": [], "color": 1}, "has a member that is not known: color"),
    "many-nodes": ({"nodes": [{"id": str(i)} for i in range(10001)]}, "nodes must be at most 10000"),
    "many-edges": ({"nodes": [{"id": "a"}], "edges": [["a", "a"]] * 10001}, "edges must be at most 10000"),
    "long": (
        {"nodes": [{"id": str(i), "name": "x" * 255} for i in range(9000)]},
        "must be at most 2097152 bytes long",
    ),
}


@pytest.mark.parametrize("graph,reason", GRAPHS.values(), ids=GRAPHS.keys())
def test_a_graph_that_is_none_is_refused_with_a_reason_wherever_it_is_sent(api, graph, reason):
    id = make(api)["workflow_id"]
    for method, path in (("POST", PATH), ("PATCH", f"{PATH}/{id}"), ("POST", f"{PATH}/{id}/run")):
        assert fields_of(api.request(method, path, {"graph": graph})) == {"graph": reason}


JOBS = {
    "nothing": ({}, "job.command"),
    "unknown": ({"command": ["true"], "colour": 1}, "job.colour"),
    "wrong": ({"command": "true"}, "job.command"),
    "named": ({"command": ["true"], "execution_id": "x"}, "job.execution_id"),
    "of-another": ({"command": ["true"], "workflow_id": "x"}, "job.workflow_id"),
    "labels": ({"command": ["true"], "labels": ["a b"]}, "job.labels"),
    "inputs": ({"command": ["true"], "inputs": [{"name": "../x"}]}, "job.inputs"),
    "retries": ({"command": ["true"], "retries": -1}, "job.retries"),
    "large": ({"command": ["x" * 1000] * 4096, "env": {str(i): "x" * 1000 for i in range(1000)}}, "job"),
}


@pytest.mark.parametrize("job,field", JOBS.values(), ids=JOBS.keys())
def test_a_template_that_no_worker_could_run_is_refused_by_name(api, job, field):
    id = make(api)["workflow_id"]
    for method, path in (("POST", PATH), ("PATCH", f"{PATH}/{id}")):
        assert list(fields_of(api.request(method, path, {"job": job}))) == [field]


def test_runs_are_kept_as_their_workflow_says(api):
    workflow = make(api, retention="2d")["workflow_id"]
    for body, days in (({"workflow_id": workflow}, 2), ({"workflow_id": workflow, "retention": "5d"}, 5)):
        id = api.create(**body)
        api.expect(200, "PATCH", f"/api/v1/executions/{id}", {"status": "cancelled"})
        status = api.status(id)
        sealed, expires = (datetime.datetime.fromisoformat(status[name]) for name in ("completed_at", "expires_at"))
        assert datetime.timedelta(0) <= expires - sealed - datetime.timedelta(days=days) < datetime.timedelta(hours=1)


@pytest.mark.parametrize("retention", ["", "30", "executions=5", "7d, bytes=1G", "for ever", "queued=7d"])
def test_a_workflows_retention_is_what_an_execution_may_have(api, retention):
    assert list(fields_of(api.post(PATH, {"retention": retention}))) == ["retention"]


def test_the_environment_of_a_template_is_never_shown(api):
    job = {"command": ["true"], "env": {"TOKEN": "hush-hush"}, "labels": ["nobody-has-this"]}
    id = make(api, job=job)["workflow_id"]
    texts = [
        api.get(f"{PATH}/{id}").body,
        api.patch(f"{PATH}/{id}", {"name": "x"}).body,
        api.get(PATH, query={"limit": 1000}).body,
        api.post(f"{PATH}/{id}/run", {}).body,
    ]
    assert not any(b"hush-hush" in text for text in texts)
    assert json.loads(texts[0])["job"] == {"command": ["true"], "labels": ["nobody-has-this"]}


# --- Runs


def test_a_run_without_a_template_waits_for_its_own_runner(api):
    id = make(api, graph=GRAPH)["workflow_id"]
    body = {"inputs": {"n": 7}, "config": {"mode": "fast"}, "metadata": {"who": "me"}}
    answer = api.post(f"{PATH}/{id}/run", body)
    made = answer.json()
    assert answer.status == 201
    assert answer.headers["Location"] == f"/api/v1/executions/{made['execution_id']}"
    assert (made["runId"], made["workflowId"], made["status"]) == (made["execution_id"], id, "queued")
    execution = f"/api/v1/executions/{made['execution_id']}"
    status = api.expect(200, "GET", execution)
    assert (status["workflow_id"], status["metadata"], status["attempt"]) == (id, {"who": "me"}, None)
    details = api.expect(200, "GET", f"{execution}/run")
    assert (details["inputs"], details["config"]) == (body["inputs"], body["config"])
    assert (details["runId"], details["workflowId"]) == (made["execution_id"], id)
    assert (details["attempt"], details["retry_of"], details["retried_as"]) == (1, None, None)
    assert api.expect(200, "GET", f"{execution}/graph") == GRAPH
    for status in ("running", "completed"):
        api.expect(200, "PATCH", execution, {"status": status})


def test_a_run_needs_no_body(api):
    id = make(api)["workflow_id"]
    for path in (PATH, "/workflows"):
        made = api.expect(201, "POST", f"{path}/{id}/run")
        assert (made["workflowId"], made["status"]) == (id, "queued")
        details = api.expect(200, "GET", f"/api/v1/executions/{made['runId']}/run")
        assert (details["inputs"], details["config"]) == (None, None)
        answer = api.get(f"/api/v1/executions/{made['runId']}/graph")
        assert (answer.status, answer.json()["error"]["message"]) == (404, "it has no graph")


def test_a_run_may_have_a_name_and_a_graph_of_its_own(api):
    id, name, own = make(api, graph=GRAPH)["workflow_id"], fresh_id(), {"nodes": [{"id": "x"}]}
    made = run(api, id, {"execution_id": name, "graph": own}, path="/workflows")
    assert made["runId"] == name
    assert api.expect(200, "GET", f"/api/v1/executions/{name}/graph") == own
    again = api.post(f"/workflows/{id}/run", {"execution_id": name})
    assert (again.status, again.code) == (409, "conflict")


def test_runs_keep_the_graph_that_they_were_made_with(api):
    id = make(api, graph=GRAPH)["workflow_id"]
    before = run(api, id)["runId"]
    api.expect(200, "PATCH", f"{PATH}/{id}", {"graph": {"nodes": []}})
    after = run(api, id)["runId"]
    plain = api.expect(201, "POST", "/api/v1/executions", {"workflow_id": id})["execution_id"]
    assert api.expect(200, "GET", f"/api/v1/executions/{before}/graph") == GRAPH
    assert api.expect(200, "GET", f"/api/v1/executions/{after}/graph") == {"nodes": []}
    assert api.expect(200, "GET", f"/api/v1/executions/{plain}/graph") == {"nodes": []}


@pytest.mark.parametrize("how", ["header", "member", "both"])
def test_a_run_is_made_once_for_each_key(api, how):
    id, key = make(api)["workflow_id"], fresh_id()
    headers = {"Idempotency-Key": key} if how != "member" else {}
    body = {"inputs": {"n": 1}, **({"idempotencyKey": key} if how != "header" else {})}
    first = api.post(f"{PATH}/{id}/run", body, headers=headers)
    again = api.post(f"/workflows/{id}/run", body, headers=headers)
    assert (first.status, again.status) == (201, 200)
    assert first.json()["runId"] == again.json()["runId"]
    other = api.post(f"{PATH}/{id}/run", {**body, "inputs": {"n": 2}}, headers=headers)
    assert (other.status, other.code) == (422, "idempotency_mismatch")
    elsewhere = run(api, make(api)["workflow_id"], body, headers=headers)
    assert elsewhere["runId"] != first.json()["runId"]


def test_a_key_is_the_same_as_header_and_as_member(api):
    id, key = make(api)["workflow_id"], fresh_id()
    first = run(api, id, {"idempotencyKey": key})
    assert run(api, id, status=200, headers={"Idempotency-Key": key})["runId"] == first["runId"]
    answer = api.post(f"{PATH}/{id}/run", {"idempotencyKey": key}, headers={"Idempotency-Key": "other"})
    assert fields_of(answer) == {"idempotencyKey": "differs from the header Idempotency-Key"}
    assert api.post(f"{PATH}/{id}/run", {}, headers={"Idempotency-Key": "k" * 256}).code == "malformed"


def test_inputs_and_config_are_at_most_a_mebibyte_each(api):
    id = make(api)["workflow_id"]
    for member in ("inputs", "config"):
        fits = {member: {"a": "x" * (1024 * 1024 - len('{"a":""}'))}}
        made = run(api, id, fits)
        assert api.expect(200, "GET", f"/api/v1/executions/{made['runId']}/run")[member] == fits[member]
        over = {member: {"a": "x" * (1024 * 1024 - len('{"a":""}') + 1)}}
        assert fields_of(api.post(f"{PATH}/{id}/run", over)) == {member: "is larger than 1 MiB"}


def test_metadata_that_become_too_large_with_the_templates_are_refused(api):
    job = {"command": ["true"], "metadata": {"a": "x" * 40000}}
    id = make(api, job=job)["workflow_id"]
    answer = api.post(f"{PATH}/{id}/run", {"metadata": {"b": "x" * 40000}})
    assert fields_of(answer) == {"metadata": "is larger than 64 KiB"}


def test_the_runs_of_a_workflow_are_listed_newest_first(api):
    id = make(api)["workflow_id"]
    made = [run(api, id, {"metadata": {"n": i}})["runId"] for i in range(3)]
    run(api, make(api)["workflow_id"])
    api.expect(200, "PATCH", f"/api/v1/executions/{made[1]}", {"status": "running"})
    page = api.expect(200, "GET", f"{PATH}/{id}/executions")
    assert [one["execution_id"] for one in page["executions"]] == made[::-1]
    assert page["next_cursor"] is None
    running = api.expect(200, "GET", f"{PATH}/{id}/executions", query={"status": "running"})
    assert [one["execution_id"] for one in running["executions"]] == [made[1]]
    labelled = api.expect(200, "GET", f"{PATH}/{id}/executions", query={"metadata.n": "2"})
    assert [one["execution_id"] for one in labelled["executions"]] == [made[2]]
    first = api.expect(200, "GET", f"{PATH}/{id}/executions", query={"limit": 2})
    rest = api.expect(200, "GET", f"{PATH}/{id}/executions", query={"limit": 2, "cursor": first["next_cursor"]})
    assert [one["execution_id"] for one in first["executions"] + rest["executions"]] == made[::-1]


# --- Whose it is


@pytest.fixture
def people(api):
    """A service and two users, each with the interface and the name of the user."""
    keys = {name: api.key(role) for name, role in (("service", "service"), ("ann", "user"), ("bob", "user"))}
    return {name: (Api(api.port, key["key"]), key["key_id"]) for name, key in keys.items()}


def test_a_user_has_workflows_of_its_own_alone(people):
    (ann, ann_id), (bob, _) = people["ann"], people["bob"]
    id = make(ann)["workflow_id"]
    assert ann.expect(200, "GET", f"{PATH}/{id}")["user_id"] == ann_id
    assert id in [one["workflow_id"] for one in ann.expect(200, "GET", PATH)["workflows"]]
    assert id not in [one["workflow_id"] for one in bob.expect(200, "GET", PATH)["workflows"]]
    for method, path in (
        ("GET", ""),
        ("PATCH", ""),
        ("DELETE", ""),
        ("POST", "/run"),
        ("GET", "/executions"),
    ):
        answer = bob.request(method, f"{PATH}/{id}{path}", {} if method in ("PATCH", "POST") else None)
        assert (answer.status, answer.json()["error"]["message"]) == (404, "no such workflow")
    answer = bob.post("/api/v1/executions", {"workflow_id": id})
    assert (answer.status, answer.json()["error"]["message"]) == (404, "no such workflow")
    batch = bob.post("/api/v1/batches", {"jobs": [{"command": ["true"], "workflow_id": id}]})
    assert (batch.status, batch.json()["error"]["message"]) == (404, "no such workflow")


def test_a_service_makes_workflows_for_users_and_its_runs_are_theirs(people):
    (service, _), (ann, ann_id), (bob, bob_id) = people["service"], people["ann"], people["bob"]
    id = make(service, user_id=ann_id)["workflow_id"]
    by_service = run(service, id)["runId"]
    plain = service.expect(201, "POST", "/api/v1/executions", {"workflow_id": id})["execution_id"]
    by_ann = run(ann, id)["runId"]
    for execution in (by_service, plain, by_ann):
        assert ann.get(f"/api/v1/executions/{execution}").status == 200
        assert bob.get(f"/api/v1/executions/{execution}").status == 404
    seen = [one["execution_id"] for one in ann.expect(200, "GET", f"{PATH}/{id}/executions")["executions"]]
    assert seen == [by_ann, plain, by_service]
    assert bob.get(f"/api/v1/executions/{by_ann}/run").status == 404
    assert bob.get(f"/api/v1/executions/{by_ann}/graph").status == 404
    refused = bob.post(PATH, {"user_id": ann_id})
    assert (refused.status, refused.code) == (403, "forbidden")
    assert "needs the role service" in refused.json()["error"]["message"]
    assert make(bob, user_id=bob_id)["user_id"] == bob_id


def test_a_workflow_that_is_nobodys_is_no_users(people):
    (service, _), (ann, _) = people["service"], people["ann"]
    id = make(service)["workflow_id"]
    assert ann.get(f"{PATH}/{id}").status == 404
    assert ann.post(f"{PATH}/{id}/run", {}).status == 404
    assert service.expect(200, "GET", f"{PATH}/{id}")["user_id"] is None


def test_keys_of_one_user_are_not_those_of_another(people):
    (service, _), (ann, ann_id) = people["service"], people["ann"]
    id, key = make(service, user_id=ann_id)["workflow_id"], fresh_id()
    first = run(ann, id, {"idempotencyKey": key})
    assert run(service, id, {"idempotencyKey": key})["runId"] != first["runId"]


# --- Jobs


@pytest.fixture(scope="module")
def jobs_api(tmp_path_factory):
    """A server that runs jobs."""
    server = Server(tmp_path_factory.mktemp("jobs"), flags=["--jobs", "2"]).start()
    yield server.api()
    server.close()


def ended(api, id, status):
    found = eventually(lambda: (now := api.status(id))["settled"] and now, f"{id} is settled")
    assert found["status"] == status, found
    return found


def test_a_worker_runs_the_template_with_the_inputs(jobs_api):
    api = jobs_api
    script = 'import os, sys; print(sys.stdin.read()); print(os.environ["RUNNEL_RUN_INPUTS"]); print(os.environ["OWN"])'
    job = {"command": ["python3", "-c", script], "env": {"OWN": "kept"}, "metadata": {"a": 1, "b": 1}}
    id = make(api, job=job)["workflow_id"]
    made = run(api, id, {"inputs": {"n": [1, "zwö"]}, "metadata": {"b": 2}})
    assert (made["status"], made["metadata"]) == ("queued", {"a": 1, "b": 2})
    status = ended(api, made["runId"], "completed")
    assert (status["attempt"], status["workflow_id"]) == (1, id)
    text = '{"n":[1,"zwö"]}'
    assert api.messages(made["runId"]) == [text, text, "kept"]


def test_a_template_that_says_what_stdin_is_keeps_it(jobs_api):
    api = jobs_api
    job = {"command": ["sh", "-c", 'cat; echo; echo "$RUNNEL_RUN_INPUTS"'], "stdin": "mine"}
    made = run(api, make(api, job=job)["workflow_id"])
    ended(api, made["runId"], "completed")
    assert api.messages(made["runId"]) == ["mine", "{}"]


def test_inputs_of_more_than_32_kib_come_on_stdin_alone(jobs_api):
    api = jobs_api
    job = {"command": ["sh", "-c", 'wc -c; echo "${RUNNEL_RUN_INPUTS-none}" | wc -c']}
    id = make(api, job=job)["workflow_id"]
    for size, variable in ((32 * 1024, 32 * 1024 + 1), (32 * 1024 + 1, len("none\n"))):
        made = run(api, id, {"inputs": {"a": "x" * (size - len('{"a":""}'))}})
        ended(api, made["runId"], "completed")
        assert [int(line) for line in api.messages(made["runId"])] == [size, variable]


def test_each_attempt_is_a_run_with_the_same_inputs(jobs_api):
    api = jobs_api
    id = make(api, job={"command": ["sh", "-c", "cat; exit 3"]}, graph=GRAPH)["workflow_id"]
    first = run(api, id, {"inputs": {"n": 1}, "config": {"c": 2}})["runId"]
    ended(api, first, "failed")
    second = api.expect(201, "POST", f"/api/v1/executions/{first}/retry")["execution_id"]
    ended(api, second, "failed")
    details = api.expect(200, "GET", f"/api/v1/executions/{second}/run")
    assert (details["attempt"], details["retry_of"], details["retried_as"]) == (2, first, None)
    assert (details["inputs"], details["config"], details["workflowId"]) == ({"n": 1}, {"c": 2}, id)
    assert api.expect(200, "GET", f"/api/v1/executions/{first}/run")["retried_as"] == second
    assert api.expect(200, "GET", f"/api/v1/executions/{second}/graph") == GRAPH
    assert api.messages(second) == ['{"n":1}']


def test_a_template_that_names_what_is_gone_is_refused_when_it_is_run(api):
    job = {"command": ["true"], "secrets": ["NO_SUCH_SECRET"]}
    id = make(api, job=job)["workflow_id"]
    assert list(fields_of(api.post(f"{PATH}/{id}/run", {}))) == ["job.secrets"]


# --- Durability


def test_workflows_and_what_runs_were_given_outlast_the_server(servers):
    server = servers()
    api = server.api()
    id = make(api, graph=GRAPH)["workflow_id"]
    made = run(api, id, {"inputs": {"n": 1}})
    before = api.expect(200, "GET", f"{PATH}/{id}")
    server.kill()
    server.start()
    api = server.api()
    assert api.expect(200, "GET", f"{PATH}/{id}") == before
    assert api.expect(200, "GET", f"/api/v1/executions/{made['runId']}/run")["inputs"] == {"n": 1}
    assert api.expect(200, "GET", f"/api/v1/executions/{made['runId']}/graph") == GRAPH
