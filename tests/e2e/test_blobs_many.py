"""Many small contents in one request: POST /api/v1/blobs and /api/v1/blobs/missing."""

import gzip
import hashlib
import itertools
import os

import pytest
from support import s3
from support.api import Api, RawConnection, eventually
from support.small_disk import SmallServer, in_own_mount_namespace

MIB = 1024 * 1024
MANY, MISSING = "/api/v1/blobs", "/api/v1/blobs/missing"
_numbers = itertools.count()


def sha(content):
    return hashlib.sha256(content).hexdigest()


def fresh(size=20):
    """Content that no other test has."""
    head = f"{os.getpid()} {next(_numbers)} ".encode()
    return head + os.urandom(max(size - len(head), 0))


def framed(contents):
    return b"".join(b"%s %d\n%s" % (sha(one).encode(), len(one), one) for one in contents)


def send(api, body, **options):
    return api.request("POST", MANY, body, **options)


def missing(api, hashes):
    return api.expect(200, "POST", MISSING, {"hashes": hashes})["missing"]


def content_of(api, content):
    """What the server has under the hash, by way of an artifact."""
    id = api.create()
    body = {"sha256": sha(content), "size": len(content)}
    api.expect(201, "PUT", f"/api/v1/executions/{id}/artifacts/a", body)
    return api.get(f"/api/v1/executions/{id}/artifacts/a").body


def files(server):
    return s3.kept(server)


def assert_nothing_kept(server, contents):
    assert missing(server.api(), [sha(one) for one in contents]) == [sha(one) for one in contents]
    eventually(lambda: files(server) == [], "what was begun is removed")


def test_many_contents_are_there_once_the_answer_comes(api):
    contents = [fresh(size) for size in (20, 30, 5_000, 100_000)] + [b"lines\n\n" + fresh(), b""]
    hashes = [sha(one) for one in contents]
    assert set(hashes[:5]) <= set(missing(api, hashes))
    answer = send(api, framed(contents))
    assert answer.status == 201
    told = answer.json()
    assert (told["total_count"], told["total_bytes"]) == (6, sum(map(len, contents)))
    assert told["new_count"] in (5, 6)  # another test may have sent the empty one
    assert missing(api, hashes) == []
    for one in contents:
        assert api.request("HEAD", f"{MANY}/{sha(one)}").headers["Content-Length"] == str(len(one))
        assert content_of(api, one) == one
    again = send(api, framed(contents))
    assert again.status == 200 and again.json()["new_count"] == 0
    more = fresh()
    assert send(api, framed(contents + [more])).json()["new_count"] == 1
    assert content_of(api, more) == more


def test_no_contents_are_fine(api):
    answer = send(api, b"")
    assert (answer.status, answer.json()) == (200, {"total_count": 0, "total_bytes": 0, "new_count": 0})
    assert missing(api, []) == []


def test_what_is_missing_is_told_in_the_order_of_the_question(api):
    there, lacking = [fresh() for _ in range(3)], [fresh() for _ in range(4)]
    assert send(api, framed(there)).status == 201
    asked = [sha(one) for one in (lacking[2], there[0], lacking[0], there[2], lacking[3], there[1], lacking[2])]
    assert missing(api, asked) == [sha(lacking[2]), sha(lacking[0]), sha(lacking[3]), sha(lacking[2])]


@pytest.mark.parametrize("hash", ["", "x", "A" * 64, "0" * 63, "0" * 65, "g" * 64, "0" * 63 + "\0"])
def test_a_question_about_what_is_no_hash_is_refused(api, hash):
    answer = api.post(MISSING, {"hashes": [sha(fresh()), hash]})
    assert answer.status == 422 and answer.json()["error"]["fields"][0]["name"] == "hashes"


def test_accounts_share_nothing(api):
    content, name = fresh(), f"many-{os.getpid()}"
    assert send(api, framed([content])).status == 201
    api.expect(201, "POST", "/api/v1/accounts", {"name": name})
    other = Api(api.port, api.key("admin", account=name)["key"])
    assert missing(other, [sha(content)]) == [sha(content)]
    assert send(other, framed([content])).status == 201
    assert content_of(other, content) == content


