"""Container engines that break off, that hang and that talk nonsense: what came is kept, and the job ends clearly."""

import json
import threading
import urllib.parse

import pytest
from support.api import eventually
from support.cli import Cli
from support.engine import FakeEngine, frame

INSPECT = ("GET", "c0ffee/json")
ATTACH, START, WAIT = ("POST", "/attach"), ("POST", "/start"), ("POST", "/wait")
CREATE, PULL, REMOVE = ("POST", "/containers/create"), ("POST", "/images/create"), ("DELETE", "/c0ffee")


@pytest.fixture
def engines(server, tmp_path):
    """engines(script) → (engine, begin): a fake engine with a worker, and what queues a job for it."""
    made = []

    def make(script=None):
        engine = FakeEngine(script)
        cli = Cli(tmp_path / f"home{len(made)}", server)
        label = f"engine-{tmp_path.name}-{len(made)}"
        worker = cli.start(
            "worker", "--data", tmp_path / f"w{len(made)}", "--container-socket", engine.socket, "--label", label
        )
        made.append((engine, worker))
        worker.err.wait_for(b"jobs can run in containers")

        def begin(*flags, command=("work",)):
            queued = cli.ok("run", "-d", "--image", "small:7", "--label", label, *flags, "--", *command)
            return queued.text().strip()

        return engine, begin

    yield make
    for engine, worker in made:
        worker.kill()
        engine.close()


def sealed(api, id):
    return eventually(lambda: (status := api.status(id))["sealed"] and status, f"the seal of {id}", 240)


def log(api, id, *kinds):
    return [
        record["message"]
        for record in api.page(id, limit=1000)["logs"]
        if record.get("event_type", record["stream"]) in kinds
    ]


def saying(*pieces, end=True):
    """Attaches, and says that; then the stream ends, or stays as long as whoever attached."""

    def act(engine, question):
        question.upgrade()
        engine.wait_asked("POST", "/wait")
        for piece in pieces:
            question.raw(piece)
        if not end:
            question.peer.recv(1)

    return act


def test_what_an_engine_tells_is_the_outcome(engines, api):
    def attach(engine, question):
        question.upgrade()
        engine.wait_asked("GET", "/stats")
        question.raw(frame(1, "one\n") + frame(2, "two\n"))
        engine.exit(5)

    engine, begin = engines({ATTACH: attach})
    id = begin()
    status = sealed(api, id)
    assert (status["status"], status["exit_code"]) == ("failed", 5)
    told = status["execution_metadata"]
    assert (told["executor"], told["image"], told["image_digest"]) == ("container", "small:7", "sha256:22")
    assert (status["executor"], status["image"]) == ("container", "small:7")
    assert api.messages(id) == ["one", "two"]
    assert engine.count("DELETE", "/c0ffee") == 1


@pytest.mark.parametrize("code, reason", [(137, "it used more memory than its limit"), (0, None)])
def test_a_container_that_was_killed_for_its_memory_says_so(engines, api, code, reason):
    """Not if its program has succeeded all the same: then only something that it had started was killed."""

    def attach(engine, question):
        question.upgrade()
        question.raw(frame(1, "one\n"))
        engine.exit(code)

    def look(engine, question):
        question.answer(200, {"Image": "sha256:11", "State": {"OOMKilled": True}})

    _, begin = engines({ATTACH: attach, ("GET", "/c0ffee/json"): look})
    id = begin("--memory", "64M")
    status = sealed(api, id)
    assert (status["exit_code"], status["reason"]) == (code, reason)
    assert api.messages(id) == ["one"]


def test_a_container_is_made_from_a_fixed_set_of_options(engines, api):
    made = []

    def create(engine, question):
        made.append(json.loads(question.body))
        engine.exit(0)
        question.answer(201, {"Id": "c0ffee"})

    engine, begin = engines({CREATE: create, ATTACH: saying()})
    id = begin("--memory", "64M", "--cpus", "0.5", "-e", "FRUIT=pear", "--cwd", "sub", command=("a", "b c"))
    assert sealed(api, id)["status"] == "completed"
    (body,) = made
    host = body.pop("HostConfig")
    assert body.pop("Labels")["runnel.execution_id"] == id
    environment = dict(variable.split("=", 1) for variable in body.pop("Env"))
    assert environment["FRUIT"] == "pear" and "HOME" not in environment and "PATH" not in environment
    user = body.pop("User").split(":")
    assert len(user) == 2 and all(part.isdigit() for part in user)
    assert body == {
        "Image": "small:7",
        "Cmd": ["a", "b c"],
        "WorkingDir": "/runnel/work/sub",
        "Tty": False,
        "AttachStdin": False,
        "AttachStdout": True,
        "AttachStderr": True,
        "OpenStdin": False,
        "StdinOnce": False,
    }
    mounts = host.pop("Mounts")
    assert [mount["Target"] for mount in mounts] == ["/runnel/work", "/runnel/outputs", "/runnel/voice"]
    assert all(mount["Type"] == "bind" and f"/spool/{id}/" in mount["Source"] for mount in mounts)
    assert host == {
        "CapDrop": ["ALL"],
        "SecurityOpt": ["no-new-privileges"],
        "Privileged": False,
        "PidsLimit": 4096,
        "Memory": 64 << 20,
        "MemorySwap": 64 << 20,
        "NanoCpus": 500000000,
        "LogConfig": {"Type": "none"},
    }


