"""A worker that takes jobs by hand, and one that runs them in a thread of its own."""

import threading

from . import DEADLINE
from .workers import Worker


class Job:
    """What the worker was given."""

    def __init__(self, worker, frame):
        self.worker = worker
        self.frame = frame
        self.id = frame["execution_id"]
        self.epoch = frame["epoch"]
        self.attempt = frame["attempt"]
        self.spec = frame["spec"]
        self.stream = None

    def begin(self):
        """Opens its stream, and waits for `ready`."""
        self.stream = self.worker.opened(self.id, epoch=self.epoch)
        return self

    def end(self, exit_code=0, lines=(), **fields):
        if self.stream is None:
            self.begin()
        first = self.stream.ready["next_sequence"]
        if lines:
            self.stream.lines(first, list(lines))
        self.stream.say("complete", execution_id=self.id, exit_code=exit_code, **fields)
        self.worker.listen(lambda: self.stream.closed)
        assert self.stream.completed, self.stream.heard
        return self

    def give_back(self, reason="no room"):
        self.worker.send({"type": "return", "execution_id": self.id, "epoch": self.epoch, "reason": reason})


class JobWorker(Worker):
    """Jobs come by take()."""

    def __init__(self, server, token="", executors=("process",), **fields):
        self.jobs = []
        super().__init__(server, token, executors=list(executors), **fields)

    def hear(self, message):
        if message["type"] == "job":
            self.jobs.append(Job(self, message))
        return super().hear(message)

    def expect(self, kind, timeout=DEADLINE):
        return self.collect(lambda message: self.hear(message)["type"] == kind, timeout)[-1]

    def take(self, timeout=DEADLINE):
        self.listen(lambda: self.jobs, timeout)
        return self.jobs.pop(0)

    def quiet(self):
        """Jobs that have come by now: whatever was sent before the answer to a frame of ours."""
        self.send({"type": "nonsense"})
        self.expect("error")
        return list(self.jobs)


class BusyWorker:
    """Runs jobs as `act` says: act(job) → exit code, or (exit code, lines). `began`: identifiers in the order in which
    they came."""

    def __init__(self, server, act=lambda job: 0, **fields):
        self.act = act
        self.began = []
        self.failure = None
        self.stopping = False
        self.worker = JobWorker(server, **fields)
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self):
        try:
            while True:
                job = self.worker.take(timeout=600)
                self.began.append(job.id)
                result = self.act(job)
                if result is None:
                    continue
                code, lines = result if isinstance(result, tuple) else (result, ())
                job.end(code, lines)
        except Exception as failure:  # told by stop()
            self.failure = failure

    def stop(self):
        self.stopping = True
        self.worker.close()
        self.thread.join(DEADLINE)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()
