"""A container engine that goes away while jobs run: its service is killed, its socket goes, its connections are cut.
The jobs go on, end as their programs end, and their logs are whole or say where something may be missing."""

import itertools
import os

import pytest
from support.api import eventually
from support.containers import House
from support.engine import NoEngine, Podman
from support.engine_proxy import EngineProxy
from support.small_disk import in_own_mount_namespace

COUNT = "i=0; until [ -e go ]; do echo $i; i=$((i+1)); sleep 0.05; done; echo last; exit 3"


@pytest.fixture
def proxy(engine):
    one = EngineProxy(engine.socket)
    yield one
    one.close()


@pytest.fixture
def house(proxy, own_server, tmp_path):
    """Between its worker and the engine there is a proxy."""
    one = House(own_server, tmp_path, proxy.socket).start()
    yield one
    one.close()


@pytest.fixture
def direct(engine, own_server, tmp_path):
    """Its worker asks the engine itself."""
    one = House(own_server, tmp_path, engine.socket).start()
    yield one
    one.close()


def let_go(house, id):
    (house.data / "spool" / id / "work" / "go").touch()


def said(house, id):
    """What it said, in parts: between two of them something may be missing."""
    parts = [[]]
    for record in house.api.logs(id, limit=1000):
        if record.get("event_type") == "capture_interrupted":
            parts.append([])
        elif record["stream"] == "stdout":
            parts[-1].append(record["message"])
    return parts


def assert_counted(parts):
    """Each number once, in order, and without a hole within a part; then the last line."""
    assert parts[-1].pop() == "last"
    numbers = [[int(text) for text in part] for part in parts]
    for part in numbers:
        assert part == list(range(part[0], part[0] + len(part))) if part else True
    together = list(itertools.chain(*numbers))
    assert together[0] == 0 and together == sorted(set(together))


def heard_again(house, id, parts=2):
    """Until something came after the part before."""
    eventually(lambda: len(all := said(house, id)) >= parts and all[parts - 1], "it is heard again", 90)


def test_a_job_outlives_its_engine_and_its_log_says_where_something_may_be_missing(direct, engine):
    id = direct.begin("sh", "-c", COUNT)
    direct.shows(id, "3")
    engine.await_running()
    engine.stop()
    engine.start()
    heard_again(direct, id)
    let_go(direct, id)
    status = direct.sealed(id)
    assert (status["status"], status["exit_code"]) == ("failed", 3) and not status.get("reason")
    parts = said(direct, id)
    assert_counted(parts)
    assert direct.events(id, "container_failed") == []


def test_a_job_that_ends_while_its_engine_is_away_has_its_exit_code_and_a_log_that_says_what_may_be_missing(
    direct, engine
):
    script = "echo up; until [ -e go ]; do sleep 0.05; done; echo unheard; touch gone; exit 5"
    id = direct.begin("sh", "-c", script)
    direct.shows(id, "up")
    engine.await_running()
    engine.stop()
    let_go(direct, id)
    eventually((direct.data / "spool" / id / "work" / "gone").exists, "its end")
    engine.start()
    status = direct.sealed(id)
    assert (status["status"], status["exit_code"]) == ("failed", 5) and not status.get("reason")
    assert said(direct, id)[0] == ["up"] and len(said(direct, id)) >= 2
    assert all(record.get("level") == "WARNING" for record in direct.events(id, "capture_interrupted"))


@pytest.mark.parametrize("times", [1, 3])
def test_a_stream_that_is_cut_is_attached_to_again(house, proxy, times):
    id = house.begin("sh", "-c", COUNT)
    house.shows(id, "3")
    for cut in range(1, times + 1):
        assert proxy.cut("/attach") == 1
        proxy.wait_asked("/attach", cut + 1)
        heard_again(house, id, cut + 1)
    let_go(house, id)
    status = house.sealed(id)
    assert (status["status"], status["exit_code"]) == ("failed", 3)
    parts = said(house, id)
    assert len(parts) == times + 1
    assert_counted(parts)


def test_a_job_whose_wait_is_cut_again_and_again_goes_on_and_its_log_is_whole(house, proxy):
    id = house.begin("sh", "-c", COUNT)
    house.shows(id, "3")
    for cut in range(3):
        proxy.wait_asked("/wait", cut + 1)
        eventually(lambda: proxy.cut("/wait") == 1, "the question is open")
    proxy.wait_asked("/wait", 4)
    let_go(house, id)
    status = house.sealed(id)
    assert (status["status"], status["exit_code"]) == ("failed", 3)
    parts = said(house, id)
    assert_counted([list(itertools.chain(*parts))])


