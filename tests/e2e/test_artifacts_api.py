"""Blobs, inputs, artifacts and run tokens, by HTTP."""

import hashlib
import http.client
import itertools
import os
import random
import threading

import pytest
from support import s3
from support.api import Api, RawConnection, eventually
from support.job_worker import JobWorker
from support.routes import route_rows
from support.small_disk import SmallServer, in_own_mount_namespace
from support.ws import Runner

PATH = "/api/v1/executions"
_numbers = itertools.count()


def sha(content):
    return hashlib.sha256(content).hexdigest()


def fresh(size=20):
    """Content that no other test has."""
    head = f"{os.getpid()} {next(_numbers)} ".encode()
    return head + os.urandom(max(size - len(head), 0))


def upload(api, content, expect=201):
    answer = api.request("PUT", f"/api/v1/blobs/{sha(content)}", content)
    assert answer.status == expect, answer
    return sha(content)


def entry(name, content, **fields):
    return {"name": name, "sha256": sha(content), "size": len(content), **fields}


def leave(api, id, name, content, expect=201, **fields):
    """Uploads the content and names it."""
    if api.request("HEAD", f"/api/v1/blobs/{sha(content)}").status == 404:
        upload(api, content)
    body = {"sha256": sha(content), "size": len(content), **fields}
    return api.expect(expect, "PUT", f"{PATH}/{id}/artifacts/{name}", body)


def part(api, content, first, last, expect):
    headers = {"Content-Range": f"bytes {first}-{last}/{len(content)}"}
    answer = api.request("PUT", f"/api/v1/blobs/{sha(content)}", content[first : last + 1], headers=headers)
    assert answer.status == expect, answer
    return answer


@pytest.fixture
def label():
    return f"files-{next(_numbers)}"


# --- Blobs


@pytest.mark.parametrize("size", [0, 1, 70_000, 3_000_000])
def test_a_content_is_uploaded_and_then_there(api, size):
    content = fresh(size)[:size]
    path = f"/api/v1/blobs/{sha(content)}"
    if size > 0:
        answer = api.request("HEAD", path)
        assert (answer.status, answer.headers["Upload-Offset"]) == (404, "0")
    answer = api.request("PUT", path, content)
    assert answer.status in (200, 201) and answer.json() == {"sha256": sha(content), "size": size}
    answer = api.request("HEAD", path)
    assert (answer.status, answer.headers["Content-Length"]) == (200, str(size))
    if size < 1_000_000:  # more would still be under way when the answer comes
        assert api.request("PUT", path, content).status == 200


def test_an_upload_goes_on_where_it_was(api):
    content = fresh(1_000_000)
    path = f"/api/v1/blobs/{sha(content)}"
    assert part(api, content, 0, 299_999, 202).headers["Upload-Offset"] == "300000"
    assert api.request("HEAD", path).headers["Upload-Offset"] == "300000"
    refused = part(api, content, 500_000, 999_999, 409)
    assert (refused.code, refused.headers["Upload-Offset"]) == ("conflict", "300000")
    assert part(api, content, 300_000, 799_999, 202).headers["Upload-Offset"] == "800000"
    part(api, content, 800_000, 999_999, 201)
    assert api.request("HEAD", path).status == 200
    part(api, content, 800_000, 999_999, 200)


def test_an_upload_that_is_cut_goes_on_where_it_was(server, api):
    content = fresh(2_000_000)
    path = f"/api/v1/blobs/{sha(content)}"
    with RawConnection(server.port) as connection:
        connection.send(
            f"PUT {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {api.token}\r\n"
            f"Content-Length: {len(content)}\r\nExpect: 100-continue\r\n\r\n".encode()
        )
        connection.told_to_go_on()
        connection.send(content[:1_500_000])
    offset = eventually(lambda: int(api.request("HEAD", path).headers.get("Upload-Offset", 0)), "a part is kept")

    def whole():
        at = int(api.request("HEAD", path).headers.get("Upload-Offset", len(content)))
        headers = {"Content-Range": f"bytes {at}-{len(content) - 1}/{len(content)}"}
        return api.request("PUT", path, content[at:], headers=headers).status in (200, 201)

    assert offset > 0
    eventually(whole, "the rest is taken")
    assert api.request("HEAD", path).status == 200


