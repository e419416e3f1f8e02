"""Batches: jobs that are submitted, counted, limited, stopped, cancelled and tried again together."""

import itertools
import re
import signal
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from support.api import Api, eventually
from support.job_worker import BusyWorker, JobWorker
from support.jobs import fresh_id

PATH = "/api/v1/batches"
_labels = itertools.count()


@pytest.fixture
def label():
    """One that no other test's jobs ask for, so that tests do not take each other's jobs."""
    return f"batch-label-{next(_labels)}"


@pytest.fixture
def make(api, label):
    """Makes a batch of so many jobs, whose workers have the test's label; its identifier."""

    def submit(count, api=api, job=None, jobs=None, **fields):
        common = {"command": ["true"], "labels": [label], **(job or {})}
        jobs = jobs if jobs is not None else [{"args": [str(i)]} for i in range(count)]
        return api.expect(201, "POST", PATH, {"job": common, "jobs": jobs, **fields})["batch_id"]

    return submit


def status_of(api, id):
    return api.expect(200, "GET", f"{PATH}/{id}/status")


def over(api, id, status="completed"):
    def look():
        now = status_of(api, id)
        return now if now["status"] == status else None

    return eventually(look, f"{id} {status}")


def over_at(api, status):
    """The only batch that there is."""
    return eventually(
        lambda: (found := api.expect(200, "GET", PATH)["batches"]) and found[0]["status"] == status and found[0], status
    )


def members(api, id, **query):
    return api.expect(200, "GET", f"{PATH}/{id}/executions", query={"limit": 1000, **query})["executions"]


def counted(status):
    return [status[f"{name}_count"] for name in ("total", "completed", "failed", "running", "queued", "skipped")]


# --- Status


def test_the_status_of_a_batch_has_the_contracts_members(server, api, label, make):
    id = make(3, name="three", metadata={"a": 1})
    status = status_of(api, id)
    assert status["status"] == "queued" and counted(status) == [3, 0, 0, 0, 3, 0]
    assert status["batch_id"] == id and status["name"] == "three" and status["metadata"] == {"a": 1}
    assert status["counts"] == {
        **dict.fromkeys(
            ("running", "waiting", "paused", "completed", "failed", "cancelled", "timed_out", "skipped", "lost"), 0
        ),
        "queued": 3,
    }
    assert status["created_at"] and status["started_at"] is None and status["completed_at"] is None
    assert status["duration_seconds"] is None and status["eta_seconds"] is None
    assert status["cost_micros"] == 0 and status["cost_display"] == "€0.00" and status["failures"] == []
    with JobWorker(server, labels=[label], slots=1) as worker:
        worker.take().end(0)
        job = worker.take()
        status = eventually(lambda: (now := status_of(api, id)) and now["running_count"] == 1 and now, "one is running")
        assert status["status"] == "running" and counted(status) == [3, 1, 0, 1, 1, 0]
        assert status["started_at"] and status["eta_seconds"] is not None
        job.end(3)
        worker.take().end(0)
    status = over(api, id)
    assert counted(status) == [3, 2, 1, 0, 0, 0]
    assert status["completed_at"] and status["duration_seconds"] is not None and status["eta_seconds"] == 0
    assert [(one["execution_id"], one["exit_code"], one["status"]) for one in status["failures"]] == [
        (job.id, 3, "failed")
    ]
    assert api.expect(200, "GET", f"{PATH}/{id}")["batch_id"] == id


def test_a_batch_without_jobs_is_over_at_once(api, make):
    status = status_of(api, make(0))
    assert status["status"] == "completed" and counted(status) == [0] * 6 and status["eta_seconds"] == 0


def test_the_executions_of_a_batch_are_listed(server, api, label, make):
    id = make(5)
    found = members(api, id)
    assert len(found) == 5 and {one["batch_id"] for one in found} == {id}
    page = api.expect(200, "GET", f"{PATH}/{id}/executions", query={"limit": 2})
    rest = api.expect(200, "GET", f"{PATH}/{id}/executions", query={"cursor": page["next_cursor"]})
    assert [one["execution_id"] for one in page["executions"] + rest["executions"]] == [
        one["execution_id"] for one in found
    ]
    with JobWorker(server, labels=[label], slots=1) as worker:
        first = worker.take().end(1)
        assert [one["execution_id"] for one in members(api, id, status="failed")] == [first.id]
    assert api.get(f"{PATH}/none/executions").status == 404