@pytest.mark.parametrize(
    "last, reason",
    [
        (b"\x07\x00\x00\x00\x00\x00\x00\x04abc\n", "makes no sense"),
        (b"\x01\x00\x00\x00\xff\xff\xff\xffabc\n", "makes no sense"),
        (b"HTTP/1.1 500 Nonsense\r\n\r\n", "makes no sense"),
    ],
    ids=["a stream of no name", "a frame without end", "no frames"],
)
def test_a_stream_that_breaks_ends_the_job_and_keeps_what_came(engines, api, last, reason):
    engine, begin = engines({ATTACH: saying(frame(1, "kept 1\nkept 2\n"), last)})
    id = begin()
    status = sealed(api, id)
    assert (status["status"], status["exit_code"]) == ("failed", 137)
    assert log(api, id, "stdout")[:2] == ["kept 1", "kept 2"]
    (failure,) = log(api, id, "container_failed")
    assert reason in failure
    assert engine.count("POST", "/kill") >= 1 and engine.count("DELETE", "/c0ffee") == 1


RUNNING = {"Image": "sha256:11", "State": {"Status": "running", "Running": True}}


@pytest.mark.parametrize("case", ["says more", "ends and said more", "ends and says nothing"])
def test_a_stream_that_ends_within_a_frame_is_attached_to_again_and_the_log_says_so(engines, api, case):
    """How the program ended may be known before the second question is answered."""

    def attach(engine, question):
        if engine.count("POST", "/attach") == 1:
            question.upgrade()
            engine.wait_asked("POST", "/wait")
            question.raw(frame(1, "kept\nbro") + frame(1, "ken\n")[:-2])
            return
        if case != "says more":
            engine.exit(3)
            assert taken.wait(60)
        if case == "ends and says nothing":
            question.answer(409, {"message": "You cannot attach to a stopped container"})
            return
        question.upgrade()
        question.raw(frame(2, "heard again\n"))
        engine.exit(3)

    def wait(engine, question):
        engine.exited.wait(60)
        question.answer(200, {"StatusCode": engine.exit_code})
        question.peer.recv(1)  # it has taken the answer
        taken.set()

    taken = threading.Event()
    engine, begin = engines({ATTACH: attach, WAIT: wait, INSPECT: lambda _, q: q.answer(200, RUNNING)})
    id = begin()
    status = sealed(api, id)
    assert (status["status"], status["exit_code"]) == ("failed", 3)
    records = [(record.get("event_type", record["stream"]), record["message"]) for record in api.logs(id, limit=1000)]
    kept, torn, gap, *again = records
    assert (kept, torn) == (("stdout", "kept"), ("stdout", "broke"))
    assert again == ([] if case == "ends and says nothing" else [("stderr", "heard again")])
    assert gap[0] == "capture_interrupted" and "some may be missing" in gap[1]
    assert engine.count("POST", "/attach") == 2 and engine.count("POST", "/kill") == 0


def test_a_program_that_closes_its_outputs_is_let_run(engines, api):
    """The stream ends, and again at once when it is attached to. What it uses is asked for every five seconds."""

    def attach(engine, question):
        question.upgrade()
        engine.wait_asked("POST", "/wait")
        if engine.count("POST", "/attach") == 1:
            question.raw(frame(1, "hi\n"))

    def measure(engine, question):
        if engine.count("GET", "/stats") == 3:
            engine.wait_asked("POST", "/attach", 2)
            engine.exit(0)
        question.answer(200, {"memory_stats": {}, "cpu_stats": {}})

    engine, begin = engines({ATTACH: attach, INSPECT: lambda _, q: q.answer(200, RUNNING), ("GET", "/stats"): measure})
    id = begin()
    assert sealed(api, id)["status"] == "completed"
    assert log(api, id, "stdout") == ["hi"] and log(api, id, "container_failed") == []
    assert engine.count("POST", "/kill") == 0
    assert engine.count("POST", "/attach") < 5  # once more, and not every second


