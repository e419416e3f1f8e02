"""What a batch is at, in few bytes: the states of its jobs, and what failed and how."""

import pytest
from support.api import eventually
from support.job_worker import JobWorker
from support.jobs import fresh_id

PATH = "/api/v1/batches"


@pytest.fixture
def make(api):
    """Makes a batch whose jobs only the worker of this label takes: (identifier, label)."""

    def submit(jobs, **fields):
        label = fresh_id()
        common = {"command": ["true"], "labels": [label]}
        return (
            api.expect(201, "POST", PATH, {"job": common, "jobs": jobs, **fields})["batch_id"],
            label,
        )

    return submit


def over(api, id):
    eventually(
        lambda: api.expect(200, "GET", f"{PATH}/{id}")["status"] == "completed",
        f"{id} is over",
    )


def cells(api, id, **query):
    return api.expect(200, "GET", f"{PATH}/{id}/cells", query=query)


def end(api, job, code, *lines):
    """Lets a job write lines to stderr, and one to stdout, and end."""
    job.begin()
    for line in lines:
        api.append(job.id, {"message": line, "stream": "stderr"})
    api.append(job.id, {"message": "the end"})
    return job.end(code)


# --- Cells


def test_the_states_of_a_batchs_jobs_are_a_letter_each(server, api, make):
    id, label = make([{"name": f"n{i}"} for i in range(5)])
    assert cells(api, id) == {
        "batch_id": id,
        "from": 0,
        "states": "qqqqq",
        "next_from": None,
    }
    with JobWorker(server, labels=[label], slots=1) as worker:
        first = worker.take().end(0)
        second = worker.take().end(1)
        third = worker.take().begin()
        eventually(lambda: cells(api, id)["states"] == "cfrqq", "the third runs")
        third.end(0)
        for _ in range(2):
            worker.take().end(0)
        over(api, id)
        api.expect(202, "POST", f"{PATH}/{id}/retry")
        again = worker.take().begin()
        eventually(
            lambda: cells(api, id)["states"] == "crccc",
            "a cell is that of the newest attempt",
        )
        some = cells(api, id, **{"from": 0, "limit": 2, "ids": "true"})
        assert some == {
            "batch_id": id,
            "from": 0,
            "states": "cr",
            "ids": [first.id, again.id],
            "next_from": 2,
        }
        again.end(0)
    over(api, id)
    assert cells(api, id, **{"from": 4}) == {
        "batch_id": id,
        "from": 4,
        "states": "c",
        "next_from": None,
    }
    assert cells(api, id, **{"from": 5})["states"] == ""
    api.expect(200, "DELETE", f"/api/v1/executions/{third.id}", query={"purge": "true"})
    assert cells(api, id)["states"] == "cc.cc" and second.id != again.id


def test_cells_that_are_the_same_are_not_sent_again(server, api, make):
    id, label = make([{}, {}])
    path = f"{PATH}/{id}/cells"
    first = api.get(path)
    assert first.headers["Cache-Control"] == "private, no-cache"
    seen = {"If-None-Match": first.headers["ETag"]}
    again = api.request("GET", path, headers=seen)
    assert (again.status, again.body) == (304, b"") and again.headers["ETag"] == first.headers["ETag"]
    with JobWorker(server, labels=[label], slots=1) as worker:
        worker.take().end(0)
        changed = eventually(
            lambda: (now := api.request("GET", path, headers=seen)).status == 200 and now,
            "a job has ended",
        )
        assert changed.json()["states"][0] == "c" and changed.headers["ETag"] != first.headers["ETag"]
        worker.take().end(0)


def test_cells_are_refused_where_the_batch_is_and_beyond_their_limit(api, make):
    id, _ = make([{}])
    assert api.get(f"{PATH}/none/cells").status == 404 and api.get(f"{PATH}/none/digest").status == 404
    for query in ({"limit": 20001}, {"limit": 0}, {"from": -1}, {"ids": "perhaps"}):
        answer = api.get(f"{PATH}/{id}/cells", query=query)
        assert (answer.status, answer.code) == (400, "malformed"), query
    mine, theirs = api.as_role("user", name="a"), api.as_role("user", name="b")
    id = mine.expect(201, "POST", PATH, {"jobs": [{"command": ["true"], "labels": ["nowhere"]}]})["batch_id"]
    for path in ("cells", "digest"):
        assert mine.get(f"{PATH}/{id}/{path}").status == 200 and theirs.get(f"{PATH}/{id}/{path}").status == 404


def test_the_states_of_many_jobs_are_a_byte_each(api, make):
    id, _ = make([{}] * 3000)
    answer = api.get(f"{PATH}/{id}/cells")
    assert answer.json()["states"] == "q" * 3000 and len(answer.body) < 3200
    api.expect(202, "POST", f"{PATH}/{id}/cancel")
    eventually(lambda: cells(api, id)["states"] == "x" * 3000, "all of them are cancelled")


# --- The digest


def test_a_digest_gathers_failures_by_status_exit_code_and_last_line(server, api, make):
    id, label = make([{"name": f"n{i}"} for i in range(6)])
    assert api.expect(200, "GET", f"{PATH}/{id}/digest") == {
        "batch_id": id,
        "failed_count": 0,
        "looked_at": 0,
        "groups": [],
    }
    with JobWorker(server, labels=[label], slots=1) as worker:
        end(api, worker.take(), 7, "begins", "out of paper")
        end(api, worker.take(), 7, "out of paper")
        end(api, worker.take(), 7)
        end(api, worker.take(), 8, "é" * 300)
        end(api, worker.take(), 0, "out of paper")
        last = end(api, worker.take(), 7, "out of paper")
    over(api, id)
    digest = api.expect(200, "GET", f"{PATH}/{id}/digest")
    assert (digest["failed_count"], digest["looked_at"]) == (5, 5)
    assert [(one["count"], one["exit_code"], one["line"], one["title"]) for one in digest["groups"]] == [
        (3, 7, "out of paper", "n5"),
        (1, 8, "é" * 100, "n3"),
        (1, 7, None, "n2"),
    ]
    assert {one["status"] for one in digest["groups"]} == {"failed"}
    assert digest["groups"][0]["execution_id"] == last.id


def test_a_digest_looks_at_the_latest_two_hundred(server, api, make):
    id, label = make([{"name": f"n{i}"} for i in range(205)])
    with JobWorker(server, labels=[label], slots=1) as worker:
        for i in range(205):
            if i == 100:
                end(api, worker.take(), 2, "oops")
            else:
                worker.take().end(1 if i < 6 else 2)
    over(api, id)
    digest = api.expect(200, "GET", f"{PATH}/{id}/digest")
    assert (digest["failed_count"], digest["looked_at"]) == (205, 200)
    assert [(one["count"], one["exit_code"], one["line"]) for one in digest["groups"]] == [
        (198, 2, None),
        (1, 2, "oops"),
        (1, 1, None),
    ]