def test_cancelled_timed_out_and_lost_jobs_count_as_failed(server, api, label, make):
    id = make(3)
    with JobWorker(server, labels=[label]) as worker:
        for word in ("timed_out", "cancelled", "lost"):
            job = worker.take().begin()
            job.stream.say("complete", execution_id=job.id, exit_code=None, status=word)
            worker.listen(lambda: job.stream.closed)
    status = over(api, id)
    assert counted(status) == [3, 0, 3, 0, 0, 0]
    assert [status["counts"][word] for word in ("timed_out", "cancelled", "lost")] == [1, 1, 1]


def test_a_batch_is_not_over_while_one_that_is_lost_may_come_back(servers):
    """Nor are those told so who follow it."""
    server = servers("--lease-seconds", "1")
    api = server.api()
    jobs = [{"args": [str(i)]} for i in range(2)]
    id = api.expect(201, "POST", PATH, {"job": {"command": ["true"], "retry_on": ["failed"]}, "jobs": jobs})["batch_id"]
    with JobWorker(server) as worker:
        worker.take().end(0)
        job = worker.take().begin()
        worker.cut()
    eventually(lambda: status_of(api, id)["counts"]["lost"] == 1, "one is lost")
    eventually(lambda: api.status(job.id)["settled"], "and not tried again")
    status = status_of(api, id)
    assert (status["status"], status["completed_at"]) == ("running", None)
    assert counted(status) == [2, 1, 1, 0, 0, 0]
    with JobWorker(server, held=[{"execution_id": job.id, "epoch": job.epoch}]) as worker:
        back = worker.opened(job.id, epoch=job.epoch)
        back.say("complete", execution_id=job.id, exit_code=0)
        worker.listen(lambda: back.closed)
    assert counted(over(api, id)) == [2, 2, 0, 0, 0, 0]


def test_the_latest_failures_are_told_newest_first(server, api, label, make):
    id = make(8)
    with JobWorker(server, labels=[label], slots=1) as worker:
        jobs = [worker.take().end(1) for _ in range(8)]
    failures = over(api, id)["failures"]
    assert [one["execution_id"] for one in failures] == [job.id for job in reversed(jobs)][: len(failures)]
    assert len(failures) == 5


def test_jobs_go_out_in_the_order_of_the_batch(server, api, label, make):
    make(40)
    with JobWorker(server, labels=[label], slots=1) as worker:
        assert [worker.take().end().spec["args"] for _ in range(40)] == [[str(i)] for i in range(40)]


# --- Limits of a batch


def test_no_more_than_parallel_run_at_once(server, api, label, make):
    id = make(6, parallel=2)
    with JobWorker(server, labels=[label], slots=8) as worker:
        first, second = worker.take(), worker.take()
        held = [one for one in members(api, id, status="queued")]
        assert len(held) == 4
        waits = [api.status(one["execution_id"])["waiting"] for one in held]
        assert {one["reason"] for one in waits} == {"batch_parallel"} and "2 at once" in waits[0]["detail"]
        assert worker.quiet() == []
        first.end()
        third = worker.take()
        assert worker.quiet() == []
        second.end()
        third.end()
        for _ in range(3):
            worker.take().end()
    assert counted(over(api, id)) == [6, 6, 0, 0, 0, 0]


@pytest.mark.parametrize("max_fails, total, fails", [("1", 10, 2), ("0", 5, 1), ("20%", 10, 3)])
def test_more_failures_than_allowed_stop_the_batch(server, api, label, make, max_fails, total, fails):
    id = make(total, max_fails=max_fails)
    with JobWorker(server, labels=[label], slots=1) as worker:
        for _ in range(fails):
            assert status_of(api, id)["stopped"] is False
            worker.take().end(1)
        status = over(api, id)
        assert worker.quiet() == []
    assert counted(status) == [total, 0, fails, 0, 0, total - fails] and status["stopped"] is True
    skipped = members(api, id, status="skipped")
    assert len(skipped) == total - fails and "too many" in skipped[0]["reason"]