def test_a_content_of_another_hash_is_refused_and_forgotten(api):
    content = fresh(100_000)
    path = f"/api/v1/blobs/{sha(content)}"
    answer = api.request("PUT", path, content[:-1] + b"?")
    assert answer.status == 422 and answer.json()["error"]["fields"][0]["name"] == "sha256"
    assert api.request("HEAD", path).headers["Upload-Offset"] == "0"
    upload(api, content)


@pytest.mark.parametrize("name", ["x", "A" * 64, "0" * 63, "0" * 65, "g" * 64])
def test_a_name_that_is_no_hash_is_refused(api, name):
    assert api.request("PUT", f"/api/v1/blobs/{name}", b"x").status == 422
    assert api.request("HEAD", f"/api/v1/blobs/{name}").status == 404


@pytest.mark.parametrize("range", ["bytes 0-4/4", "bytes 5-4/10", "bytes 0-1/10", "lines 0-3/10", "bytes 0-3/*", ""])
def test_a_malformed_part_is_refused(api, range):
    content = fresh(4)[:4]
    answer = api.request("PUT", f"/api/v1/blobs/{sha(content)}", content, headers={"Content-Range": range})
    assert (answer.status, answer.code) == (400, "malformed")


def test_a_content_needs_a_length(api):
    headers = {"Transfer-Encoding": "chunked"}
    answer = api.request("PUT", f"/api/v1/blobs/{sha(b'x')}", b"1\r\nx\r\n0\r\n\r\n", headers=headers)
    assert (answer.status, answer.code) == (400, "malformed")


def test_what_an_account_has_is_hidden_from_others(api):
    content = fresh()
    upload(api, content)
    api.expect(201, "POST", "/api/v1/accounts", {"name": f"other-{os.getpid()}"})
    other = Api(api.port, api.key("admin", account=f"other-{os.getpid()}")["key"])
    assert other.request("HEAD", f"/api/v1/blobs/{sha(content)}").status == 404
    id = other.create()
    body = {"sha256": sha(content), "size": len(content)}
    assert other.request("PUT", f"{PATH}/{id}/artifacts/a", body).status == 422
    upload(other, content)
    other.expect(201, "PUT", f"{PATH}/{id}/artifacts/a", body)


# --- Artifacts


def test_artifacts_are_named_listed_counted_and_downloaded(api):
    id = api.create()
    first, second = fresh(100_000), fresh(10)
    assert api.status(id)["artifacts_count"] == 0
    named = leave(api, id, "out/report.csv", first, mode=0o755)
    assert named == {**entry("out/report.csv", first), "mode": 0o755, "created_at": named["created_at"]}
    leave(api, id, "a%20b%2Fc.txt", second)
    leave(api, id, "a%20b%2Fc.txt", second, expect=200)
    listed = api.expect(200, "GET", f"{PATH}/{id}/artifacts")
    assert [one["name"] for one in listed["artifacts"]] == ["a b/c.txt", "out/report.csv"]
    assert (listed["total_count"], listed["total_bytes"]) == (2, 100_010)
    status = api.status(id)
    assert (status["artifacts_count"], status["artifacts_bytes"]) == (2, 100_010)
    assert api.get(f"{PATH}/{id}/artifacts/out/report.csv").body == first
    assert api.get(f"{PATH}/{id}/artifacts/out%2Freport.csv").body == first
    assert api.get(f"{PATH}/{id}/artifacts/a%20b/c.txt").body == second
    assert api.get(f"{PATH}/{id}/artifacts/nothing").status == 404


def test_a_large_artifact_is_streamed(api):
    id, content = api.create(), fresh(20_000_000)
    leave(api, id, "large", content)
    assert api.get(f"{PATH}/{id}/artifacts/large").body == content


def test_no_browser_runs_an_artifact(api):
    id, content = api.create(), b"<script>alert(1)</script>"
    leave(api, id, "x/%22%C3%A4.html", content)
    for method in ("GET", "HEAD"):
        answer = api.request(method, f"{PATH}/{id}/artifacts/x/%22%C3%A4.html")
        assert answer.status == 200
        assert answer.headers["Content-Disposition"] == "attachment; filename*=UTF-8''%22%C3%A4.html"
        assert answer.headers["Content-Type"] == "application/octet-stream"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Content-Security-Policy"] == "sandbox"
        assert answer.headers["ETag"] == f'"{sha(content)}"'
        assert answer.headers["Accept-Ranges"] == "bytes"
        assert answer.headers["Content-Length"] == str(len(content))
        assert answer.body == (content if method == "GET" else b"")