def test_who_may_not_upload_one_may_not_upload_many(api):
    viewer = Api(api.port, api.key("viewer")["key"])
    assert send(viewer, framed([fresh()])).status == 403
    assert viewer.post(MISSING, {"hashes": []}).status == 403
    user = Api(api.port, api.key("user")["key"])
    assert send(user, framed([fresh()])).status == 201


def test_one_wrong_hash_refuses_all_of_them(servers):
    server = servers()
    api, contents = server.api(), [fresh() for _ in range(30)]
    body = framed(contents[:20]) + f"{sha(contents[20])} 3\nabc".encode() + framed(contents[21:])
    answer = send(api, body)
    assert (answer.status, answer.code) == (422, "invalid")
    [field] = answer.json()["error"]["fields"]
    assert field["name"] == "sha256" and sha(contents[20]) in field["reason"]
    assert_nothing_kept(server, contents)
    # Also of one that is there already: nobody is told that something else is it.
    assert send(api, framed(contents[20:21])).status == 201
    assert send(api, body).status == 422


def test_a_content_that_comes_twice_is_kept_once(servers):
    server = servers()
    api, one, other = server.api(), fresh(), fresh()
    answer = send(api, framed([one, other, one, b"", b"", one]))
    assert answer.status == 201 and answer.json()["new_count"] == 3
    assert content_of(api, one) == one and content_of(api, other) == other
    assert server.number("SELECT bytes FROM blob_bytes") == len(one) + len(other)
    assert send(api, framed([fresh()]) + f"{sha(one)} {len(one)}\n".encode() + one[::-1] + framed([one])).status == 422


HASH = sha(b"abc").encode()


@pytest.mark.parametrize(
    "body",
    [
        b"x",
        b"\n",
        HASH,
        HASH + b"\nabc",
        HASH + b" 4\nabc",
        HASH + b" 2\nabc",
        HASH + b" -3\nabc",
        HASH + b" 3\r\nabc",
        HASH + b" 0x3\nabc",
        HASH.upper() + b" 3\nabc",
        HASH + b" 99999999999999999999999\nabc",
        b"0" * 100_000,
        b"\0" * 1000,
    ],
)
def test_a_malformed_body_is_refused_as_a_whole(api, body):
    content = fresh()
    answer = send(api, framed([content]) + body)
    assert (answer.status, answer.code) == (400, "malformed")
    assert answer.json()["error"]["message"].startswith("content 2 of the body: ") or b" 2\n" in body
    assert missing(api, [sha(content)]) == [sha(content)]


def test_limits_of_a_body_are_told(servers):
    server = servers("--artifact-max", 3 * MIB, "--artifacts-max", 20 * MIB)
    api = server.api()
    small = [fresh() for _ in range(1001)]
    answer = send(api, framed(small))
    assert answer.status == 413 and "1,000 contents" in answer.json()["error"]["message"]
    large = fresh(MIB + 1)
    answer = send(api, framed([small[0], large]))
    assert answer.status == 413 and "content 2" in answer.json()["error"]["message"]
    assert "PUT /api/v1/blobs/{sha256}" in answer.json()["error"]["message"]
    with RawConnection(server.port) as connection:
        head = f"POST {MANY} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {api.token}\r\n"
        connection.send(f"{head}Content-Length: {8 * MIB + 1}\r\nExpect: 100-continue\r\n\r\n".encode())
        answer = connection.answer("POST")  # before the body
        assert answer.status == 413 and "8 MiB" in answer.json()["error"]["message"]
    answer = send(api, b"1\r\nx\r\n0\r\n\r\n", headers={"Transfer-Encoding": "chunked"})
    assert (answer.status, answer.code) == (400, "malformed")
    answer = send(api, gzip.compress(framed(small[:3])), headers={"Content-Encoding": "gzip"})
    assert answer.status == 415
    assert_nothing_kept(server, small[:1000])
    full = [fresh(MIB) for _ in range(7)] + [fresh(MIB - 8 * 80)]
    assert send(api, framed(full)).status == 201
    assert send(api, framed(small[:1000])).status == 201
    assert content_of(api, full[0]) == full[0] and content_of(api, full[7]) == full[7]


