"""Three servers on one database, with jobs, workers and followers, while all of them are killed, paused and cut from each other at
random. A check does a few faults; `./dev soak` does them for `RUNNEL_SOAK_SECONDS`. `RUNNEL_FAULT_SEED` draws the same faults."""

import collections
import itertools
import os
import random
import threading
import time
import traceback

import pytest
from support.api import Api, eventually
from support.cli import Cli
from support.faults import chance
from support.soak_cluster import OF_DATABASES, OF_NODES, OF_WORKERS, PATIENCE, Misfortune, SoakCluster
from support.soak_followers import Crowd
from support.soak_jobs import Plan, Traces, files_of, memory_of

SECONDS = float(os.environ.get("RUNNEL_SOAK_SECONDS") or 0)  # 0: a few faults
JOBS = 30 if SECONDS else 6  # at once; each has two followers
MEMORY_MAX = (2000 if os.environ.get("ASAN_OPTIONS") else 400) << 20  # bytes of a server
FILES_MAX = 150  # of a server that nobody is connected to


def outcomes(attempts):
    wanted = ("execution_id", "attempt", "status", "exit_code", "reason", "retried_as", "started_at", "completed_at")
    return [{name: status.get(name) for name in wanted} for status in attempts]


def was_lost(status):
    """Also one that had done its work when it was called lost: it says so once its worker is heard of again, and another
    attempt has taken its place by then."""
    return status["status"] in ("lost", "cancelled") or bool(
        status.get("retried_as") and status["status"] == "completed"
    )