def test_a_job_whose_input_goes_by_a_stream_that_is_cut_fails_as_nobody_knows_what_it_has_read(house, proxy, tmp_path):
    given = tmp_path / "given"
    given.write_text("first\n")
    id = house.begin("sh", "-c", "cat; echo up; sleep 1000", flags=("--stdin", given))
    house.shows(id, "up")
    assert proxy.cut("/attach") == 1
    status = house.sealed(id)
    assert (status["status"], status["exit_code"]) == ("failed", 137)
    (failure,) = house.events(id, "container_failed")
    assert "was cut" in failure["message"]
    assert house.api.messages(id)[:2] == ["first", "up"]


def test_a_socket_that_goes_away_costs_a_running_job_nothing(house, proxy, engine):
    id = house.begin("sh", "-c", COUNT)
    house.shows(id, "3")
    proxy.wait_asked("/wait")
    os.rename(proxy.socket, proxy.socket + ".away")
    try:
        let_go(house, id)
        status = house.sealed(id)
    finally:
        os.rename(proxy.socket + ".away", proxy.socket)
    assert (status["status"], status["exit_code"]) == ("failed", 3)
    parts = said(house, id)
    assert len(parts) == 1
    assert_counted(parts)
    (left,) = house.events(id, "container_left")
    assert "cannot be removed: nothing listens on its socket" in left["message"]
    eventually(lambda: engine.containers() == [], "the worker removes it when the engine is back")


def test_an_engine_whose_disk_is_full_fails_the_job_with_its_words(own_server, tmp_path):
    if os.geteuid() != 0 or not in_own_mount_namespace():
        pytest.skip("no file system can be mounted here")
    try:
        engine = Podman()
    except NoEngine as reason:
        pytest.skip(str(reason))
    house = House(own_server, tmp_path, engine.socket)
    storage = engine.root / "r"
    try:
        engine.stop()
        blocks = sum(path.lstat().st_size // 4096 + 1 for path in storage.rglob("*"))
        size = blocks * 4096 + (1 << 20)
        engine.start(within=["unshare", "-m", "sh", "-c", small_disk(storage, size), "sh"])
        house.start()
        id = house.begin("true")
        status = house.sealed(id)
        assert (status["status"], status["exit_code"]) == ("failed", 126)
        (refusal,) = house.events(id, "job_not_started")
        assert "its container cannot be made: " in refusal["message"]
        assert "no space left on device" in refusal["message"]
    finally:
        house.close()
        engine.close()


def small_disk(folder, size):
    """A script that runs its arguments where the folder lies, with all that is in it, on a disk that is nearly full."""
    return (
        f"mkdir {folder}.copy && cp -a {folder}/. {folder}.copy && mount -t tmpfs -o size={size} tmpfs {folder} && "
        f'cp -a {folder}.copy/. {folder} && exec "$@"'
    )


# --- Memory


@pytest.fixture
def memory_house(engine, own_server, tmp_path):
    """What kills a container for its memory is the kernel. An engine may not have noticed: then the proxy says it."""
    killed = []

    def change(target, answer):
        state = answer.get("State") if isinstance(answer, dict) else None
        if isinstance(state, dict) and state.get("ExitCode") == 137:
            killed.append(state["OOMKilled"])
            state["OOMKilled"] = True
        return answer

    proxy = EngineProxy(engine.socket, change)
    one = House(own_server, tmp_path, proxy.socket).start()
    one.killed = killed
    yield one
    one.close()
    proxy.close()


# At most 64 MiB in one piece.
HUNGRY = "echo up; x=a; i=0; while [ $i -lt 26 ]; do x=$x$x; i=$((i+1)); done; echo ${#x}"


def run_hungry(house):
    id = house.begin("sh", "-c", HUNGRY, flags=("--memory", "32M"))
    status = house.sealed(id)
    if house.events(id, "job_not_started"):
        pytest.skip(f"no container can have a limit here: {status.get('reason')}")
    if status["exit_code"] == 0:
        pytest.skip("the limit of a container's memory does not hold here")
    assert (status["status"], status["exit_code"]) == ("failed", 137)
    assert house.api.messages(id)[0] == "up"
    return status


def test_a_container_that_takes_more_memory_than_its_limit_is_said_to_have(memory_house):
    status = run_hungry(memory_house)
    assert status["reason"] == "it used more memory than its limit"
    assert memory_house.killed


def test_a_kill_that_the_engine_does_not_explain_names_the_limit(direct):
    """Whether an engine notices why it was killed depends on the machine."""
    status = run_hungry(direct)
    assert status["reason"] in (
        "it used more memory than its limit",
        "it was killed, and the engine does not say why; it may have used more memory than its limit",
    )