@pytest.mark.parametrize("state, ran", [("running", True), ("exited", True), ("created", False)])
def test_an_engine_that_goes_away_while_it_starts_a_container_is_asked_whether_it_has(engines, api, state, ran):
    def start(engine, question):
        if ran:
            engine.exit(4)  # and no answer

    def look(engine, question):
        question.answer(200, {"Image": "sha256:11", "State": {"Status": state}})

    engine, begin = engines({START: start, INSPECT: look})
    id = begin()
    status = sealed(api, id)
    assert (status["status"], status["exit_code"]) == ("failed", 4 if ran else 126)
    refusals = log(api, id, "job_not_started")
    assert [text for text in refusals if "went away before it had started it" in text] == ([] if ran else refusals[:1])
    assert engine.count("POST", "/start") == 1 and engine.count("DELETE", "/c0ffee") == 1


def test_a_stream_and_a_program_that_do_not_end_together_are_waited_for_and_told(engines, api):
    """The stream ends and the program goes on; and the other way round."""
    early, begin_early = engines({ATTACH: saying(frame(1, "early\n"))})

    def exits(engine, question):
        question.answer(200, {"StatusCode": 0})

    late, begin_late = engines({ATTACH: saying(frame(1, "late\n"), end=False), WAIT: exits})
    first, second = begin_early(), begin_late()
    for id, engine, line, reason in (
        (first, early, "early", "has ended the stream of its output before"),
        (second, late, "late", "has not ended the stream of its output"),
    ):
        assert sealed(api, id)["status"] == "failed"
        assert log(api, id, "stdout") == [line]
        (failure,) = log(api, id, "container_failed")
        assert reason in failure
        assert engine.count("DELETE", "/c0ffee") == 1


def test_lines_that_come_long_after_the_exit_code_are_kept(engines, api):
    def attach(engine, question):
        question.upgrade()
        engine.wait_asked("POST", "/wait")
        engine.exit(0)
        waited.wait(60)
        for i in range(50):
            question.raw(frame(1, f"line {i}\n"))

    def wait(engine, question):
        question.answer(200, {"StatusCode": 0})
        question.peer.recv(1)  # it has taken the answer
        waited.set()

    waited = threading.Event()
    _, begin = engines({ATTACH: attach, WAIT: wait})
    id = begin()
    assert sealed(api, id)["status"] == "completed"
    assert api.messages(id, limit=1000) == [f"line {i}" for i in range(50)]


def test_a_slow_pull_is_told_in_a_bounded_number_of_events(engines, api):
    pulls = []

    def create(engine, question):
        if not pulls:
            question.answer(404, {"message": "No such image: small:7"})
        else:
            question.answer(201, {"Id": "c0ffee"})

    def pull(engine, question):
        pulls.append(question.target)
        question.begin()
        for done in range(5000):
            progress = {"current": done, "total": 5000}
            question.raw(
                json.dumps({"status": "Downloading", "id": "layer", "progressDetail": progress}).encode() + b"\r\n"
            )
        engine.exit(0)

    _, begin = engines({CREATE: create, PULL: pull, ATTACH: saying(frame(1, "ran\n"))})
    id = begin()
    assert sealed(api, id)["status"] == "completed"
    assert pulls == ["/images/create?fromImage=small&tag=7"]
    told = log(api, id, "image_pull")
    assert told[0] == "pulling small:7" and told[-1] == "pulled small:7"
    assert told[1] == "pulling small:7: Downloading layer" and 3 <= len(told) <= 22
    assert log(api, id, "stdout") == ["ran"]


@pytest.mark.parametrize(
    "script, words",
    [
        ({CREATE: lambda _, q: q.answer(400, {"message": "no such\nruntime"})}, "cannot be made: no such runtime"),
        (
            {CREATE: lambda _, q: q.answer(500, {"message": "write /var/lib: no space left on device"})},
            "cannot be made: write /var/lib: no space left on device",
        ),
        ({CREATE: lambda _, q: q.answer(201, {"Id": "../secrets"})}, "cannot be made: the engine names none"),
        ({CREATE: lambda _, q: q.raw(b"SSH-2.0-OpenSSH\r\n")}, "cannot be made: what it answers is not HTTP"),
        ({CREATE: lambda _, q: None}, "cannot be made: it has closed the connection"),
        ({START: lambda _, q: q.answer(500, {"message": "out of luck"})}, "cannot be started: out of luck"),
        ({ATTACH: lambda _, q: q.answer(409, {"message": "not attachable"})}, "cannot be started: not attachable"),
        (
            {
                CREATE: lambda _, q: q.answer(404, {"message": "No such image"}),
                PULL: lambda _, q: (q.begin(), q.raw(b'{"status":"Pulling"}\n{"error":"denied: pay first"}\n')),
            },
            "there is no image small:7 here, and it cannot be pulled: denied: pay first",
        ),
    ],
    ids=["refused", "a full disk", "a strange id", "no HTTP", "cut", "no start", "no stream", "no pull"],
)
def test_what_an_engine_refuses_fails_the_job_with_its_words(engines, api, script, words):
    engine, begin = engines(script)
    id = begin()
    status = sealed(api, id)
    assert (status["status"], status["exit_code"]) == ("failed", 126)
    (refusal,) = log(api, id, "job_not_started")
    assert words in refusal
    assert engine.count("DELETE", "/c0ffee") == (START in script or ATTACH in script)


