"""Images of a registry that asks for a password: a real one, and a real engine that pulls."""

import base64
import ctypes
import signal
import socket

import pytest
from support.api import eventually
from support.containers import House
from support.engine import IMAGE, NoEngine
from support.files import files_beneath
from support.registry import PASSWORD, USER, Registry

LANDLOCK_CREATE_RULESET = 444  # its number on every machine
NOWHERE = "localhost:1/nowhere/none:7"


@pytest.fixture(scope="module")
def registry(podman, tmp_path_factory):
    try:
        one = Registry(tmp_path_factory.mktemp("registry") / "r")
    except NoEngine as reason:
        pytest.skip(str(reason))
    yield one
    one.close()


@pytest.fixture
def image(podman, registry, request):
    """One that only the registry has."""
    name = registry.put(podman, IMAGE, f"team/{request.node.name.partition('[')[0][-40:].strip('_')}:1")
    yield name
    podman.ask("DELETE", f"/images/{name}?force=true")


@pytest.fixture
def houses(engine, own_server, tmp_path):
    """houses(file of logins) → a server with a worker that has it."""
    made = []

    def make(logins=None):
        flags = ["--registry-auth", logins] if logins else []
        made.append(House(own_server, tmp_path, engine.socket, flags).start())
        return made[-1]

    yield make
    for one in made:
        one.close()


def refusal(house, image):
    """Why a job with that image was not started."""
    id = house.begin("true", image=image)
    status = house.sealed(id)
    assert (status["status"], status["exit_code"]) == ("failed", 126), status
    (event,) = house.events(id, "job_not_started")
    assert f"there is no image {image} here, and it cannot be pulled: " in event["message"]
    return event["message"].partition("pulled: ")[2]


def files_with(folder, needles):
    found = []
    for path in files_beneath(folder):
        if any(needle in path.read_bytes() for needle in needles):
            found.append(path)
    return found


def test_an_image_is_pulled_with_the_login_of_the_workers_file_and_nothing_keeps_it(houses, registry, image, tmp_path):
    house = houses(registry.logins(tmp_path / "logins.json"))
    id = house.begin("sh", "-c", "echo up; env; until [ -e go ]; do sleep 0.1; done", image=image)
    house.shows(id, "up")
    needles = [
        PASSWORD.encode(),
        base64.b64encode(f"{USER}:{PASSWORD}".encode()),
        base64.b64encode(f'"password":"{PASSWORD}"'.encode())[4:-4],
    ]
    assert files_with(house.data, needles) == []
    (house.data / "spool" / id / "work" / "go").touch()
    assert house.sealed(id)["status"] == "completed"
    told = [event["message"] for event in house.events(id, "image_pull")]
    assert told[0] == f"pulling {image}" and told[-1] == f"pulled {image}"
    shown = house.api.get(f"/api/v1/executions/{id}").body + house.api.get(f"/api/v1/executions/{id}/logs").body
    for needle in needles:
        assert needle not in shown and needle not in house.process.err.data
    assert files_with(tmp_path, needles) == [tmp_path / "logins.json"]  # the store and the worker's folder are there


def test_a_wrong_password_fails_the_job_and_says_whose_it_was(houses, registry, image, tmp_path):
    house = houses(registry.logins(tmp_path / "logins.json", password="battery-staple-9"))
    words = refusal(house, image)
    assert "unauthorized" in words
    assert words.endswith(f"(asked with the login of the worker for {registry.name})")
    assert "battery-staple-9" not in words


@pytest.mark.parametrize(
    "options, reason",
    [
        (None, "--registry-auth gives the worker some"),
        ({"name": "registry.example"}, "the worker's file of logins has none for {registry}"),
        ({"mode": 0o640}, "as the worker's file of logins cannot be used: others than its owner may read or write it"),
    ],
    ids=["no file", "another registry", "a file that others can read"],
)
def test_without_a_login_the_job_fails_and_its_log_says_why_there_was_none(
    houses, registry, image, tmp_path, options, reason
):
    logins = options and registry.logins(tmp_path / "logins.json", **options)
    house = houses(logins)
    words = refusal(house, image)
    assert "unauthorized" in words and " (asked without a login" in words
    assert reason.format(registry=registry.name) in words


def test_a_login_that_is_put_into_the_file_counts_for_the_next_pull(houses, registry, image, tmp_path):
    path = tmp_path / "logins.json"
    path.write_text("{")
    path.chmod(0o600)
    house = houses(path)
    house.process.err.wait_for(b"the file of logins for registries cannot be used")
    assert "it is not a JSON object with `auths`" in refusal(house, image)
    registry.logins(path)
    house.process.signal(signal.SIGHUP)
    house.process.err.wait_for(b"logins for registries were read")
    assert house.run("echo", "ran", image=image).out.splitlines()[-1] == b"ran"
    assert house.process.popen.poll() is None


def test_an_image_that_the_registry_does_not_have_is_told_without_a_word_of_logins(houses, registry, image, tmp_path):
    house = houses(registry.logins(tmp_path / "logins.json"))
    words = refusal(house, image.rpartition(":")[0] + ":9")
    assert "manifest unknown" in words and "asked with" not in words


def test_an_image_that_anybody_may_have_needs_no_file_that_can_be_used(houses, tmp_path):
    house = houses(tmp_path / "none.json")
    house.process.err.wait_for(b"No such file or directory")
    assert house.run("echo", "ran").out == b"ran\n"
    assert "login" not in refusal(house, NOWHERE)


def test_a_job_in_a_process_cannot_read_the_file(houses, registry, tmp_path):
    if ctypes.CDLL(None).syscall(LANDLOCK_CREATE_RULESET, None, 0, 1) < 1:
        pytest.skip("this kernel has no Landlock")
    folder = tmp_path / "kept"
    folder.mkdir()
    path = registry.logins(folder / "logins.json")
    house = houses(path)
    ran = house.cli.run("run", "-q", "--", "sh", "-c", f"cat {path} || echo over")
    lines = ran.out.splitlines()  # of two pipes: which of them is read first is not said
    assert len(lines) == 2 and b"over" in lines and b"Permission denied" in ran.out and b"auths" not in ran.out, ran


def test_a_pull_from_a_registry_that_says_nothing_is_ended_by_a_cancel(houses, engine):
    house = houses()
    with socket.create_server(("127.0.0.1", 0)) as silent:  # takes connections, and never answers
        image = f"127.0.0.1:{silent.getsockname()[1]}/team/small:1"
        id = house.begin("true", image=image)
        house.shows(id, f"pulling {image}")
        house.api.expect(202, "DELETE", f"/api/v1/executions/{id}")
        status = house.sealed(id)
    assert (status["status"], status["exit_code"]) == ("cancelled", 143)
    eventually(lambda: engine.containers() == [], "no container")


def test_the_worker_within_the_server_has_the_file_of_its_setting(servers, tmp_path):
    path = tmp_path / "logins.json"
    path.write_text('{"auths": {"registry.example": {"auth": "YTpi"}, "other.example": {}}}')
    path.chmod(0o600)
    server = servers("--jobs", "1", "--registry-auth", str(path))
    found = server.process.err.wait(
        lambda data: [line for line in data.split(b"\n") if b"logins for registries were read" in line], "its word"
    )
    assert b'"registries":1' in found[0].replace(b" ", b"")