def test_failures_that_are_tried_again_do_not_stop_a_batch(server, api, label, make):
    id = make(3, max_fails="0", job={"retries": 1})
    with JobWorker(server, labels=[label], slots=1) as worker:
        for code in (1, 0, 1, 0, 0):
            worker.take().end(code)
    assert counted(over(api, id)) == [3, 3, 0, 0, 0, 0]


def test_a_lost_job_stops_a_batch_only_when_it_is_known_not_to_come_back(servers):
    server = servers("--lease-seconds", "1")
    api = server.api()
    jobs = [{"args": [str(i)]} for i in range(4)]
    body = {"job": {"command": ["true"], "retry_on": ["failed"]}, "jobs": jobs, "max_fails": "0"}
    id = api.expect(201, "POST", PATH, body)["batch_id"]
    held = []
    for _ in range(2):
        with JobWorker(server, slots=1, held=held) as worker:
            job = worker.take().begin()
            worker.cut()
        held.append({"execution_id": job.id, "epoch": job.epoch})
        eventually(lambda: status_of(api, id)["counts"]["lost"] == len(held), "it is lost")
        eventually(lambda: api.status(job.id)["settled"], "and not tried again")
    assert (status_of(api, id)["stopped"], status_of(api, id)["failed_count"]) == (False, 2)
    with JobWorker(server, slots=1, held=held) as worker:
        back = worker.opened(held[0]["execution_id"], epoch=held[0]["epoch"])
        back.say("complete", execution_id=held[0]["execution_id"], exit_code=0)
        worker.listen(lambda: back.closed)
        last = worker.take()
        api.expect(200, "DELETE", f"/api/v1/executions/{held[1]['execution_id']}")
        eventually(lambda: status_of(api, id)["stopped"], "it stops")
        last.end()
        status = over(api, id)
    assert counted(status) == [4, 2, 1, 0, 0, 1] and status["stopped"] is True


def test_a_single_run_behind_a_batch_is_next(server, api, label, make):
    make(2000)
    with JobWorker(server, labels=[label], slots=1) as worker:
        jobs = [worker.take()]
        body = {"command": ["true"], "queue": True, "labels": [label]}
        single = api.expect(201, "POST", "/api/v1/executions", body)["execution_id"]
        for _ in range(3):
            jobs.pop().end()
            jobs.append(worker.take())
            if jobs[-1].id == single:
                break
        assert jobs[-1].id == single
        jobs.pop().end()


def test_two_batches_take_turns(server, api, label, make):
    first, second = make(300), make(20)
    with JobWorker(server, labels=[label], slots=1) as worker:
        taken = [api.status(worker.take().end().id)["batch_id"] for _ in range(30)]
    assert taken.count(first) + taken.count(second) == 30
    assert abs(taken.count(first) - taken.count(second)) <= 4


# --- Open batches


def test_an_open_batch_takes_more_until_it_is_closed(server, api, label, make):
    id = make(1, keep_open=True)
    more = {"job": {"command": ["true"], "labels": [label]}, "jobs": [{}, {}]}
    with BusyWorker(server, labels=[label]):
        eventually(lambda: status_of(api, id)["completed_count"] == 1, "the first ended")
        status = status_of(api, id)
        assert status["status"] == "running" and status["open"] is True
        assert api.expect(201, "POST", f"{PATH}/{id}/executions", more)["total_count"] == 3
        eventually(lambda: status_of(api, id)["completed_count"] == 3, "all ended")
        assert status_of(api, id)["status"] == "running"
        assert api.expect(200, "POST", f"{PATH}/{id}/close")["status"] == "completed"
    answer = api.post(f"{PATH}/{id}/executions", more)
    assert answer.status == 409 and "takes no more jobs" in answer.json()["error"]["message"]
    assert counted(status_of(api, id)) == [3, 3, 0, 0, 0, 0]