@pytest.mark.parametrize(
    "header, first, last",
    [("bytes=0-0", 0, 0), ("bytes=5-", 5, 99), ("bytes=-7", 93, 99), ("bytes=90-1000", 90, 99), ("bytes=-500", 0, 99)],
)
def test_a_range_of_an_artifact_is_given(api, header, first, last):
    id, content = api.create(), fresh(100)
    leave(api, id, "a", content)
    answer = api.get(f"{PATH}/{id}/artifacts/a", headers={"Range": header})
    assert answer.status == 206 and answer.body == content[first : last + 1]
    assert answer.headers["Content-Range"] == f"bytes {first}-{last}/100"
    etag = f'"{sha(content)}"'
    same = api.get(f"{PATH}/{id}/artifacts/a", headers={"Range": header, "If-Range": etag})
    assert same.status == 206
    other = api.get(f"{PATH}/{id}/artifacts/a", headers={"Range": header, "If-Range": '"x"'})
    assert other.status == 200 and other.body == content


def test_a_range_outside_is_refused_and_several_give_all(api):
    id, content = api.create(), fresh(100)
    leave(api, id, "a", content)
    leave(api, id, "empty", b"")
    for name, header, size in (("a", "bytes=100-", 100), ("a", "bytes=-0", 100), ("empty", "bytes=0-", 0)):
        answer = api.get(f"{PATH}/{id}/artifacts/{name}", headers={"Range": header})
        assert (answer.status, answer.code) == (416, "range"), (name, header)
        assert answer.headers["Content-Range"] == f"bytes */{size}"
    for header in ("bytes=0-1,3-4", "bytes=4-2", "lines=0-1", "bytes=a-b", "bytes="):
        answer = api.get(f"{PATH}/{id}/artifacts/a", headers={"Range": header})
        assert answer.status == 200 and answer.body == content, header
    assert api.get(f"{PATH}/{id}/artifacts/empty").body == b""


def test_what_the_client_has_already_is_not_sent(api):
    id, content = api.create(), fresh(100)
    leave(api, id, "a", content)
    answer = api.get(f"{PATH}/{id}/artifacts/a", headers={"If-None-Match": f'"{sha(content)}"'})
    assert answer.status == 304 and answer.body == b""


@pytest.mark.parametrize(
    "name",
    ["%2Fetc/passwd", "..", "a/../b", "%2e%2e/a", "a/%2E%2E", "a%00b", "a%0Ab", "%1b", "a/", "a%2F", "%ff", "a" * 513],
)
def test_a_name_that_leads_elsewhere_is_refused(api, name):
    id, content = api.create(), fresh()
    upload(api, content)
    answer = api.request("PUT", f"{PATH}/{id}/artifacts/{name}", {"sha256": sha(content), "size": len(content)})
    assert answer.status == 422 and answer.json()["error"]["fields"][0]["name"] == "name", answer


def test_a_name_keeps_its_content(api):
    id, content, other = api.create(), fresh(), fresh()
    leave(api, id, "a", content)
    upload(api, other)
    assert leave(api, id, "a", other, expect=409)["error"]["code"] == "conflict"
    assert leave(api, id, "a", content, expect=409, mode=0o600)["error"]["code"] == "conflict"
    assert api.get(f"{PATH}/{id}/artifacts/a").body == content


def test_an_artifact_must_be_what_was_uploaded(api):
    id, content = api.create(), fresh()
    missing = {"sha256": sha(fresh()), "size": 1}
    answer = api.request("PUT", f"{PATH}/{id}/artifacts/a", missing)
    assert answer.status == 422 and answer.json()["error"]["fields"][0]["name"] == "sha256"
    upload(api, content)
    answer = api.request("PUT", f"{PATH}/{id}/artifacts/a", {"sha256": sha(content), "size": 1})
    assert answer.status == 422 and answer.json()["error"]["fields"][0]["name"] == "size"
    for body in ({"sha256": "x", "size": 1}, {"size": 1}, {**missing, "mode": 0o1777}, {**missing, "size": -1}):
        assert api.request("PUT", f"{PATH}/{id}/artifacts/a", body).status == 422