class Load:
    """Jobs one after the other, in as many threads as there are to be at once, until the time is over; what each did is compared
    with what it should have done."""

    def __init__(self, soak, source, root):
        self.soak, self.root, self.traces = soak, root, Traces()
        self.crowd = Crowd(soak.ports)
        self.numbers, self.failures, self.counts = itertools.count(), [], collections.Counter()
        self.running, self.ids, self.pids = [], [], set()
        self.enough = threading.Event()
        self.threads = [
            threading.Thread(target=self.slot, args=(random.Random(source.random()), i), daemon=True)
            for i in range(JOBS)
        ]
        for thread in self.threads:
            thread.start()

    def slot(self, source, number):
        kinds = [self.wrapped, self.queued, self.queued, self.tried_again, self.cancelled, self.batch]
        try:
            for turn in itertools.count(number):
                kind = kinds[turn % len(kinds)]
                kind(source)
                self.counts[kind.__name__] += 1
                if self.enough.is_set() or not SECONDS or self.failures:
                    return
        except Exception as error:
            self.failures.append(f"{error!r}\n{traceback.format_exc(limit=-3)}")

    def plan(self, source, kinds=None, **options):
        kinds = kinds or (("quick", "steady", "long", "flood") if SECONDS else ("quick", "flood"))
        return Plan(source, f"job{next(self.numbers)}", kinds, **options)

    def follow(self, source, execution_id, plan, count=2):
        self.ids.append(execution_id)
        self.running.append(execution_id)
        return [self.crowd.follow(source, execution_id, self.soak.key, plan.text) for _ in range(count)]

    def status(self, execution_id):
        return self.soak.ask("GET", f"/api/v1/executions/{execution_id}/status")

    def until(self, probe, what):
        """An event that no stream tells of here, looked for twice a second."""
        end, nothing = time.monotonic() + PATIENCE, threading.Event()
        while not (found := probe()):
            assert time.monotonic() < end and not self.failures, f"never came true: {what()}"
            nothing.wait(0.5)
        return found

    def over(self, execution_id):
        """The attempts of a job whose last one is over: their status objects."""
        attempts = []
        while execution_id:
            status = self.until(
                lambda: (status := self.status(execution_id))
                and (status["sealed"] or status.get("retried_as"))
                and status.get("settled", True) is not False
                and status,
                lambda: f"{self.status(execution_id)} is over",
            )
            attempts.append(status)
            execution_id = status.get("retried_as")
        return attempts

    def log(self, execution_id, stream):
        path = f"/api/v1/executions/{execution_id}/logs?format=raw&stream={stream}"
        return self.soak.ask("GET", path, raw=True).decode()

    def check_log(self, plan, status, whole=True):
        for stream, text in plan.text.items():
            stored = self.log(status["execution_id"], stream)
            assert (
                stored == text if whole else text.startswith(stored)
            ), f"{stream} of {status}: {len(stored)} of {len(text)} bytes are stored"

    def check_followers(self, followers):
        for execution_id in {follower.execution_id for follower in followers}:
            self.running.remove(execution_id)
        for follower in followers:
            self.until(lambda: follower.complete or follower.failure, lambda: f"{follower} sees the end")
            assert not follower.failure, follower.failure

    def check_ran_once(self, plan, attempt=1):
        pids = self.traces.pids(plan, attempt)
        assert len(pids) <= 1 and not self.traces.twice(plan), f"{plan.key} ran as {pids}"
        self.pids.update(pids)

    def check(self, plan, attempts, followers, whole=True):
        last = attempts[-1]
        assert last["exit_code"] == 0 and last["status"] == "completed", last
        for number, status in enumerate(attempts, 1):
            if status["sealed"]:
                self.check_log(plan, status, whole or status is last)
            self.check_ran_once(plan, number)
        assert len(self.traces.pids(plan, len(attempts))) == 1, last
        self.check_followers(followers)

    # --- kinds of jobs
    def wrapped(self, source):
        plan = self.plan(source)
        url = source.choice(self.soak.workers).way.url
        cli = Cli(self.root / plan.key, url=url, token=self.soak.key)
        process = cli.start("wrap", "--deliver-wait", 0, "--id", plan.key, "--", *plan.command(self.traces), stdout=-3)
        self.until(lambda: self.known(plan.key), lambda: f"{plan.key} is known")
        followers = self.follow(source, plan.key, plan)
        self.until(lambda: process.popen.poll() is not None, lambda: f"{plan.key} ends: {process.err.data[-2000:]}")
        assert process.finish(PATIENCE) == 0, process.err.data[-2000:]
        self.check(plan, self.over(plan.key), followers)

    def known(self, execution_id):
        return self.soak.ask("GET", f"/api/v1/executions/{execution_id}/status", ok=(200, 404)).get("execution_id")

    def submit(self, plan, **fields):
        return self.soak.ask(
            "POST",
            "/api/v1/executions",
            {"queue": True, "command": plan.command(self.traces), **fields},
            headers={"Idempotency-Key": plan.key},
        )["execution_id"]

    def queued(self, source):
        plan = self.plan(source)
        execution_id = self.submit(plan)
        followers = self.follow(source, execution_id, plan)
        attempts = self.over(execution_id)
        assert len(attempts) == 1, outcomes(attempts)
        self.check(plan, attempts, followers)

    def tried_again(self, source):
        """One that fails at first, and is also tried again when it is lost."""
        plan = self.plan(source, fails=source.randrange(2))
        execution_id = self.submit(plan, retries=6, retry_on=["failed", "lost"], retry_delay_seconds=0)
        followers = self.follow(source, execution_id, plan)
        attempts = self.over(execution_id)
        lost = any(was_lost(status) for status in attempts)
        assert lost or len(attempts) == 1 + plan.fails, outcomes(attempts)
        self.counts["lost attempts"] += lost
        if lost and not attempts[0]["sealed"]:
            self.running.remove(execution_id)
            followers = []
        self.check(plan, attempts, followers, whole=not lost)

    def cancelled(self, source):
        plan = self.plan(source, ("long", "steady"))
        execution_id = self.submit(plan)
        followers = self.follow(source, execution_id, plan)
        wanted = source.randrange(0, plan.count // 4)
        self.until(lambda: followers[0].next >= wanted or followers[0].failure, lambda: f"{followers[0]}")
        self.soak.ask("DELETE", f"/api/v1/executions/{execution_id}")
        [status] = self.over(execution_id)
        assert status["status"] in ("cancelled", "completed"), status
        self.check_log(plan, status, whole=status["status"] == "completed")
        self.check_ran_once(plan)
        self.check_followers(followers)

    def batch(self, source):
        plans = [self.plan(source, ("quick", "steady") if SECONDS else ("quick",), fails=i % 2) for i in range(4)]
        batch_id = f"batch-{plans[0].key}"
        jobs = [{"command": plan.command(self.traces)} for plan in plans]
        retried = {"retries": 1, "retry_on": ["failed"], "retry_delay_seconds": 0}
        body = {"batch_id": batch_id, "parallel": 2, "job": retried, "jobs": jobs}
        self.soak.ask("POST", "/api/v1/batches", body, headers={"Idempotency-Key": batch_id})

        def ended():
            return self.soak.ask("GET", f"/api/v1/batches/{batch_id}/status")

        # What is lost comes back, and counts as failed meanwhile.
        self.until(lambda: ended()["status"] == "completed" and ended()["counts"]["lost"] == 0, ended)
        status = ended()
        counted = [status[f"{name}_count"] for name in ("total", "completed", "failed", "running", "queued", "skipped")]
        assert counted == [4, 4, 0, 0, 0, 0], status
        found = self.soak.ask("GET", f"/api/v1/executions?batch_id={batch_id}&limit=100")["executions"]
        assert len(found) == 6, found
        for plan in plans:
            for attempt in range(1, 2 + plan.fails):
                self.check_ran_once(plan, attempt)
                assert len(self.traces.pids(plan, attempt)) == 1, (plan.key, attempt)

    # --- keys
    def revoke_now_and_then(self, source):
        """A key that follows what runs, until it is revoked at another node."""
        try:
            while not self.enough.is_set():
                if running := list(self.running):  # which others change
                    self.revoke_one(source, source.choice(running))
                else:
                    self.enough.wait(0.5)
        except Exception as error:
            self.failures.append(f"keys: {error!r}")

    def revoke_one(self, source, execution_id):
        made = self.soak.ask("POST", "/api/v1/keys", {"role": "viewer", "name": "one"})
        follower = self.crowd.follow(source, execution_id, made["key"])
        self.until(
            lambda: follower.next > 0 or follower.complete or follower.failure or execution_id not in self.running,
            lambda: f"{follower}",
        )
        self.soak.ask("DELETE", f"/api/v1/keys/{made['key_id']}")
        self.until(lambda: follower.refused or follower.complete or follower.failure, lambda: f"{follower} is refused")
        path = f"/api/v1/executions/{execution_id}/status"
        self.until(
            lambda: self.soak.ask("GET", path, ok=(200, 401), token=made["key"]).get("error"), lambda: "it is refused"
        )
        self.counts["revoked"] += 1


@pytest.fixture
def soak(tmp_path):
    source = chance()
    soak = SoakCluster(tmp_path, source)
    yield soak
    soak.close()


def settle(soak, load):
    """Nothing is left of what was."""
    for node in soak.nodes:
        assert node.server.running(), node.server.process.err.data[-3000:]
        eventually(lambda: Api(node.server.port, soak.key).get("/ready").status == 200, "it is ready")
    load.crowd.close()
    eventually(lambda: soak.sql("SELECT count(*) FROM leases WHERE kind = 1") == "0", "no lease is left", PATIENCE)
    eventually(lambda: soak.sql("SELECT count(*) FROM nodes WHERE fenced_ms = 0 AND kind = 1") == "3", "three nodes")
    eventually(lambda: not any(load.traces.running(pid) for pid in load.pids), "no job runs")
    for worker in soak.workers:
        spool = worker.folder / "spool"
        eventually(lambda: not any(path.is_dir() and (path / "job.json").exists() for path in spool.iterdir()), spool)
    for node in soak.nodes:
        pid = node.server.process.pid
        eventually(lambda: files_of(pid) < FILES_MAX, "descriptors are given back")
        assert memory_of(pid) < MEMORY_MAX, memory_of(pid)


@pytest.mark.timeout(int(SECONDS) + 1200)
def test_nodes_that_fail_at_random_lose_nothing_and_double_nothing(soak, tmp_path):
    seed = soak.source.random()
    for _ in range(2):
        soak.add_worker()
    load = Load(soak, soak.source, tmp_path / "wraps")
    targets = [
        *((f"node {node.number}", node, OF_NODES) for node in soak.nodes),
        ("database", None, OF_DATABASES),
        *((f"worker {number}", worker, OF_WORKERS) for number, worker in enumerate(soak.workers)),
    ]
    faults = [Misfortune(soak, *target, seed, short=not SECONDS) for target in targets]
    eventually(lambda: load.running or load.failures, "it begins")
    keys = threading.Thread(target=load.revoke_now_and_then, args=(random.Random(seed),), daemon=True)
    keys.start()
    end = time.monotonic() + (SECONDS or PATIENCE)
    while time.monotonic() < end and not load.failures and not all(fault.passed.wait(0.3) for fault in faults):
        pass
    load.enough.set()
    soak.over.set()
    for fault in faults:
        assert fault.passed.wait(PATIENCE), fault.done
    for thread in (*load.threads, keys):
        thread.join(2 * PATIENCE)
    said = [line for fault in faults for line in fault.done]
    print(load.counts, load.crowd.lines, f"{len(load.crowd.all)} followers", *said, sep="\n")
    print(collections.Counter(entry.get("message") for node in soak.nodes for entry in node.said))
    failures = [*load.failures, *(fault.failure for fault in faults if fault.failure), *load.crowd.failures()]
    assert not failures, "\n".join([*failures, *(worker.words() for worker in soak.workers)])
    settle(soak, load)
    cli = Cli(tmp_path / "verify", url=soak.nodes[0].server.url, token=soak.key)
    for execution_id in load.ids[:100]:
        cli.ok("verify", execution_id)
    assert not soak.said(), soak.said()[:10]
    load.traces.close()  # else somebody may want to look at them
