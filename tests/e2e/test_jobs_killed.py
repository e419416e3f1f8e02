"""A batch with a real worker, while its server and its worker are killed."""

import random
import subprocess

from support import DEADLINE
from support.api import eventually
from support.process import BIN
from support.server import clean_env

JOBS = 120


class RealWorker:
    def __init__(self, server, root):
        self.command = [BIN, "worker", "--slots", "4", "--data", str(root / "data")]
        self.env = clean_env(root, RUNNEL_URL=server.url, RUNNEL_TOKEN=server.operator_key)
        root.mkdir()
        self.start()

    def start(self):
        self.process = subprocess.Popen(self.command, env=self.env, stderr=subprocess.DEVNULL)

    def kill_and_start(self):
        self.process.kill()
        self.process.wait()
        self.start()

    def stop(self):
        self.process.terminate()
        self.process.wait(DEADLINE)


def test_a_batch_whose_server_and_worker_are_killed_ends_whole(own_server, tmp_path):
    """Every job ran once, to its own end, and its log has every line."""
    server, chance = own_server, random.Random(5)
    jobs = [{"command": ["sh", "-c", f"echo first {i}; echo last {i}; exit {i % 3}"]} for i in range(JOBS)]
    id = server.api().expect(201, "POST", "/api/v1/batches", {"jobs": jobs})["batch_id"]
    worker = RealWorker(server, tmp_path / "worker")

    def ended():
        status = server.api().get(f"/api/v1/batches/{id}/status").json()
        return status["completed_count"] + status["failed_count"], status

    try:
        for kill in range(6):
            wanted = chance.randint(kill * JOBS // 8, (kill + 1) * JOBS // 8)
            eventually(lambda: ended()[0] >= wanted, f"{wanted} have ended")
            worker.kill_and_start() if kill % 3 == 2 else (server.kill(), server.restart())
        eventually(lambda: ended()[1]["status"] == "completed", "all have ended", 2 * DEADLINE)
    finally:
        worker.stop()
    api = server.api()
    assert ended()[1]["total_count"] == JOBS and ended()[1]["counts"]["lost"] == 0
    found = api.get(f"/api/v1/batches/{id}/executions", query={"limit": 1000}).json()["executions"]
    assert len(found) == JOBS
    seen = set()
    for one in found:
        lines = api.messages(one["execution_id"], stream="stdout")
        number = int(lines[0].split()[1])
        seen.add(number)
        assert lines == [f"first {number}", f"last {number}"]
        assert one["exit_code"] == number % 3
    assert len(seen) == JOBS
