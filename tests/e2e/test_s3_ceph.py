"""The same on a real server of S3. RUNNEL_TEST_CEPH=1 starts Ceph's gateway for it, which takes a minute; test_blob is
run if it was built beside the program."""

import os
import pathlib
import subprocess

import pytest
from support.ceph import MISSING, shared
from support.process import BIN
from support.s3_kept import PART, Kept, blob, go_on, interrupted

pytestmark = [
    pytest.mark.skipif(os.environ.get("RUNNEL_TEST_CEPH") != "1", reason="RUNNEL_TEST_CEPH=1 asks for it"),
    pytest.mark.skipif(bool(MISSING), reason=f"not installed: {', '.join(MISSING)}"),
]


@pytest.fixture(scope="module")
def ceph():
    return shared()


@pytest.fixture
def kept(servers, ceph):
    it = Kept(servers, "--s3-region", "us-east-1", engine=ceph)
    yield it
    it.proxy.close()


def test_the_port_keeps_its_promises(ceph):
    program = pathlib.Path(BIN).with_name("test_blob")
    if not program.exists():
        pytest.skip("test_blob was not built")
    env = {"PATH": os.environ["PATH"], "RUNNEL_TEST_S3": ceph.url, **ceph.keys}
    done = subprocess.run([program], env=env, capture_output=True, text=True, timeout=280)
    assert done.returncode == 0 and "[  FAILED" not in done.stdout + done.stderr, done.stdout + done.stderr


def test_content_of_all_sizes_comes_back(kept):
    for size in (0, 1, PART, 5 * PART + 12_345):
        content = os.urandom(size)
        kept.put(content)
        path = kept.name(content)
        assert kept.api.get(path).body == content
        if size > 10:
            answer = kept.api.get(path, headers={"Range": f"bytes={size - 5}-"})
            assert (answer.status, answer.body) == (206, content[-5:])
    assert kept.proxy.problems == [] and kept.s3.uploads(kept.prefix) == {}
    assert [key.split("/")[0] for key in kept.objects()] == ["content"] * 4


@pytest.mark.parametrize("other", [False, True], ids=["same", "other"])
def test_an_upload_goes_on_after_a_kill_and_is_read_back(kept, other):
    content = os.urandom(3 * PART)
    interrupted(kept, content, b"?" + content[1:] if other else content)
    assert kept.api.request("HEAD", blob(content)).headers["Upload-Offset"] == str(PART)
    answer = go_on(kept, content, PART)
    assert answer.status == (422 if other else 201)
    assert len(kept.objects()) == (0 if other else 1) and kept.s3.uploads(kept.prefix) == {}
    if not other:
        assert kept.api.get(kept.name(content)).body == content