def test_after_the_seal_nothing_is_added(server, api):
    id, content = api.create(), fresh()
    leave(api, id, "before", content)
    with Runner(server, id) as runner:
        runner.complete(0)
    assert leave(api, id, "after", content, expect=409)["error"]["code"] == "sealed"
    assert api.get(f"{PATH}/{id}/artifacts/before").body == content


# --- Inputs


def test_a_job_takes_its_inputs_by_content(server, api, label):
    script, data = fresh(), fresh(100_000)
    inputs = [entry("run.py", script, mode=0o755), entry("data/in.csv", data)]
    body = {"queue": True, "labels": [label], "script_filename": "run.py", "inputs": inputs}
    refused = api.request("POST", PATH, body)
    assert refused.status == 422
    [field] = refused.json()["error"]["fields"]
    assert field["name"] == "inputs" and sha(data) in field["reason"] and "data/in.csv" in field["reason"]
    upload(api, script), upload(api, data)
    id = api.create(**body)
    with JobWorker(server, labels=[label]) as worker:
        job = worker.take()
        assert job.id == id and job.spec["inputs"] == inputs
        token = Api(server.port, job.frame["token"])
        assert token.get(f"{PATH}/{id}/inputs/data/in.csv").body == data
        assert api.get(f"{PATH}/{id}/inputs/run.py").body == script
        assert token.get(f"{PATH}/{id}/inputs/other").status == 404
        job.end(0, [])
    assert api.status(id)["artifacts_count"] == 0


@pytest.mark.parametrize(
    "inputs",
    [
        [{"name": "../a", "sha256": sha(b"x"), "size": 1}],
        [{"name": "a", "sha256": sha(b"x")}],
        [{"name": "a", "sha256": "x", "size": 1}],
        [{"name": "a", "sha256": sha(b"x"), "size": 1, "more": 1}],
        [{"name": "a", "sha256": sha(b"x"), "size": 1}] * 2,
        [{"name": name, "sha256": sha(b"x"), "size": 1} for name in ("a/b", "a.c", "a")],
        ["a"],
        [{"name": str(i), "sha256": sha(b"x"), "size": 1} for i in range(1001)],
    ],
)
def test_malformed_inputs_are_refused(api, inputs):
    upload(api, b"x", expect=api.request("HEAD", f"/api/v1/blobs/{sha(b'x')}").status == 404 and 201 or 200)
    answer = api.request("POST", PATH, {"queue": True, "command": ["true"], "inputs": inputs})
    assert answer.status == 422 and answer.json()["error"]["fields"][0]["name"] == "inputs", answer


def test_a_batch_names_what_is_not_there(api, label):
    content, missing = fresh(), fresh()
    upload(api, content)
    jobs = [{"inputs": [entry("a", content)]}, {"inputs": [entry("b", missing)]}]
    answer = api.request("POST", "/api/v1/batches", {"job": {"command": ["true"], "labels": [label]}, "jobs": jobs})
    assert answer.status == 422
    [field] = answer.json()["error"]["fields"]
    assert field["name"] == "jobs[1].inputs" and sha(missing) in field["reason"]


def test_a_batch_of_many_jobs_takes_one_content(servers):
    server = servers()
    api, content = server.api(), fresh(1000)
    upload(api, content)
    job = {"command": ["true"], "inputs": [entry("a", content)]}
    batch = api.expect(201, "POST", "/api/v1/batches", {"job": job, "jobs": [{}] * 1000})
    assert batch["total_count"] == 1000
    assert server.number("SELECT count(*) FROM files") == 1000
    assert server.number("SELECT refs FROM blobs") == 1000
    assert len(contents(server)) == 1