def test_an_answer_without_end_is_not_read_for_ever(engines, api):
    def create(engine, question):
        question.begin()
        for _ in range(200):
            question.raw(b'{"Id":"' + b"a" * 65536)

    _, begin = engines({CREATE: create})
    id = begin()
    assert sealed(api, id)["status"] == "failed"
    (refusal,) = log(api, id, "job_not_started")
    assert "its answer is too large" in refusal


def test_a_job_is_cancelled_while_its_image_is_pulled(engines, api):
    def pull(engine, question):
        question.begin()
        question.raw(b'{"status":"Pulling"}\n')
        question.peer.recv(1)  # until whoever asked gives up

    engine, begin = engines({CREATE: lambda _, q: q.answer(404, {"message": "No such image"}), PULL: pull})
    id = begin()
    engine.wait_asked("POST", "/images/create")
    eventually(lambda: len(log(api, id, "image_pull")) == 2, "the progress of the pull")
    api.expect(202, "DELETE", f"/api/v1/executions/{id}")
    status = sealed(api, id)
    assert (status["status"], status["exit_code"]) == ("cancelled", 143)
    assert engine.count("POST", "/start") == 0


def test_a_wait_that_breaks_is_asked_for_again(engines, api):
    def wait(engine, question):
        if engine.count("POST", "/wait") > 2:
            engine.exited.wait(60)
            question.answer(200, {"StatusCode": 4})

    def attach(engine, question):
        question.upgrade()
        engine.wait_asked("POST", "/wait", 3)
        question.raw(frame(1, "still here\n"))
        engine.exit(4)

    _, begin = engines({WAIT: wait, ATTACH: attach})
    id = begin()
    assert sealed(api, id)["exit_code"] == 4
    assert api.messages(id) == ["still here"]


def test_a_container_that_somebody_removes_ends_its_job(engines, api):
    gone = {WAIT: lambda _, q: q.answer(404, {"message": "No such container"}), ATTACH: saying(end=False)}
    engine, begin = engines(gone)
    id = begin()
    status = sealed(api, id)
    assert (status["status"], status["exit_code"]) == ("failed", 137)
    assert "somebody has removed it" in log(api, id, "container_failed")[0]


def test_what_does_not_end_is_told_so_until_it_does(engines, api):
    """TERM that is not heeded, a KILL that the engine refuses at first."""
    kills = []

    def kill(engine, question):
        kills.append(question.target.partition("signal=")[2])
        if kills.count("9") < 2:
            question.answer(500, {"message": "busy"})
        else:
            question.answer(204)
            engine.exit(137)

    _, begin = engines({("POST", "/kill"): kill})
    id = begin("--timeout", "1s")
    status = sealed(api, id)
    assert (status["status"], status["exit_code"]) == ("timed_out", 137)
    assert kills[0] == "15" and kills[1:3] == ["9", "9"]


def test_what_earlier_runners_left_is_removed_and_what_others_made_is_not(engines):
    """Whatever the engine makes of the filter."""
    ours = {"runnel.execution_id": "exec_gone", "runnel.epoch": "3"}
    left = [
        {"Id": "dead01", "Labels": ours},
        {"Id": "0ther1", "Labels": {"runnel.folder": "x"}},
        {"Id": "0ther2", "Labels": {**ours, "runnel.folder": "/another/folder"}},
        {"Id": "0ther3", "Labels": {**ours, "runnel.worker": "another"}},
        {"Id": "0ther4", "Labels": None},
        {"Id": "dead02", "Labels": {**ours, "runnel.worker": None}},
    ]

    def listed(engine, question):
        filters = json.loads(urllib.parse.unquote(question.target.partition("filters=")[2]))
        (label,) = filters["label"]
        for one in left:
            if one["Labels"] and "runnel.folder" not in one["Labels"]:
                one["Labels"]["runnel.folder"] = label.partition("=")[2]
        question.answer(200, left)

    def remove(engine, question):
        id = question.target.partition("?")[0].rpartition("/")[2]
        left[:] = [one for one in left if one["Id"] != id]
        question.answer(204)

    engine, _ = engines({("GET", "/containers/json"): listed, ("DELETE", ""): remove})
    others = ["0ther1", "0ther2", "0ther3", "0ther4"]
    eventually(lambda: [one["Id"] for one in left] == others, "what is left is removed")
    engine.wait_asked("GET", "/containers/json", 3)
    assert engine.count("DELETE", "") == 2
