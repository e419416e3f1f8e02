"""What writes for as long as it is wanted, and knows what it wrote."""

import contextlib
import http.client
import os
import threading
import time


class Load(threading.Thread):
    """A number for each line of a run, from 0 on, for as long as it is wanted."""

    def __init__(self, fifo):
        super().__init__(daemon=True)
        self.fifo, self.count, self.enough = fifo, 0, threading.Event()
        os.mkfifo(fifo)

    def run(self):
        with open(self.fifo, "w", buffering=1) as out:
            while not self.enough.is_set():
                out.write(f"{self.count}\n")
                self.count += 1
                time.sleep(0.002)  # the pace of what prints

    def end(self):
        self.enough.set()
        self.join()
        return "".join(f"{i}\n" for i in range(self.count)).encode()


class Appends(threading.Thread):
    """A number for each request, from 0 on, to one server after the other; none is sent twice. Knows which were acknowledged."""

    def __init__(self, servers, execution_id):
        super().__init__(daemon=True)
        self.servers, self.execution_id = servers, execution_id
        self.count, self.acknowledged, self.pause, self.enough = 0, [], 0.0, threading.Event()

    def run(self):
        last = time.monotonic()
        while not self.enough.is_set():
            api = self.servers[self.count % len(self.servers)].api()
            number, self.count = self.count, self.count + 1
            try:
                answer = api.post(f"/api/v1/executions/{self.execution_id}/logs", {"message": str(number)})
            except (OSError, http.client.HTTPException):
                continue
            if answer.status < 300:
                self.acknowledged.append(number)
                self.pause, last = max(self.pause, time.monotonic() - last), time.monotonic()
            else:
                assert answer.status == 503, answer
                time.sleep(0.05)  # the pace of who tries again

    def end(self):
        self.enough.set()
        self.join()
        return self.acknowledged


class Creates(threading.Thread):
    """Executions, each by a key of its own and with one line; what gets no good answer is asked for again at the next
    server. Between them it looks whether lists have all that was made before."""

    def __init__(self, servers):
        super().__init__(daemon=True)
        self.servers, self.asked, self.made, self.lists = servers, 0, {}, 0
        self.problem, self.enough = None, threading.Event()

    def _ask(self, method, path, body=None, good=(200, 201), **options):
        """The answer of the first server that has a good one."""
        while True:
            api = self.servers[self.asked % len(self.servers)].api()
            self.asked += 1
            with contextlib.suppress(OSError, http.client.HTTPException):
                answer = api.request(method, path, body, **options)
                if answer.status in good:
                    return answer.json()
                assert answer.status == 503, (path, answer)
            time.sleep(0.02)  # the pace of who tries again

    def listed(self):
        """The identifiers of all, by pages of whichever server is asked."""
        found, query = [], {"limit": 40}
        while True:
            page = self._ask("GET", "/api/v1/executions", query=query)
            found += [execution["execution_id"] for execution in page["executions"]]
            if not page["next_cursor"]:
                return found
            query["cursor"] = page["next_cursor"]

    def _one(self):
        headers = {"Idempotency-Key": f"key {len(self.made)}"}
        execution_id = self._ask("POST", "/api/v1/executions", {}, headers=headers)["execution_id"]
        self._ask("POST", f"/api/v1/executions/{execution_id}/logs", {"message": execution_id}, headers=headers)
        self.made[execution_id] = headers["Idempotency-Key"]

    def _look(self):
        before = list(self.made)
        found = self.listed()
        assert len(set(found)) == len(found), "twice in a list"
        assert set(found) >= set(before), f"not in a list: {set(before) - set(found)}"
        self.lists += 1

    def run(self):
        try:
            while not self.enough.is_set():
                self._one()
                if len(self.made) % 16 == 0:
                    self._look()
        except AssertionError as problem:
            self.problem = problem

    def end(self):
        self.enough.set()
        self.join()
        assert self.problem is None, self.problem
        return self.made
