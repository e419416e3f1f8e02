"""Jobs: queued, given to a worker, run to their end; what waits for them, and what is tried again."""

import itertools
import time
from datetime import datetime

import pytest
from support.api import Api, eventually
from support.job_worker import BusyWorker, JobWorker
from support.jobs import fresh_id

PATH = "/api/v1/executions"
_labels = itertools.count()


def moment(text):
    return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def queue(api, expect=201, **fields):
    """Queues a job; its identifier."""
    answer = api.expect(expect, "POST", PATH, {"command": ["true"], "queue": True, **fields})
    return answer.get("execution_id")


@pytest.fixture
def label():
    """One that no other test's jobs ask for, so that tests do not take each other's jobs."""
    return f"label-{next(_labels)}"


def ended(api, id, status):
    def look():
        now = api.status(id)
        return now if now["status"] == status else None

    return eventually(look, f"{id} {status}")


def waiting(api, id, reason, detail=""):
    """Until it waits for that, and says so."""

    def look():
        found = api.status(id).get("waiting") or {}
        return found.get("reason") == reason and detail in found["detail"] and found["detail"]

    return eventually(look, f"{id} waits for {reason}: {detail}")


# --- From the queue to the end


def test_a_queued_job_goes_to_a_worker_and_ends_with_its_log(server, api, label):
    id = queue(api, command=["echo", "hi"], env={"A": "b"}, labels=[label], name="greet")
    before = api.status(id)
    assert before["status"] == "queued" and before["started_at"] is None and before["attempt"] == 1
    assert before["executor"] == "process" and before["image"] is None
    with JobWorker(server, labels=[label], worker_id=label, hostname="far") as worker:
        job = worker.take()
        assert (job.id, job.attempt) == (id, 1)
        assert job.spec["command"] == ["echo", "hi"] and job.spec["env"] == {"A": "b"}
        during = api.status(id)
        assert during["status"] == "running" and during["worker_id"] == label and during["worker_hostname"] == "far"
        job.end(0, ["hi"])
    status = api.status(id)
    assert status["status"] == "completed" and status["exit_code"] == 0 and status["sealed"] is True
    assert status["started_at"] and status["completed_at"] and status["duration_seconds"] == 0
    assert status["cost_micros"] is not None and status["cost_display"].startswith("€")
    assert api.messages(id) == ["hi"]


def test_a_worker_that_is_there_gets_a_job_at_once(server, api, label):
    with JobWorker(server, labels=[label]) as worker:
        for i in range(20):
            id = queue(api, labels=[label])
            assert worker.take().end(i % 2).id == id


def test_a_worker_gets_no_more_jobs_than_it_has_slots(server, api, label):
    ids = [queue(api, labels=[label]) for _ in range(5)]
    with JobWorker(server, labels=[label], slots=2) as worker:
        first, second = worker.take(), worker.take()
        assert [first.id, second.id] == ids[:2]
        waiting(api, ids[2], "behind", "the next one")
        waiting(api, ids[3], "behind", "behind one other")
        waiting(api, ids[4], "behind", "behind 2 others")
        assert worker.quiet() == []
        second.end()
        assert worker.take().id == ids[2]


def test_what_a_job_asks_for_decides_who_gets_it(server, api, label):
    other = f"{label}-b"
    gpu, big, python = (
        queue(api, labels=[label, other]),
        queue(api, labels=[label], cpus=4, memory=1 << 30),
        queue(api, labels=[label], runtime="python:3.11", script="pass"),
    )
    with JobWorker(server, labels=[label], slots=8, cpus=2000, memory=1 << 34) as small:
        waiting(api, gpu, "no_worker", f"no worker that is connected has the label {other}")
        waiting(api, big, "no_worker", "cpus")
        waiting(api, python, "no_worker", "no worker that is connected has the runtime python:3.11")
        with JobWorker(server, labels=[label], slots=8, cpus=8000, memory=1 << 34, runtimes=["python:3.11"]) as large:
            assert {large.take().id, large.take().id} == {big, python}
            assert small.quiet() == []
        with JobWorker(server, labels=[label, other]) as third:
            assert third.take().end().id == gpu


def test_without_a_worker_the_status_says_how_to_get_one(own_server):
    api = own_server.api()
    waiting(api, queue(api), "no_worker", "start one with `runnel worker`")
    waiting(api, queue(api, image="debian"), "no_worker", "container")


