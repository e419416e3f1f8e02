"""Blobs, inputs, artifacts and run tokens, by HTTP."""

import hashlib
import itertools
import os

import pytest
from support.api import Api, RawConnection, eventually
from support.job_worker import JobWorker
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
