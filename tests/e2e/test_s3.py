"""Files of runs in S3: what is sent there, what interrupted uploads leave, and S3 away, slow, lying or refusing."""

import os
import socket
import threading

import pytest
from support import s3
from support.api import eventually
from support.s3_kept import PART, Kept, blob, go_on, interrupted
from support.s3_proxy import CUT, HALF, HANG, LOST, S3Proxy, error

pytestmark = s3.needs_s3
PATH = "/api/v1/executions"
SECRET = "S3RVER"


@pytest.fixture
def kept(servers):
    made = []

    def make(*flags, **options):
        made.append(Kept(servers, *flags, **options))
        return made[-1]

    yield make
    for one in made:
        one.proxy.close()


def reason(answer):
    assert (answer.status, answer.code, answer.headers["Retry-After"]) == (503, "unavailable", "1"), answer
    return answer.json()["error"]["message"]


# --- What is sent


def test_every_request_is_signed_and_content_of_all_sizes_comes_back(kept):
    it = kept()
    for size in (0, 1, 100_000, PART, 2 * PART + 12_345):
        content = os.urandom(size)
        it.put(content)
        path = it.name(content)
        assert it.api.get(path).body == content
        if size > 10:
            answer = it.api.get(path, headers={"Range": f"bytes={size - 5}-"})
            assert (answer.status, answer.body) == (206, content[-5:])
    assert it.proxy.problems == []
    assert (it.proxy.count("begin"), it.proxy.count("part"), it.proxy.count("complete")) == (1, 3, 1)
    assert it.s3.uploads(it.prefix) == {}
    assert [key.split("/")[0] for key in it.objects()] == ["content"] * 5  # no record is left


def test_the_bucket_may_stand_in_the_name_of_the_host(servers):
    engine = s3.shared()
    proxy = S3Proxy(engine)
    where = engine.flags("host-style", f"http://localhost:{proxy.port}")
    server = servers(*where, "--s3-style", "host", env=engine.keys)
    api, content = server.api(), os.urandom(PART + 1000)
    assert api.request("PUT", blob(content), content).status == 201
    assert api.request("PUT", blob(b"small"), b"small").status == 201
    assert {request.headers["Host"] for request in proxy.requests} == {f"runnel.localhost:{proxy.port}"}
    assert proxy.problems == [] and len(engine.files("host-style")) == 2
    eventually(lambda: proxy.count("list") > 0, "the sweep lists what is there")
    proxy.close()


# --- Interrupted uploads


def test_an_upload_goes_on_behind_its_last_part_after_a_kill(kept):
    it, content = kept(), os.urandom(2 * PART + 1000)
    interrupted(it, content)
    assert it.api.request("HEAD", blob(content)).headers["Upload-Offset"] == str(PART)
    assert go_on(it, content, PART).status == 201
    assert it.api.get(it.name(content)).body == content
    assert it.s3.uploads(it.prefix) == {} and len(it.objects()) == 1
    assert it.proxy.problems == []


def test_what_went_on_with_other_bytes_is_read_back_and_refused(kept):
    it, content = kept(), os.urandom(2 * PART + 1000)
    interrupted(it, content, b"?" + content[1:])
    refused = go_on(it, content, PART)
    assert refused.status == 422 and refused.json()["error"]["fields"][0]["name"] == "sha256"
    assert it.objects() == [] and it.s3.uploads(it.prefix) == {}
    assert it.api.request("HEAD", blob(content)).headers["Upload-Offset"] == "0"
    it.put(content)


def test_the_sweep_ends_uploads_of_which_nobody_knows(kept):
    it, content = kept(), os.urandom(2 * PART)
    interrupted(it, content)
    it.server.stop()
    [record] = [path for key, path in it.s3.files(it.prefix).items() if key.startswith("parts/")]
    record.unlink()
    for path in (it.s3.folder / s3.BUCKET / "._S3rver_uploads").rglob("*"):
        os.utime(path, (1_000_000_000, 1_000_000_000))
    it.server.restart()
    eventually(lambda: it.s3.uploads(it.prefix) == {}, "its parts are given back")


# --- S3 away


def test_logs_go_on_while_s3_is_away_and_files_say_why(kept):
    it, content = kept(), os.urandom(1000)
    it.put(content)
    path, id = it.name(content), it.api.create()
    it.proxy.fault = lambda request: CUT
    assert "cannot be reached" in reason(it.api.get(path))
    it.api.append_lines(id, ["a line"])
    assert it.api.messages(id) == ["a line"]
    assert "cannot be reached" in reason(it.api.request("PUT", blob(b"new"), b"new"))
    ready = it.api.get("/ready", token=None)
    assert (ready.status, ready.json()["status"]) == (200, "ready")
    assert "cannot be reached" in ready.json()["away"]["artifacts"]
    assert it.api.metrics()["runnel_artifacts_away"] == 1
    it.proxy.fault = lambda request: None
    eventually(lambda: it.api.get(path).body == content, "it is read again")
    assert it.api.get("/ready", token=None).json() == {"status": "ready"}
    assert it.api.metrics()["runnel_artifacts_away"] == 0
    told = [entry for entry in it.server.log() if entry["message"] == "files cannot be kept or read"]
    assert len(told) == 1 and told[0]["level"] == "ERROR"