def test_limits_of_files_and_of_the_account_are_told(servers):
    server = servers("--artifact-max", "1000", "--artifacts-max", "2500")
    api = server.api()
    contents = [fresh(1000) for _ in range(3)]
    answer = send(api, framed([fresh(), fresh(1001)]))
    assert answer.status == 413 and "artifact_max" in answer.json()["error"]["message"]
    answer = send(api, framed(contents))
    assert answer.status == 413 and "artifacts_max" in answer.json()["error"]["message"]
    assert_nothing_kept(server, contents)
    assert send(api, framed(contents[:2])).status == 201
    assert send(api, framed(contents)).status == 413
    assert send(api, framed(contents[:2])).status == 200
    assert missing(api, [sha(contents[2])]) == [sha(contents[2])]


def test_a_body_that_is_cut_off_leaves_nothing(servers):
    server = servers()
    api, contents = server.api(), [fresh(1000) for _ in range(900)]
    body = framed(contents)
    for sent in (0, 30, 500_000, len(body) - 1):
        with RawConnection(server.port) as connection:
            connection.send(
                f"POST {MANY} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {api.token}\r\n"
                f"Content-Length: {len(body)}\r\nExpect: 100-continue\r\n\r\n".encode()
            )
            connection.told_to_go_on()
            connection.send(body[:sent])
    assert_nothing_kept(server, contents)
    assert send(api, body).status == 201
    assert missing(api, [sha(one) for one in contents]) == []
    assert len(files(server)) == 1  # they lie together, so that one sync is enough


def let_a_day_pass(server):
    """For contents that nothing names."""
    server.stop()
    server.change("UPDATE blobs SET wanted_ms = 0")
    server.restart()


def test_contents_that_came_together_go_one_by_one(servers):
    server = servers()
    api, contents = server.api(), [fresh(10_000) for _ in range(200)]
    assert send(api, framed(contents)).status == 201
    id = api.create(inputs=[{"name": "kept", "sha256": sha(contents[77]), "size": 10_000}])
    [pack] = files(server)
    let_a_day_pass(server)
    hashes = [sha(one) for one in contents]
    rest = hashes[:77] + hashes[78:]
    eventually(lambda: api.metrics()["runnel_blobs_removed_total"] == 199, "what nothing names goes")
    assert missing(api, hashes) == rest
    assert api.get(f"/api/v1/executions/{id}/inputs/kept").body == contents[77]
    assert pack.exists()
    assert api.delete(f"/api/v1/executions/{id}").status in (200, 202)
    eventually(lambda: api.status(id)["sealed"], "its end")
    assert api.delete(f"/api/v1/executions/{id}", query={"purge": "true"}).status in (200, 202, 204)
    let_a_day_pass(server)
    eventually(lambda: files(server) == [], "the last one takes the file along")
    assert send(server.api(), framed(contents[:3])).status == 201


@s3.in_files
@pytest.mark.sqlite("its file, and the disk that it lies on")
@pytest.mark.skipif(not in_own_mount_namespace(), reason="this machine allows no mount namespaces")
def test_a_full_disk_refuses_many_and_loses_nothing(servers):
    server = servers(start=False)
    small = SmallServer(server, "48m")
    api, kept = small.api, [fresh(MIB // 2) for _ in range(4)]
    assert send(api, framed(kept)).status == 201
    for _ in range(20):
        answer = send(api, framed(fresh(MIB - 100) for _ in range(7)))
        if answer.status != 201:
            break
    assert (answer.status, answer.code) == (507, "store_full")
    assert small.ready()
    assert [content_of(api, one) == one for one in kept] == [True] * 4