def test_higher_priorities_go_first(server, api, label):
    low, high, middle = (queue(api, labels=[label], priority=priority) for priority in (-5, 10, 0))
    with JobWorker(server, labels=[label], slots=1) as worker:
        assert [worker.take().end().id for _ in range(3)] == [high, middle, low]


def test_a_job_that_is_given_back_goes_to_another_worker(server, api, label):
    id = queue(api, labels=[label])
    with JobWorker(server, labels=[label], slots=1) as first:
        job = first.take()
        first.send({"type": "drain"})
        with JobWorker(server, labels=[label], slots=1) as second:
            job.give_back()
            again = second.take()
            assert again.id == id and again.epoch == job.epoch + 1 and again.attempt == 1
            again.end()
    status = api.status(id)
    assert status["status"] == "completed" and status["attempt"] == 1


def test_a_job_that_is_given_back_rests_before_that_worker_gets_it_again(server, api, label):
    id = queue(api, labels=[label])
    with JobWorker(server, labels=[label], worker_id=label) as worker:
        worker.take().give_back("its disk is full")

        def look():  # a rest may be over before it is looked at, and doubles with each return
            found = api.status(id).get("waiting") or {}
            for job in worker.quiet():
                job.give_back("its disk is full")
            worker.jobs.clear()
            return found.get("reason") == "returned" and found["detail"]

        detail = eventually(look, "it rests")
        assert label in detail and "its disk is full" in detail
        worker.take().end(0)
    assert api.status(id)["status"] == "completed"


def test_a_job_that_was_on_its_way_when_the_connection_broke_comes_again(server, api, label):
    with JobWorker(server, labels=[label], worker_id=label) as worker:
        id = queue(api, labels=[label])
        eventually(lambda: api.status(id)["status"] == "running", "it was claimed")
        worker.cut()  # without having read it
    with JobWorker(server, labels=[label], worker_id=label) as worker:
        assert worker.take().end(0, ["once"]).id == id
    assert api.messages(id) == ["once"] and api.status(id)["attempt"] == 1


def test_a_job_that_a_worker_holds_is_not_given_again(server, api, label):
    with JobWorker(server, labels=[label], worker_id=label, slots=1) as worker:
        id = queue(api, labels=[label])
        job = worker.take().begin()
        worker.cut()
    held = [{"execution_id": id, "epoch": job.epoch}]
    with JobWorker(server, labels=[label], worker_id=label, slots=1, held=held) as worker:
        later = queue(api, labels=[label])
        stream = worker.opened(id, epoch=job.epoch)
        assert worker.quiet() == []
        stream.complete()
        assert worker.take().id == later


def test_a_worker_that_drains_takes_no_more(server, api, label):
    with JobWorker(server, labels=[label]) as worker:
        worker.send({"type": "drain"})
        worker.quiet()
        id = queue(api, labels=[label])
        waiting(api, id, "no_worker")
        assert worker.quiet() == []


# --- Restarts of the server


def test_a_restart_keeps_queued_given_and_running_jobs(own_server):
    api = own_server.api()
    with JobWorker(own_server, worker_id="w", slots=2) as worker:
        running, given, queued = queue(api), queue(api), queue(api)
        job = worker.take().begin()
        job.stream.lines(0, ["before"])
        lost = worker.take()  # the worker dies with it before it is written down
        assert (job.id, lost.id) == (running, given)
        own_server.kill()
    own_server.restart()
    api = own_server.api()
    held = [{"execution_id": running, "epoch": job.epoch}]
    with JobWorker(own_server, worker_id="w", slots=2, held=held) as worker:
        stream = worker.opened(running, epoch=job.epoch)
        stream.lines(1, ["after"])
        assert worker.take().id in (given, queued)
        stream.complete()
        assert worker.take().id in (given, queued)
    assert api.messages(running) == ["before", "after"]
    assert api.status(running)["status"] == "completed"