def test_a_server_starts_while_nothing_listens_for_s3(servers):
    with socket.create_server(("127.0.0.1", 0)) as held:
        url = f"http://127.0.0.1:{held.getsockname()[1]}"
        held.close()
        server = servers("--artifacts", "s3://runnel/x", "--s3-endpoint", url, env=s3.shared().keys)
    api = server.api()
    id = api.create()
    api.append_lines(id, ["a line"])
    assert "cannot be reached" in reason(api.request("PUT", blob(b"x"), b"x"))
    assert server.stop() == 0


def test_who_waits_for_a_slow_s3_holds_up_nobody_else(kept):
    it, content = kept("--s3-timeout-seconds", "3"), os.urandom(1000)
    it.put(content)
    path, id = it.name(content), it.api.create()
    it.proxy.fault = lambda request: HANG if request.kind == "get" else None
    answers = []
    reader = threading.Thread(target=lambda: answers.append(it.api.get(path)))
    reader.start()
    assert it.proxy.hangs.wait(60)
    it.api.append_lines(id, ["a line"])
    assert it.api.messages(id) == ["a line"]
    reader.join(60)
    assert "cannot be reached" in reason(answers[0])


@pytest.mark.parametrize("fault", [CUT, error(503, "SlowDown"), error(500, "InternalError"), (502, b"<html>no</html>")])
def test_what_is_over_in_a_moment_is_not_seen(kept, fault):
    it, content = kept(), os.urandom(1000)
    left = iter([fault])
    it.proxy.fault = lambda request: next(left, None) if request.kind == "put" else None
    it.put(content)
    if fault != CUT:  # libcurl makes a request itself once more when a connection that was kept open is gone
        assert it.api.metrics()["runnel_artifacts_retries_total"] >= 1
    path = it.name(content)
    other = iter([fault, fault])
    it.proxy.fault = lambda request: next(other, None) if request.kind == "get" else None
    assert it.api.get(path).body == content
    assert it.api.get("/ready", token=None).json() == {"status": "ready"}