def test_another_attempt_finds_the_same_inputs(api, server, label):
    content = fresh()
    upload(api, content)
    id = api.create(queue=True, command=["false"], labels=[label], inputs=[entry("a", content)])
    with JobWorker(server, labels=[label]) as worker:
        first = worker.take().end(1)
        again = api.expect(201, "POST", f"{PATH}/{id}/retry")["execution_id"]
        second = worker.take()
        assert (first.id, second.id) == (id, again)
        token = Api(server.port, second.frame["token"])
        assert token.get(f"{PATH}/{again}/inputs/a").body == content
        assert token.get(f"{PATH}/{id}/inputs/a").status == 404
        second.end(0)


# --- Run tokens


@pytest.fixture
def running(server, api, label):
    """A job that a worker has, with an input, and its run token."""
    content = fresh()
    upload(api, content)
    id = api.create(queue=True, command=["true"], labels=[label], inputs=[entry("in", content)])
    with JobWorker(server, labels=[label]) as worker:
        job = worker.take()
        assert job.id == id
        yield job, Api(server.port, job.frame["token"]), content


def test_a_run_token_is_for_the_files_and_records_of_its_execution_alone(api, running):
    job, token, content = running
    other = api.create(inputs=[entry("in", content)])
    assert token.token.startswith("rnr_") and len(token.token) == 47
    assert token.get(f"{PATH}/{job.id}/inputs/in").body == content
    left = fresh()
    leave(token, job.id, "left", left)
    assert api.get(f"{PATH}/{job.id}/artifacts/left").body == left
    token.append_lines(job.id, ["by its token"])
    assert api.messages(job.id) == ["by its token"]
    named = {"sha256": sha(left), "size": len(left)}
    assert token.get(f"{PATH}/{other}/inputs/in").status == 404
    assert token.request("PUT", f"{PATH}/{other}/artifacts/x", named).status == 404
    assert token.post(f"{PATH}/{other}/logs", {"message": "x"}).status == 404
    for row in route_rows():
        if row["run_token"] or not row["roles"]:
            continue
        path = row["path"].format(
            id=job.id, name="left", key_id="key_nobody", worker_id="nobody", workflow="w", sha256="0" * 64
        )
        answer = token.request(row["method"], path, {} if row["body"] else None)
        assert (answer.status, answer.code) == (403, "forbidden"), (row["method"], path)
    assert api.status(job.id)["status"] == "running"


def test_a_run_token_of_an_older_epoch_is_refused(running):
    job, token, content = running
    job.give_back()
    again = job.worker.take()
    assert again.id == job.id and again.epoch > job.epoch and again.frame["token"] != token.token
    named = {"sha256": sha(content), "size": len(content)}
    for method, path, body in (
        ("GET", f"{PATH}/{job.id}/inputs/in", None),
        ("PUT", f"{PATH}/{job.id}/artifacts/x", named),
        ("PUT", f"/api/v1/blobs/{sha(content)}", content),
        ("POST", f"{PATH}/{job.id}/logs", {"message": "x"}),
    ):
        answer = token.request(method, path, body)
        assert (answer.status, answer.code) == (409, "fenced"), (method, path)
    newer = Api(token.port, again.frame["token"])
    assert newer.get(f"{PATH}/{job.id}/inputs/in").body == content


def test_after_the_seal_a_run_token_takes_late_artifacts_alone(api, running):
    job, token, content = running
    job.end(0, ["done"])
    late = fresh()
    assert token.get(f"{PATH}/{job.id}/inputs/in").code == "sealed"
    assert token.post(f"{PATH}/{job.id}/logs", {"message": "x"}).code == "sealed"
    leave(token, job.id, "late", late)
    assert api.get(f"{PATH}/{job.id}/artifacts/late").body == late
    assert api.status(job.id)["artifacts_count"] == 1
    assert api.request("PUT", f"{PATH}/{job.id}/artifacts/key", {"sha256": sha(late), "size": 20}).code == "sealed"