def test_what_a_worker_gives_back_right_after_a_restart_is_given_out_again(own_server):
    """Also if that comes before the new server has looked up what the worker had."""
    api = own_server.api()
    with JobWorker(own_server, worker_id="w") as worker:
        id = queue(api)
        job = worker.take()
        own_server.kill()
    own_server.restart()
    api = own_server.api()
    held = [{"execution_id": id, "epoch": job.epoch}]
    with JobWorker(own_server, worker_id="w", hello=False) as worker:
        worker.send({"type": "hello", "worker_id": "w", "slots": 1, "executors": ["process"], "held": held})
        worker.send({"type": "return", "execution_id": id, "epoch": job.epoch, "reason": "it was not begun"})
        given_back = time.monotonic()
        again = worker.take()
        assert (again.id, again.epoch) == (id, job.epoch + 1)
        assert time.monotonic() - given_back >= 1  # it has rested, as after any other return
        again.end(0, ["once"])
    assert api.messages(id) == ["once"] and api.status(id)["status"] == "completed"


# --- Retries


def test_a_failed_job_is_tried_again_with_a_delay_that_doubles(server, api, label):
    id = queue(api, labels=[label], retries=2, retry_delay_seconds=0.3)
    with JobWorker(server, labels=[label]) as worker:
        one = worker.take().end(1)
        assert api.status(id)["status"] == "failed"
        two = worker.take().end(2)
        three = worker.take().end(3)
    statuses = [api.status(job.id) for job in (one, two, three)]
    assert [status["attempt"] for status in statuses] == [1, 2, 3] == [job.attempt for job in (one, two, three)]
    assert [status["exit_code"] for status in statuses] == [1, 2, 3]
    assert [status["retry_of"] for status in statuses] == [None, one.id, two.id]
    assert [status["retried_as"] for status in statuses] == [two.id, three.id, None]
    ends = [moment(status["completed_at"]) for status in statuses]
    begins = [moment(status["started_at"]) for status in statuses]
    assert begins[1] - ends[0] >= 0.295 and begins[2] - ends[1] >= 0.595


def test_a_retry_that_waits_says_until_when(server, api, label):
    id = queue(api, labels=[label], retries=1, retry_delay_seconds=3600)
    with JobWorker(server, labels=[label]) as worker:
        worker.take().end(1)
    again = eventually(lambda: api.status(id)["retried_as"], "another attempt")
    status = api.status(again)
    assert status["waiting"]["reason"] == "retry_delay" and status["not_before"] in status["waiting"]["detail"]
    assert api.expect(200, "DELETE", f"{PATH}/{again}")["status"] == "cancelled"


@pytest.mark.parametrize(
    "retry_on, exit_code, again",
    [
        (["exit:3"], 3, True),
        (["exit:3"], 4, False),
        (["exit:10-20"], 15, True),
        (["exit:10-20"], 21, False),
        (["signal:KILL"], 137, True),
        (["signal:SIGTERM"], 137, False),
        (["failed"], 1, True),
        (["lost"], 1, False),
        (None, 1, True),
        (None, 0, False),
    ],
)
def test_which_ends_are_tried_again_is_the_rule_of_the_job(server, api, label, retry_on, exit_code, again):
    id = queue(api, labels=[label], retries=1, retry_on=retry_on)
    follower = queue(api, labels=[label], after=[{"id": id, "on": "any"}])
    with JobWorker(server, labels=[label], slots=1) as worker:
        worker.take().end(exit_code)
        job = worker.take()
        assert (job.id != follower) is again
        job.end()
        assert (api.status(id)["retried_as"] == job.id) is again


def test_a_job_whose_worker_says_lost_is_tried_again_if_its_rule_has_that(servers, label):
    server = servers("--lease-seconds", "5")
    api = server.api()
    once, again = queue(api), queue(api, retries=1, retry_on=["lost"])
    with JobWorker(server) as worker:
        worker.take().begin()
        job = worker.take().begin()
        assert job.frame["retry_on_lost"] is True
        worker.cut()
    ended(api, once, "lost")
    ended(api, again, "lost")
    next = eventually(lambda: api.status(again)["retried_as"], "another attempt")
    assert api.status(next)["waiting"]["reason"] == "retry_delay"
    assert api.status(once)["retried_as"] is None


@pytest.mark.parametrize("restart", [False, True])
def test_a_job_that_was_lost_on_its_way_to_a_worker_is_given_out_again(servers, restart):
    """Its rule has no `lost`, and it has run nowhere."""
    server = servers("--lease-seconds", "5")
    id = queue(server.api())
    with JobWorker(server, worker_id="w") as worker:
        assert worker.take().id == id
        worker.cut()
    if restart:
        server.kill()
        server.restart()
    ended(server.api(), id, "lost")
    with JobWorker(server, worker_id="w") as worker:
        job = worker.take()
        assert (job.id, job.epoch, job.attempt) == (id, 2, 1)
        job.end(0, ["all of it"])
    ended(server.api(), id, "completed")
    assert server.api().messages(id) == ["all of it"]