@pytest.mark.parametrize(
    "fault, says, tries",
    [
        (error(403, "AccessDenied"), "answers 403 AccessDenied", 1),
        (error(404, "NoSuchBucket"), "answers 404 NoSuchBucket", 1),
        (error(301, "PermanentRedirect"), "answers 301 PermanentRedirect", 1),
        ((404, b"<html>nobody here</html>"), "answers 404", 1),
        (error(503, "<b>\n"), "answers 503", 5),
        ((200, b""), "not what S3 would", 3),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_a_refusal_of_s3_is_told_and_never_is_content_that_is_missing(kept, fault, says, tries):
    it, content = kept(), os.urandom(1000)
    it.put(content)
    path = it.name(content)
    begun = it.proxy.count("get")
    it.proxy.fault = lambda request: fault if request.kind == "get" else None
    answer = it.api.get(path)
    assert says in reason(answer)
    assert it.proxy.count("get") - begun == tries
    it.proxy.fault = lambda request: None
    eventually(lambda: it.api.get(path).body == content, "it is there all the same")


def test_half_a_body_is_asked_for_again(kept):
    it, content = kept(), os.urandom(1000)
    it.put(content)
    path = it.name(content)
    left = iter([HALF, HALF])
    it.proxy.fault = lambda request: next(left, None) if request.kind == "get" else None
    assert it.api.get(path).body == content
    it.proxy.fault = lambda request: HALF if request.kind == "get" else None
    assert it.api.get(path).status == 503


def test_a_full_quota_is_a_full_store(kept):
    it = kept()
    it.proxy.fault = lambda request: error(403, "QuotaExceeded") if request.kind == "put" else None
    assert it.put(b"content", 507).code == "store_full"
    it.proxy.fault = lambda request: None
    it.put(b"content")


@pytest.mark.parametrize("fault", [LOST, (200, error(200, "InternalError")[1]), CUT], ids=["lost", "error", "cut"])
def test_a_multipart_upload_is_completed_once_whatever_becomes_of_the_answer(kept, fault):
    it, content = kept(), os.urandom(PART + 1000)
    left = iter([fault])
    it.proxy.fault = lambda request: next(left, None) if request.kind == "complete" else None
    it.put(content)
    assert it.api.get(it.name(content)).body == content
    assert len(it.objects()) == 1 and it.s3.uploads(it.prefix) == {}


# --- Credentials


def test_wrong_credentials_are_told_and_new_ones_are_taken_without_a_restart(kept, tmp_path):
    file = tmp_path / "credentials"
    file.write_text("[default]\naws_access_key_id = S3RVER\naws_secret_access_key = not-the-secret\n")
    it = kept("--s3-credentials", str(file), env={})
    assert "answers 403 SignatureDoesNotMatch" in reason(it.put(b"content", 503))
    file.write_text("[default]\naws_access_key_id = NOBODY\naws_secret_access_key = not-the-secret\n")
    eventually(lambda: "InvalidAccessKeyId" in reason(it.put(b"content", 503)), "the file is read again")
    file.write_text(f"[default]\naws_access_key_id = S3RVER\naws_secret_access_key = {SECRET}\n")
    it.recovers(b"content")
    file.unlink()
    assert "no credentials" in reason(it.put(b"another", 503))
    assert "not-the-secret" not in it.server.process.err.data.decode()


@pytest.mark.parametrize("status", [400, 403])
@pytest.mark.parametrize("code", ["ExpiredToken", "RequestTimeTooSkewed", "InvalidToken"])
def test_credentials_that_have_run_out_and_a_wrong_clock_are_s3_away(kept, status, code):
    it, content = kept(), os.urandom(1000)
    it.put(content)
    path = it.name(content)
    begun = it.proxy.count("get")
    it.proxy.fault = lambda request: error(status, code)
    assert f"answers {status} {code}" in reason(it.api.get(path))
    assert it.proxy.count("get") - begun <= 1  # it is not tried again; nor at all, if a sweep was answered so before
    assert code in it.api.get("/ready", token=None).json()["away"]["artifacts"]
    assert it.api.metrics()["runnel_artifacts_away"] == 1
    it.proxy.fault = lambda request: None
    eventually(lambda: it.api.get(path).body == content, "it is read again")
    assert it.api.get("/ready", token=None).json() == {"status": "ready"}


@pytest.mark.parametrize(
    "flags, says",
    [
        (["--artifacts", "s3://Bucket"], "s3://BUCKET/PREFIX"),
        (["--artifacts", "s3://bucket/../x"], "s3://BUCKET/PREFIX"),
        (["--artifacts", "elsewhere"], "s3://BUCKET/PREFIX"),
        (["--artifacts", "s3://bucket", "--s3-endpoint", "http://example.com"], "s3_endpoint"),
        (["--artifacts", "s3://bucket", "--s3-region", "a b"], "s3_region"),
        (["--artifacts", "s3://bucket", "--s3-credentials", "/nowhere"], "/nowhere"),
        (["--artifacts", "s3://bucket", "--s3-style", "x"], "s3_style"),
    ],
)
def test_a_mistake_in_the_settings_shows_at_the_start(servers, flags, says):
    server = servers(*flags, start=False, env={"AWS_ACCESS_KEY_ID": "A", "AWS_SECRET_ACCESS_KEY": "B"})
    process = server.spawn()
    assert process.finish() == 2
    assert says in process.err.data.decode()


# --- Lists that are no lists


def listing(items, truncated="false"):
    return f"<ListBucketResult><IsTruncated>{truncated}</IsTruncated>{items}</ListBucketResult>".encode()


HOSTILE = {
    "entities": b'<!DOCTYPE l [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]>' + listing("&b;"),
    "depth": listing("<a>" * 10_000),
    "cut": listing("<Contents><Key>x</Key></Contents>")[:-30],
    "another": b"<ListPartsResult></ListPartsResult>",
    "long": listing("<Contents><Key>" + "k" * 100_000 + "</Key></Contents>"),
    "huge": listing("<Contents>" + "<a></a>" * 1_500_000 + "</Contents>"),
    "elsewhere": listing("<Contents><Key>../other</Key><Size>1</Size></Contents>", "true"),
    "endless": listing("", "true"),
    "html": b"<html><body>Log in to the network</body></html>",
    "nothing": b"",
    "zeros": bytes(1000),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_list_that_is_none_is_refused_and_removes_nothing(kept, name):
    it, content = kept(), os.urandom(1000)
    it.put(content)
    path = it.name(content)
    it.server.stop()
    it.proxy.fault = lambda request: (200, HOSTILE[name]) if request.kind in ("list", "list uploads") else None
    it.server.restart()
    said = reason(it.api.request("PUT", blob(b"new"), b"new"))
    assert "not what S3 would" in said or "in no order" in said
    assert it.api.get(path).body == content
    it.proxy.fault = lambda request: None
    it.recovers(b"new")