def test_a_run_token_lasts_over_a_restart_and_for_an_hour_after_the_seal(servers):
    server = servers()
    api, content = server.api(), fresh()
    id = api.create(queue=True, command=["true"])
    with JobWorker(server) as worker:
        job = worker.take()
        token = Api(server.port, job.frame["token"])
        server.kill()
    server.restart()
    leave(token, id, "a", content)
    with JobWorker(server, held=[{"execution_id": id, "epoch": job.epoch}]) as worker:
        stream = worker.opened(id, epoch=job.epoch)
        stream.say("complete", execution_id=id, exit_code=0)
        worker.listen(lambda: stream.closed)
    leave(token, id, "b", content)
    server.stop()
    server.change("UPDATE executions SET sealed_ms = sealed_ms - 3600001")
    server.restart()
    named = {"sha256": sha(content), "size": len(content)}
    assert token.request("PUT", f"{PATH}/{id}/artifacts/c", named).code == "sealed"
    assert token.request("HEAD", f"/api/v1/blobs/{sha(content)}").status == 409
    assert [one["name"] for one in api.expect(200, "GET", f"{PATH}/{id}/artifacts")["artifacts"]] == ["a", "b"]


def test_a_run_token_ends_with_its_account(server, api, label):
    name = f"ends-{os.getpid()}-{label}"
    api.expect(201, "POST", "/api/v1/accounts", {"name": name})
    key = Api(server.port, api.key("admin", account=name)["key"])
    content = fresh()
    upload(key, content)
    id = key.create(queue=True, command=["true"], labels=[label], inputs=[entry("in", content)])
    with JobWorker(server, key.token, labels=[label]) as worker:
        token = Api(server.port, worker.take().frame["token"])
        assert token.get(f"{PATH}/{id}/inputs/in").status == 200
        api.expect(200, "PATCH", f"/api/v1/accounts/{name}", {"suspended": True})
        assert token.get(f"{PATH}/{id}/inputs/in").code == "account_suspended"
        api.expect(200, "PATCH", f"/api/v1/accounts/{name}", {"suspended": False})
        assert token.get(f"{PATH}/{id}/inputs/in").status == 200
        api.delete(f"/api/v1/accounts/{name}", query={"purge": "true"})
        assert token.get(f"{PATH}/{id}/inputs/in").code == "unauthorized"


def test_a_run_token_that_was_changed_or_comes_by_another_way_is_refused(server, running):
    job, token, _ = running
    path = f"{PATH}/{job.id}/inputs/in"
    at = 10
    other = "A" if token.token[at] != "A" else "B"
    for wrong in (token.token[:at] + other + token.token[at + 1 :], token.token[:-1], "rnr_" + "A" * 43):
        assert Api(server.port, wrong).get(path).code == "unauthorized"
    assert token.get(path, token=None, query={"access_token": token.token}).code == "unauthorized"
    answer = token.get(f"{PATH}/{job.id}/logs/stream", token=None, query={"access_token": token.token})
    assert answer.code == "unauthorized" and "run token" in answer.json()["error"]["message"]


# --- Limits, retention, and what a crash leaves


def contents(server):
    return s3.kept(server, "content")


def keys(server):
    return set(server.column("SELECT key FROM blobs"))


def make_store_old(server):
    server.change("UPDATE meta SET value = '00' || substr(value, 3) WHERE name = 'incarnation'")


def make_old(*paths):
    for path in paths:
        os.utime(path, (1_000_000_000, 1_000_000_000))


def test_limits_are_told(servers):
    server = servers("--artifact-max", "1000", "--artifacts-max", "2500")
    api = server.api()
    refused = api.request("PUT", f"/api/v1/blobs/{sha(b'x' * 1001)}", b"x" * 1001)
    assert refused.status == 413 and "artifact_max" in refused.json()["error"]["message"]
    upload(api, b"a" * 1000), upload(api, b"b" * 1000)
    refused = api.request("PUT", f"/api/v1/blobs/{sha(b'c' * 501)}", b"c" * 501)
    assert refused.status == 413 and "artifacts_max" in refused.json()["error"]["message"]
    upload(api, b"c" * 500)
    upload(api, b"a" * 1000, expect=200)


def test_interrupted_uploads_have_the_same_limit(servers):
    server = servers("--artifacts-max", "1000")
    api, first, second = server.api(), fresh(900), fresh(900)
    part(api, first, 0, 499, 202)
    answer = part(api, second, 0, 499, 413)
    assert "interrupted" in answer.json()["error"]["message"]
    part(api, first, 500, 899, 201)