@pytest.mark.parametrize("knows", ["lines", "held"])
def test_a_lost_job_that_has_come_to_its_worker_is_not_given_out_again(servers, knows):
    server = servers("--lease-seconds", "5")
    api = server.api()
    id = queue(api)
    with JobWorker(server, worker_id="w") as worker:
        job = worker.take()
        if knows == "lines":
            job.begin().stream.lines(0, ["first"])
        worker.cut()
    ended(api, id, "lost")
    held = [{"execution_id": id, "epoch": job.epoch}] if knows == "held" else []
    with JobWorker(server, worker_id="w", held=held) as worker:
        other = queue(api)  # given when the server knows what the worker has
        assert worker.take().end().id == other
        assert worker.quiet() == [] and api.status(id)["status"] == "lost"


def test_a_worker_is_told_whether_another_attempt_follows_when_it_is_lost(server, api, label):
    cases = [
        ({}, False),
        ({"retries": 1}, True),  # a rule without words is for every end
        ({"retries": 1, "retry_on": ["lost"]}, True),
        ({"retries": 1, "retry_on": ["failed"]}, False),
    ]
    with JobWorker(server, labels=[label], slots=1) as worker:
        for fields, again in cases:
            id = queue(api, labels=[label], **fields)
            job = worker.take()
            assert job.id == id and job.frame["retry_on_lost"] is again, fields
            job.end(0)
        id = queue(api, labels=[label], retries=1)
        worker.take().end(1)
        last = worker.take()
        assert last.attempt == 2 and last.frame["retry_on_lost"] is False
        last.end(0)


@pytest.mark.parametrize("clock", ["1999-01-01T00:00:00Z", "2099-01-01T00:00:00Z"])
def test_a_worker_with_a_wrong_clock_runs_jobs_and_none_is_lost(servers, clock):
    server = servers("--lease-seconds", "5")
    api = server.api()
    id = queue(api, retries=1)
    with JobWorker(server, clock=clock, at=1) as worker:
        job = worker.take().begin()
        assert job.frame["retry_on_lost"] is True
        for at in range(2, 7):  # for longer than a lease
            other = api.create()
            stream = worker.opened(other)
            worker.send({"type": "heartbeat", "slots_free": 1, "at": at})
            assert worker.expect("alive")["at"] == at
            stream.complete()
        job.end(0, ["through"])
    status = api.status(id)
    assert status["status"] == "completed" and status["retried_as"] is None and api.messages(id) == ["through"]


def test_a_lost_attempt_that_is_tried_again_is_told_to_cancel_when_it_comes_back(servers):
    server = servers("--lease-seconds", "5")
    api = server.api()
    id = queue(api, retries=1)
    with JobWorker(server) as worker:
        job = worker.take().begin()
        worker.cut()
    next = eventually(lambda: api.status(id)["retried_as"], "another attempt")
    with JobWorker(server, held=[{"execution_id": id, "epoch": job.epoch}]) as worker:
        back = worker.opened(id, epoch=job.epoch)
        worker.listen(lambda: back.cancel)
        assert back.cancel["reason"] == "it was lost, and is tried again"
        back.say("complete", execution_id=id, exit_code=143, status="cancelled")
        worker.listen(lambda: back.closed)
        again = worker.take()
        assert again.id == next
        again.end(0)
    assert api.status(id)["status"] == "cancelled"


def test_a_retry_by_hand(server, api, label):
    id = queue(api, labels=[label])
    api.expect(409, "POST", f"{PATH}/{id}/retry")
    with JobWorker(server, labels=[label]) as worker:
        worker.take().end(1)
        answer = api.expect(201, "POST", f"{PATH}/{id}/retry")
        assert answer["retry_of"] == id and answer["attempt"] == 2 and answer["status"] == "queued"
        assert worker.take().end().id == answer["execution_id"]
    api.expect(409, "POST", f"{PATH}/{id}/retry")
    api.expect(404, "POST", f"{PATH}/nobody/retry")
    api.expect(409, "POST", f"{PATH}/{api.create()}/retry")


# --- Dependencies