def test_two_that_add_to_a_batch_at_once_both_do(server, api, label, make):
    id = make(3, keep_open=True)
    body = {"job": {"command": ["true"], "labels": [label]}, "jobs": [{}] * 700}

    def add():
        api.expect(201, "POST", f"{PATH}/{id}/executions", body)

    with ThreadPoolExecutor() as pool:
        for done in [pool.submit(add) for _ in range(4)]:
            done.result()
    assert status_of(api, id)["total_count"] == 3 + 4 * 700


def test_an_open_batch_without_jobs_waits_for_some(api, make):
    id = make(0, keep_open=True)
    assert status_of(api, id)["status"] == "queued"
    assert api.expect(200, "POST", f"{PATH}/{id}/close")["status"] == "completed"


# --- Dependencies


def test_a_batch_may_be_waited_for(server, api, label, make):
    first = make(2)
    after = {"command": ["true"], "queue": True, "labels": [label]}
    good = api.create(**after, after=[{"id": first}])
    bad = api.create(**after, after=[{"id": first, "on": "failed"}])
    second = make(2, job={"after": [{"id": first, "on": "any"}]})
    with JobWorker(server, labels=[label]) as worker:
        one, two = worker.take(), worker.take()
        one.end()
        assert worker.quiet() == []
        two.end(1)
        began = {worker.take().end().id for _ in range(3)}
    assert bad in began and began - {bad} == {one["execution_id"] for one in members(api, second)}
    status = api.status(good)
    assert status["status"] == "skipped" and first in status["reason"]


def test_a_batch_that_cannot_be_had_whole_is_cancelled(own_server):
    api = own_server.api()
    jobs = [{}] * 299 + [{"after": [{"id": "nobody"}]}]
    answer = api.post(PATH, {"job": {"command": ["true"]}, "jobs": jobs})
    assert answer.status == 422 and answer.json()["error"]["fields"][0]["name"] == "jobs[299].after"
    status = over_at(api, "cancelled")
    assert status["total_count"] == status["counts"]["cancelled"] == 256
    with JobWorker(own_server) as worker:
        assert worker.quiet() == []


def test_a_circle_is_refused(api, label, make):
    id = make(1, keep_open=True)
    one = members(api, id)[0]["execution_id"]
    outside = api.create(command=["true"], queue=True, labels=[label], after=[{"id": id, "on": "any"}])
    for parent in (outside, id):
        body = {"job": {"command": ["true"]}, "jobs": [{}, {"after": [{"id": parent}]}]}
        answer = api.post(f"{PATH}/{id}/executions", body)
        assert answer.status == 422, answer
        field = answer.json()["error"]["fields"][0]
        assert field["name"] == "jobs[1].after" and "wait" in field["reason"]
    assert [found["execution_id"] for found in members(api, id)] == [one]


# --- Cancel and retry


def test_a_cancel_ends_what_waits_and_tells_what_runs(server, api, label, make):
    id = make(5)
    with JobWorker(server, labels=[label], slots=2) as worker:
        jobs = [worker.take().begin(), worker.take().begin()]
        assert api.post(f"{PATH}/{id}/cancel").status == 202
        for job in jobs:
            worker.listen(lambda: job.stream.cancel)
            assert "batch" in job.stream.cancel["reason"]
            job.end(143, status="cancelled")
        status = over(api, id, "cancelled")
        assert worker.quiet() == []
    assert status["counts"]["cancelled"] == 5 and counted(status) == [5, 0, 5, 0, 0, 0]


def test_a_retry_queues_what_failed_and_only_that(server, api, label, make):
    id = make(6)
    with JobWorker(server, labels=[label], slots=1) as worker:
        jobs = [worker.take().end(i % 2) for i in range(6)]
        assert counted(over(api, id)) == [6, 3, 3, 0, 0, 0]
        assert api.post(f"{PATH}/{id}/retry").status == 202
        again = [worker.take().end() for _ in range(3)]
        status = over(api, id)
        assert worker.quiet() == []
    assert counted(status) == [6, 6, 0, 0, 0, 0] and status["failures"] == []
    assert {api.status(job.id)["retry_of"] for job in again} == {job.id for job in jobs[1::2]}
    assert {job.attempt for job in again} == {2}