def test_files_go_with_their_execution_and_content_with_its_last_file(servers):
    server = servers("--retention", "1s")
    api = server.api()
    kept, content, shared = api.create(), fresh(), fresh()
    upload(api, shared)
    gone = api.create(inputs=[entry("in", shared)])
    leave(api, gone, "out", content)
    leave(api, kept, "shared", shared)
    with Runner(server, gone) as runner:
        runner.complete(0)
    eventually(lambda: api.get(f"{PATH}/{gone}").status == 410, "it goes when its time has come")
    for path in ("artifacts", "artifacts/out", "inputs/in"):
        answer = api.get(f"{PATH}/{gone}/{path}")
        assert (answer.status, answer.code) == (410, "expired"), path
        assert answer.json()["execution"]["artifacts_count"] == 1
    assert leave(api, gone, "more", content, expect=410)["error"]["code"] == "expired"
    assert server.number("SELECT count(*) FROM files") == 1
    assert len(contents(server)) == 2  # an order may follow, for a day
    server.stop()
    server.change("UPDATE blobs SET wanted_ms = wanted_ms - 86400001")
    server.restart()
    eventually(lambda: len(contents(server)) == 1, "what nothing refers to goes after a day")
    eventually(lambda: len(keys(server)) == 1, "its blob is gone")
    assert server.number("SELECT bytes FROM blob_bytes") == len(shared)
    assert api.request("HEAD", f"/api/v1/blobs/{sha(content)}").status == 404
    assert api.get(f"{PATH}/{kept}/artifacts/shared").body == shared
    upload(api, content)
    eventually(lambda: api.metrics()["runnel_blobs_removed_total"] == 1, "it is counted")


def test_what_is_purged_by_hand_is_purged_everywhere(servers):
    server = servers()
    api, content = server.api(), fresh()
    id = api.create()
    leave(api, id, "a", content)
    with Runner(server, id) as runner:
        runner.complete(0)
    assert api.delete(f"{PATH}/{id}", query={"purge": "true"}).status in (200, 202, 204)
    assert api.get(f"{PATH}/{id}/artifacts/a").status == 410
    server.stop()
    server.change("UPDATE blobs SET wanted_ms = 0")
    server.restart()
    eventually(lambda: contents(server) == [], "its content is gone")


def test_artifacts_are_purged_by_hand_and_the_log_and_the_inputs_stay(server, api):
    taken, left = fresh(), fresh(3000)
    upload(api, taken)
    id = api.create(inputs=[entry("in", taken)])
    path = f"{PATH}/{id}/artifacts"
    leave(api, id, "a", left)
    refused = api.delete(path)
    assert (refused.status, refused.code) == (409, "conflict") and "cancel it" in refused.json()["error"]["message"]
    with Runner(server, id) as runner:
        runner.lines(["a line"])
        leave(api, id, "b/c", taken)  # what it goes on to leave stays
        runner.complete(0)
    told = api.expect(200, "DELETE", path)
    assert told == {"execution_id": id, "purged_count": 2, "purged_bytes": len(taken) + len(left)}
    assert api.expect(200, "DELETE", path) == {"execution_id": id, "purged_count": 0, "purged_bytes": 0}
    assert api.get(path).json() == {"artifacts": [], "total_count": 0, "total_bytes": 0}
    assert api.get(f"{path}/a").status == 404
    status = api.status(id)
    assert (status["status"], status["artifacts_count"], status["artifacts_bytes"]) == ("completed", 0, 0)
    assert api.messages(id) == ["a line"] and api.get(f"{PATH}/{id}/inputs/in").body == taken
    api.expect(200, "DELETE", f"{PATH}/{id}", query={"purge": "true"})
    assert api.delete(path).status == 410 and api.delete(f"{PATH}/nobody/artifacts").status == 404


@s3.in_files
def test_content_that_no_blob_names_goes_after_a_day(servers):
    server = servers()
    api, content = server.api(), fresh()
    id = api.create()
    leave(api, id, "a", content)
    unfinished = fresh(1000)
    part(api, unfinished, 0, 499, 202)
    server.stop()
    [known] = contents(server)
    folder, parts = known.parent, server.data / "blobs" / "parts" / "1"
    old, new = folder / f"{'a' * 64}.x", folder / f"{'b' * 64}.x"
    old.write_bytes(b"old"), new.write_bytes(b"new")
    old_part, new_part = parts / ("c" * 64), parts / sha(unfinished)
    old_part.write_bytes(b"old")
    make_old(known, old, old_part)
    server.restart()
    eventually(lambda: not old_part.exists(), "an upload that is older than a day goes")
    assert old.exists()  # another backup than the one that the store was made of may name it
    server.stop()
    make_store_old(server)
    server.restart()
    eventually(lambda: not old.exists(), "what is older than a day goes")
    assert known.exists() and new.exists() and new_part.exists()
    assert api.get(f"{PATH}/{id}/artifacts/a").body == content
    part(api, unfinished, 500, 999, 201)