@pytest.mark.parametrize(
    "on, exit_code, runs",
    [
        ("ok", 0, True),
        ("ok", 1, False),
        ("any", 1, True),
        ("any", 0, True),
        ("failed", 1, True),
        ("failed", 0, False),
    ],
)
@pytest.mark.parametrize("before", [True, False], ids=["ended before", "ends later"])
def test_a_dependent_runs_or_is_skipped_at_once(server, api, label, on, exit_code, runs, before):
    parent = queue(api, labels=[label])
    after = [{"id": parent, "on": on}]
    child = None if before else queue(api, labels=[label], after=after)
    with JobWorker(server, labels=[label]) as worker:
        if child:
            waiting(api, child, "parents", f"waits for {parent}")
        worker.take().end(exit_code)
        child = child or queue(api, labels=[label], after=after)
        if runs:
            assert worker.take().end().id == child
            return
        status = ended(api, child, "skipped")
    assert parent in status["reason"] and status["exit_code"] is None and status["started_at"] is None
    assert status["sealed"] is True


def test_a_skip_goes_on_to_those_that_wait(server, api, label):
    first = queue(api, labels=[label])
    second = queue(api, labels=[label], after=[{"id": first}])
    third = queue(api, labels=[label], after=[{"id": second, "on": "ok"}])
    last = queue(api, labels=[label], after=[{"id": third, "on": "any"}, {"id": first, "on": "failed"}])
    with JobWorker(server, labels=[label]) as worker:
        worker.take().end(1)
        assert worker.take().end().id == last
    assert first in ended(api, second, "skipped")["reason"]
    assert second in ended(api, third, "skipped")["reason"]


def test_a_dependent_waits_for_the_retries_of_its_parent(server, api, label):
    parent = queue(api, labels=[label], retries=1)
    child = queue(api, labels=[label], after=[{"id": parent}])
    with JobWorker(server, labels=[label]) as worker:
        worker.take().end(1)
        again = worker.take()
        assert again.attempt == 2
        assert api.status(child)["status"] == "queued"
        again.end(0)
        assert worker.take().end().id == child


def test_a_run_of_its_own_runner_may_be_waited_for(server, api, label):
    parent = api.create()
    child = queue(api, labels=[label], after=[{"id": parent}])
    with JobWorker(server, labels=[label]) as worker:
        assert worker.quiet() == []
        api.expect(200, "PATCH", f"{PATH}/{parent}", {"status": "running"})
        api.expect(200, "PATCH", f"{PATH}/{parent}", {"status": "completed", "exit_code": 0})
        assert worker.take().id == child


def test_what_is_not_there_cannot_be_waited_for(api):
    answer = api.post(PATH, {"command": ["true"], "queue": True, "after": [{"id": "nobody"}]})
    assert answer.status == 422 and answer.json()["error"]["fields"][0]["name"] == "after"
    assert "nobody" in answer.json()["error"]["fields"][0]["reason"]


# --- Cancels


def test_a_queued_job_is_cancelled_at_once(server, api, label):
    id = queue(api, labels=[label])
    child = queue(api, labels=[label], after=[{"id": id}])
    assert api.delete(f"{PATH}/{id}").status in (200, 202)
    status = ended(api, id, "cancelled")
    assert status["started_at"] is None and status["sealed"] is True
    ended(api, child, "skipped")
    with JobWorker(server, labels=[label]) as worker:
        assert worker.quiet() == []


def test_the_worker_of_a_running_job_is_told_to_cancel(server, api, label):
    id = queue(api, labels=[label], retries=3)
    with JobWorker(server, labels=[label]) as worker:
        job = worker.take().begin()
        assert api.delete(f"{PATH}/{id}").status == 202
        worker.listen(lambda: job.stream.cancel)
        assert job.stream.cancel["grace_seconds"] > 0
        job.end(143, ["last words"], status="cancelled")
        assert worker.quiet() == []
    status = api.status(id)
    assert status["status"] == "cancelled" and status["retried_as"] is None
    assert api.messages(id) == ["last words"]


def test_a_cancel_before_the_worker_has_opened_its_stream_reaches_it(server, api, label):
    id = queue(api, labels=[label])
    with JobWorker(server, labels=[label]) as worker:
        job = worker.take()
        assert api.delete(f"{PATH}/{id}").status == 202
        job.begin()
        worker.listen(lambda: job.stream.cancel)


# --- What is refused


