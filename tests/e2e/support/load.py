"""What writes for as long as it is wanted, and knows what it wrote."""

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