def test_what_was_skipped_by_a_stop_stays_so_at_a_retry_unless_it_is_asked_for(server, api, label, make):
    id = make(4, max_fails="0")
    with JobWorker(server, labels=[label], slots=1) as worker:
        worker.take().end(1)
        over(api, id)
        api.expect(202, "POST", f"{PATH}/{id}/retry")
        again = worker.take()
        assert again.attempt == 2
        again.end(1)
        assert counted(over(api, id)) == [4, 0, 1, 0, 0, 3]
        api.expect(202, "POST", f"{PATH}/{id}/retry", query={"skipped": "true"})
        assert sorted(worker.take().end().attempt for _ in range(4)) == [2, 2, 2, 3]
        assert counted(over(api, id)) == [4, 4, 0, 0, 0, 0]
        assert worker.quiet() == []


def test_jobs_of_one_request_cannot_wait_for_each_other_but_for_those_that_are_there(server, api, label, make):
    first, second = fresh_id(), fresh_id()
    for jobs in (
        [{"execution_id": first}, {"after": [{"id": first}]}],
        [{"after": [{"id": first}]}, {"execution_id": first}],
    ):
        refused = api.expect(422, "POST", PATH, {"job": {"command": ["x"]}, "jobs": jobs})["error"]["fields"][0]
        assert (
            re.fullmatch(r"jobs\[[01]\].after", refused["name"])
            and "make the batch with keep_open" in refused["reason"]
        )
    id = make(0, jobs=[{"execution_id": first}], keep_open=True)
    job = {"command": ["x"], "labels": [label]}
    jobs = [{"execution_id": second, "after": [{"id": first}]}]
    api.expect(201, "POST", f"{PATH}/{id}/executions", {"job": job, "jobs": jobs})
    api.expect(200, "POST", f"{PATH}/{id}/close")
    with JobWorker(server, labels=[label]) as worker:
        for wanted in (first, second):
            job = worker.take()
            assert job.id == wanted and worker.quiet() == []
            job.end(0)
    assert counted(over(api, id)) == [2, 2, 0, 0, 0, 0]


# --- What is refused


@pytest.mark.parametrize(
    "body, name",
    [
        ({"jobs": [{"command": ["true"]}, {"command": []}]}, "jobs[1].command"),
        ({"jobs": [{"command": ["true"], "priority": 5000}]}, "jobs[0].priority"),
        ({"jobs": [{"command": ["true"], "nonsense": 1}]}, "jobs[0].nonsense"),
        ({"jobs": [{"command": ["true"], "labels": ["a b"]}]}, "jobs[0].labels"),
        ({"job": {"cpus": "many"}, "jobs": [{"command": ["true"]}]}, "jobs[0].cpus"),
        ({"jobs": {}}, "jobs"),
        ({"jobs": [], "max_fails": "some"}, "max_fails"),
        ({"jobs": [], "max_fails": "101%"}, "max_fails"),
        ({"jobs": [], "parallel": -1}, "parallel"),
        ({"jobs": [], "batch_id": "no id"}, "batch_id"),
    ],
)
def test_what_no_batch_can_be_is_refused_with_the_field_that_is_wrong(api, body, name):
    answer = api.post(PATH, body)
    assert answer.status == 422, answer
    field = answer.json()["error"]["fields"][0]
    assert field["name"] == name and len(field["reason"]) > 5
    assert api.expect(200, "GET", PATH, query={"limit": 1})["batches"] is not None


def test_a_batch_of_too_many_jobs_is_refused_whole(api):
    before = api.expect(200, "GET", PATH)["batches"][:1]
    answer = api.post(PATH, {"job": {"command": ["true"]}, "jobs": [{}] * 100001})
    assert answer.status in (413, 422) and "100000" in answer.body.decode(), answer
    assert api.expect(200, "GET", PATH)["batches"][:1] == before


def test_a_name_is_taken_once(api, make):
    id = fresh_id()
    assert make(0, batch_id=id) == id
    answer = api.post(PATH, {"batch_id": id, "jobs": []})
    assert answer.status == 409 and "batch_id" in answer.json()["error"]["message"]


