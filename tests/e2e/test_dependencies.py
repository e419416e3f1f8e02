"""What a job depends on and what depends on it, as it is told also when nothing waits any more."""

import pytest
from support.api import eventually
from support.job_worker import JobWorker
from support.jobs import fresh_id

PATH = "/api/v1/executions"


@pytest.fixture
def label():
    return fresh_id()


@pytest.fixture
def make(api, label):
    """A job that waits for these: its identifier."""

    def submit(*after, api=api, **fields):
        wanted = [one if isinstance(one, dict) else {"id": one} for one in after]
        order = {"command": ["true"], "labels": [label], "queue": True, "after": wanted, **fields}
        return api.expect(201, "POST", PATH, order)["execution_id"]

    return submit


def links(api, id):
    """(dependencies, dependents): each (id, on, status, waits)"""
    told = api.expect(200, "GET", f"{PATH}/{id}/dependencies")
    assert told["execution_id"] == id and told["more_dependents"] is False
    brief = lambda one: (one["id"], one["on"], one["status"], one["waits"])  # noqa: E731
    return [[brief(one) for one in told[name]] for name in ("dependencies", "dependents")]


def settled(api, id):
    eventually(lambda: api.status(id)["settled"], f"{id} is over")


def test_dependencies_are_told_while_they_are_waited_for_and_after_that(server, api, label, make):
    first = make()
    second = make({"id": first, "on": "any"})
    third = make(second, {"id": first, "on": "failed"})
    assert links(api, first) == [[], [(second, "any", "queued", True), (third, "failed", "queued", True)]]
    assert links(api, second) == [[(first, "any", "queued", True)], [(third, "ok", "queued", True)]]
    with JobWorker(server, labels=[label], slots=1) as worker:
        worker.take().end(0)
        worker.take().end(0)
        settled(api, second)
    settled(api, third)
    assert links(api, first) == [[], [(second, "any", "completed", False), (third, "failed", "skipped", False)]]
    assert links(api, third) == [[(first, "failed", "completed", False), (second, "ok", "completed", False)], []]
    later = make(first)  # what is over already is a dependency all the same
    assert links(api, later)[0] == [(first, "ok", "completed", False)]


def test_attempts_have_the_dependencies_of_their_job(server, api, label, make):
    first = make()
    second = make({"id": first, "on": "any"})
    with JobWorker(server, labels=[label], slots=1) as worker:
        worker.take().end(1)
        settled(api, first)
        worker.take().end(1)
        settled(api, second)
    again = api.expect(201, "POST", f"{PATH}/{second}/retry")["execution_id"]
    assert links(api, again) == links(api, second) == [[(first, "any", "failed", False)], []]
    newer = api.expect(201, "POST", f"{PATH}/{first}/retry")["execution_id"]
    assert links(api, again)[0] == [(newer, "any", "queued", False)]
    assert links(api, newer)[1] == [(again, "any", "queued", False)]


def test_batches_are_named_and_what_is_purged_is_said_to_be(server, api, label, make):
    jobs = {"jobs": [{"command": ["true"], "labels": [label]}]}
    batch = api.expect(201, "POST", "/api/v1/batches", jobs)["batch_id"]
    job = make()
    child = make(batch, job)
    told = api.expect(200, "GET", f"{PATH}/{child}/dependencies")["dependencies"]
    assert {(one["id"], one["kind"], one["status"]) for one in told} == {
        (batch, "batch", "queued"),
        (job, "execution", "queued"),
    }
    with JobWorker(server, labels=[label], slots=1) as worker:
        for _ in range(3):
            worker.take().end(0)
    settled(api, child)
    api.expect(200, "DELETE", f"{PATH}/{job}", query={"purge": "true"})
    [execution] = [one for one in api.get(f"{PATH}/{child}/dependencies").json()["dependencies"] if one["id"] == job]
    assert execution["purged"] is True
    for one in api.expect(200, "GET", f"/api/v1/batches/{batch}/executions")["executions"]:
        api.expect(200, "DELETE", f"{PATH}/{one['execution_id']}", query={"purge": "true"})
    eventually(lambda: [one[0] for one in links(api, child)[0]] == [job], "the batch has gone with its last execution")


def test_a_user_is_told_of_its_own_alone(api, label, make):
    mine, theirs = api.as_role("user", name="a"), api.as_role("user", name="b")
    parent = make(api=mine)
    child, other = make(parent, api=mine), make(parent, api=api)
    assert {one[0] for one in links(mine, parent)[1]} == {child}
    assert {one[0] for one in links(api, parent)[1]} == {child, other}
    assert theirs.get(f"{PATH}/{parent}/dependencies").status == 404
    assert api.get(f"{PATH}/nobody/dependencies").status == 404
    for id in (parent, child, other):
        api.delete(f"{PATH}/{id}")
