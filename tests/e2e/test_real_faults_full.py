"""The server's disk full, on a small tmpfs of its own, under running jobs."""

import random
import subprocess

import pytest
from support.api import eventually
from support.cli import Cli
from support.faults import BusyJob, chance, stored_sums
from support.jobs import fresh_id, output_of, python
from support.small_disk import SmallServer, in_own_mount_namespace, noise_lines

pytestmark = pytest.mark.skipif(not in_own_mount_namespace(), reason="this machine allows no mount namespaces")

# As much noise as asked for, which no compression makes smaller than 4,000 bytes a line.
NOISE = "import base64, random\nr = random.Random({seed})\nfor i in range({count}): print(base64.b64encode(r.randbytes(4000)).decode())"


def noise(seed, count):
    return "".join(line + "\n" for line in noise_lines(random.Random(seed), count)).encode()


@pytest.mark.sqlite("its file, and the disk that it lies on")
def test_jobs_under_way_outlive_a_full_disk_in_their_spools(servers, tmp_path):
    source = chance()
    small = SmallServer(servers(start=False), "6m")
    api = small.api
    cli = Cli(tmp_path / "home", url=small.server.url, token=small.token)
    stop = tmp_path / "stop"
    busy = [BusyJob(cli, fresh_id(), tmp_path, stop, source.randrange(1 << 30)) for _ in range(2)]
    noisy_job, filler = fresh_id(), api.create()
    filled = small.fill(filler)
    noisy = cli.start("wrap", "-q", "--deliver-wait", "0", "--id", noisy_job, *python(NOISE.format(seed=5, count=500)))
    # The job goes on and ends; its wrap holds what the server has no room for.
    noisy.out.wait_lines(500)
    eventually(lambda: not small.ready(), "it says that it is not ready")
    assert api.post(f"/api/v1/executions/{filler}/logs", {"message": "x" * 9000}).status == 507
    assert noisy.popen.poll() is None and all(job.process.popen.poll() is None for job in busy)
    spool = cli.home / "state" / "runnel" / "spool" / noisy_job / "spool"
    assert spool.stat().st_size > 1_000_000
    # Reading goes on as if nothing were.
    assert api.messages(filler, limit=10000) == filled
    small.make_larger("64m")
    eventually(small.ready, "ready again")
    assert noisy.finish() == 0
    stop.touch()
    for job in busy:
        assert job.process.finish() == 0
        assert stored_sums(api, job.job) == job.sums()
    assert output_of(api, noisy_job) == noisy.out.data == noise(5, 500)
    assert api.append(filler, {"message": "room again"})["first_sequence"] == len(filled)
    for job in (noisy_job, *(one.job for one in busy)):
        cli.ok("verify", job)


@pytest.mark.sqlite("its file, and the disk that it lies on")
def test_deleting_works_on_a_full_disk_and_makes_room(servers, tmp_path):
    small = SmallServer(servers(start=False), "128m")
    api = small.api
    cli = Cli(tmp_path / "home", url=small.server.url, token=small.token)
    victim, filler, other = fresh_id(), api.create(), api.create()
    # Larger than what is kept aside for this, so that the room it leaves is worth being used again.
    process = cli.start(
        "wrap", "-q", "--id", victim, *python(NOISE.format(seed=3, count=10_000)), stdout=subprocess.DEVNULL
    )
    assert process.finish() == 0 and output_of(api, victim) == noise(3, 10_000)
    api.append(other, {"message": "here before"})
    filled = small.fill(filler)
    answer = api.delete(f"/api/v1/executions/{victim}", query={"purge": "true"})
    assert answer.status in (200, 202, 204), answer
    assert api.get(f"/api/v1/executions/{victim}/logs").status == 410
    # The room that it took is found again, without a restart.
    eventually(
        lambda: api.post(f"/api/v1/executions/{other}/logs", {"message": "room again"}).status == 201, "room again"
    )
    assert api.messages(other) == ["here before", "room again"]
    assert api.messages(filler, limit=10000) == filled
    eventually(small.ready, "ready again")