@pytest.mark.parametrize(
    "fields, name",
    [
        ({"labels": ["two words"]}, "labels"),
        ({"labels": [""]}, "labels"),
        ({"labels": "gpu"}, "labels"),
        ({"labels": ["a"] * 1000}, "labels"),
        ({"priority": 1001}, "priority"),
        ({"priority": "high"}, "priority"),
        ({"cpus": -1}, "cpus"),
        ({"memory": -1}, "memory"),
        ({"memory": "1G"}, "memory"),
        ({"retries": 101}, "retries"),
        ({"retry_on": ["sometimes"]}, "retry_on"),
        ({"retry_on": ["exit:0"]}, "retry_on"),
        ({"retry_delay_seconds": -1}, "retry_delay_seconds"),
        ({"after": [{"id": "x", "on": "maybe"}]}, "after"),
        ({"after": [{}]}, "after"),
        ({"after": [{"id": "no id"}]}, "after"),
        ({"timeout_seconds": -1}, "timeout_seconds"),
        ({"command": []}, "command"),
        ({"command": None}, "command"),
        ({"runtime": "two words"}, "runtime"),
    ],
)
def test_what_no_job_can_be_is_refused_with_the_field_that_is_wrong(api, fields, name):
    answer = api.post(PATH, {"command": ["true"], "queue": True, **fields})
    assert answer.status == 422, answer
    field = answer.json()["error"]["fields"][0]
    assert field["name"] == name and len(field["reason"]) > 5


def test_an_account_may_queue_only_so_many(servers):
    server = servers("--queued-jobs-max", "3")
    api = server.api()
    ids = [queue(api) for _ in range(3)]
    answer = api.post(PATH, {"command": ["true"], "queue": True})
    assert answer.status == 429 and "queued jobs" in answer.json()["error"]["message"]
    api.delete(f"{PATH}/{ids[0]}")
    queue(api)


def test_an_account_may_run_only_so_many(servers):
    server = servers("--running-jobs-max", "1")
    api = server.api()
    first, second = queue(api), queue(api)
    with JobWorker(server) as worker:
        job = worker.take()
        waiting(api, second, "account_limit", "account")
        assert worker.quiet() == []
        job.end()
        assert worker.take().id == second and job.id == first


# --- Who sees what


def test_users_see_and_change_their_own_jobs_alone(server, api, label):
    mine, theirs = api.as_role("user", name="a"), api.as_role("user", name="b")
    id = queue(mine, labels=[label])
    assert mine.status(id)["status"] == "queued"
    for method, path in (("GET", f"{PATH}/{id}/status"), ("DELETE", f"{PATH}/{id}"), ("POST", f"{PATH}/{id}/retry")):
        assert theirs.request(method, path).status == 404, (method, path)
    assert api.as_role("viewer").post(PATH, {"command": ["true"], "queue": True}).status == 403
    assert mine.delete(f"{PATH}/{id}").status in (200, 202)


def test_another_account_has_its_own_queue(server, api, label):
    name = f"other-{fresh_id()}"
    api.expect(201, "POST", "/api/v1/accounts", {"name": name})
    other = Api(server.port, api.key("admin", account=name)["key"])
    worker_key = api.key("service", account=name)["key"]
    ours, others = queue(api, labels=[label]), queue(other, labels=[label])
    assert api.get(f"{PATH}/{others}/status").status == 404 and other.get(f"{PATH}/{ours}/status").status == 404
    with JobWorker(server, worker_key, labels=[label]) as worker:
        job = worker.take()
        assert job.id == others and worker.quiet() == []
        assert [found["labels"] for found in other.get("/api/v1/workers").json()["workers"]] == [[label]]
        assert not [one for one in api.get("/api/v1/workers").json()["workers"] if one["labels"] == [label]]
        job.end()
    assert api.status(ours)["status"] == "queued"


# --- Many


def test_accounts_and_jobs_by_the_hundred_all_end(server, api, label):
    ids = [queue(api, labels=[label], command=["job", str(i)]) for i in range(200)]

    def act(job):
        return int(job.spec["command"][1]) % 7, [job.id]

    with BusyWorker(server, act, labels=[label], slots=16) as one, BusyWorker(server, act, labels=[label]) as two:
        for i, id in enumerate(ids):
            status = ended(api, id, "failed" if i % 7 else "completed")
            assert status["exit_code"] == i % 7
        assert sorted(one.began + two.began) == sorted(ids)
    assert [api.messages(id) for id in ids[::20]] == [[id] for id in ids[::20]]