def test_the_same_request_twice_makes_one_batch(api, label):
    body = {"job": {"command": ["true"], "labels": [label]}, "jobs": [{}] * 300}
    headers = {"Idempotency-Key": fresh_id()}
    one, two = (api.post(PATH, body, headers=headers) for _ in range(2))
    assert one.status == 201 and two.json()["batch_id"] == one.json()["batch_id"]
    assert two.json()["total_count"] == 300
    assert api.post(PATH, {"jobs": []}, headers=headers).status == 422


def test_a_batch_may_hold_no_more_than_the_account_may_queue(servers):
    server = servers("--queued-jobs-max", "5")
    answer = server.api().post(PATH, {"job": {"command": ["true"]}, "jobs": [{}] * 6})
    assert answer.status == 429 and "queued jobs" in answer.json()["error"]["message"]
    assert over_at(server.api(), "cancelled")["total_count"] == 0


# --- Who sees what


def test_users_see_and_change_their_own_batches_alone(api, make):
    mine, theirs = api.as_role("user", name="a"), api.as_role("user", name="b")
    id = make(2, api=mine)
    assert status_of(mine, id)["total_count"] == 2
    assert [one["batch_id"] for one in mine.get(PATH).json()["batches"]] == [id]
    assert theirs.get(PATH).json()["batches"] == []
    calls = [("GET", ""), ("GET", "/status"), ("GET", "/executions"), ("POST", "/cancel"), ("POST", "/retry")]
    for method, rest in calls + [("POST", "/close")]:
        assert theirs.request(method, f"{PATH}/{id}{rest}").status == 404, (method, rest)
    assert theirs.post(f"{PATH}/{id}/executions", {"jobs": []}).status == 404
    viewer = api.as_role("viewer")
    assert viewer.get(f"{PATH}/{id}/status").status == 200
    assert viewer.post(f"{PATH}/{id}/cancel").status == 403
    assert mine.post(f"{PATH}/{id}/cancel").status == 202


def test_another_accounts_batches_are_not_there(server, api, make):
    name = f"other-{fresh_id()}"
    api.expect(201, "POST", "/api/v1/accounts", {"name": name})
    other = Api(server.port, api.key("admin", account=name)["key"])
    id = make(1)
    assert other.get(f"{PATH}/{id}/status").status == 404 and other.get(f"{PATH}/{id}/executions").status == 404
    assert other.post("/api/v1/executions", {"command": ["x"], "queue": True, "after": [{"id": id}]}).status == 422


# --- Restart


def test_a_batch_goes_on_after_a_restart(own_server):
    api = own_server.api()
    id = api.expect(201, "POST", PATH, {"job": {"command": ["true"]}, "jobs": [{}] * 40, "parallel": 4})["batch_id"]
    with JobWorker(own_server, worker_id="w", slots=4) as worker:
        for _ in range(10):
            worker.take().end()
        own_server.kill()
    own_server.restart()
    api = own_server.api()
    with BusyWorker(own_server, worker_id="w", slots=4):
        assert counted(over(api, id)) == [40, 40, 0, 0, 0, 0]


# --- Times that are given by the data, and not by this test's own


def test_the_estimate_goes_by_what_was_measured_and_how_many_worked_at_once(servers, label):
    """Half of 40 jobs of 10,000 s each have ended, four at a time: as many seconds are left as have passed."""
    server = servers()
    id = server.api().expect(201, "POST", PATH, {"job": {"command": ["x"], "labels": [label]}, "jobs": [{}] * 40})[
        "batch_id"
    ]
    server.process.signal(signal.SIGTERM)
    server.process.wait()
    hour = 10_000_000  # milliseconds
    began = int(time.time() * 1000) - 5 * hour
    server.change(
        f"UPDATE batches SET queued = 20, completed = 20, ended = 20, ended_ms_sum = {20 * hour}, "
        f"first_started_ms = {began}, last_ended_ms = {began + 5 * hour} WHERE batch_id = '{id}'"
    )
    server.start()
    status = status_of(server.api(), id)
    assert counted(status) == [40, 20, 0, 0, 20, 0]
    assert 0.98 * 50_000 <= status["eta_seconds"] <= 1.02 * 50_000
    assert abs(status["duration_seconds"] - 50_000) < 1000