def test_an_artifact_whose_content_was_not_restored_is_told(servers):
    server = servers()
    api, content = server.api(), fresh()
    id = api.create()
    leave(api, id, "a", content)
    contents(server)[0].unlink()
    answer = api.get(f"{PATH}/{id}/artifacts/a")
    assert answer.status == 404 and "restored" in answer.json()["error"]["message"]
    assert server.running()


def test_what_is_listed_has_its_content_whenever_the_server_was_killed(servers):
    server = servers()
    ids = [server.api().create() for _ in range(3)]
    source = random.Random(11)
    stop = threading.Event()
    named = {}  # what was acknowledged

    def work(id):
        api = server.api()
        count = 0
        while not stop.is_set():
            content, name = fresh(source.choice([10, 100_000, 400_000])), f"{count}"
            count += 1
            try:
                answer = api.request("PUT", f"/api/v1/blobs/{sha(content)}", content)
                body = {"sha256": sha(content), "size": len(content)}
                if answer.status == 201 and api.request("PUT", f"{PATH}/{id}/artifacts/{name}", body).status == 201:
                    named[id, name] = content
            except (OSError, http.client.HTTPException):
                pass  # it was killed

    workers = [threading.Thread(target=work, args=(id,)) for id in ids]
    for worker in workers:
        worker.start()
    for _ in range(5):
        before = len(named)
        eventually(lambda: len(named) > before + source.randrange(6), "some more are named")
        server.kill()
        server.restart()
    stop.set()
    for worker in workers:
        worker.join()
    api = server.api()
    listed = {}
    for id in ids:
        for one in api.expect(200, "GET", f"{PATH}/{id}/artifacts")["artifacts"]:
            listed[id, one["name"]] = one
    assert set(named) <= set(listed)
    for (id, name), one in listed.items():
        body = api.get(f"{PATH}/{id}/artifacts/{name}").body
        assert sha(body) == one["sha256"] and len(body) == one["size"], one
    server.stop()
    server.change("UPDATE blobs SET wanted_ms = 0")
    make_store_old(server)
    make_old(*contents(server), *s3.kept(server, "parts"))
    server.restart()
    wanted = {one["sha256"] for one in listed.values()}
    eventually(lambda: {path.name[:64] for path in contents(server)} == wanted, "nothing else is left")
    eventually(lambda: len(contents(server)) == len(keys(server)) == len(wanted), "each once")
    eventually(lambda: s3.kept(server, "parts") == [], "no part")
    assert server.number("SELECT bytes FROM blob_bytes") == sum(one["size"] for one in listed.values())


@s3.in_files
@pytest.mark.sqlite("its file, and the disk that it lies on")
@pytest.mark.skipif(not in_own_mount_namespace(), reason="this machine allows no mount namespaces")
def test_a_full_disk_refuses_an_upload_and_loses_nothing(servers):
    server = servers(start=False)
    small = SmallServer(server, "48m")
    api, large, kept = small.api, fresh(60_000_000), fresh(1_000_000)
    id = api.create()
    leave(api, id, "kept", kept)
    with RawConnection(server.port) as connection:
        connection.send(
            f"PUT /api/v1/blobs/{sha(large)} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {api.token}\r\n"
            f"Content-Length: {len(large)}\r\nExpect: 100-continue\r\n\r\n".encode()
        )
        answer = connection.answer("PUT")
        assert (answer.status, answer.code) == (507, "store_full")
    assert small.ready()
    api.append_lines(id, ["the store goes on"])
    assert api.get(f"{PATH}/{id}/artifacts/kept").body == kept
    small.make_larger("200m")
    leave(api, id, "large", large)
    assert api.get(f"{PATH}/{id}/artifacts/large").body == large
