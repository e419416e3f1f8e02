"""Fixtures of the end-to-end suite. RUNNEL_BIN names the program under test."""

import collections
import itertools
import os
import pathlib
import signal
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))

from support import postgres  # noqa: E402
from support.cli import Cli  # noqa: E402
from support.api import eventually  # noqa: E402
from support.engine import NoEngine, Podman  # noqa: E402
from support.process import BIN  # noqa: E402
from support.server import Server  # noqa: E402


def pytest_configure(config):
    # What this program ignores, because it runs under nohup or in a script's background, its jobs would ignore too.
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    signal.signal(signal.SIGQUIT, signal.SIG_DFL)
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if not os.access(BIN, os.X_OK):
        raise pytest.UsageError(f"there is no program at {BIN}; build it, or name another by RUNNEL_BIN")
    config.addinivalue_line("markers", "threads: worth running under ThreadSanitizer")
    config.addinivalue_line(
        "markers", "sqlite(why): of a store in a file alone, and left out where it is in PostgreSQL"
    )
    config.left_out = collections.Counter()


def pytest_collection_modifyitems(config, items):
    if not postgres.WANTED:
        return
    about_files = [item for item in items if item.get_closest_marker("sqlite")]
    for item in about_files:
        [why] = item.get_closest_marker("sqlite").args
        config.left_out[why] += 1
    config.hook.pytest_deselected(items=about_files)
    items[:] = [item for item in items if item not in set(about_files)]


def pytest_sessionfinish(session):
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["left_out"] = dict(session.config.left_out)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node):
    node.config.left_out.update(node.workeroutput.get("left_out", {}) if not node.config.left_out else {})


def pytest_terminal_summary(terminalreporter, config):
    """Said, and not only left out: which tests are of the other store alone, and why."""
    for why, count in sorted(config.left_out.items()):
        terminalreporter.write_line(f"{count} not of a store in PostgreSQL: {why}")


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    """One server for all tests that leave each other alone."""
    shared = Server(tmp_path_factory.mktemp("shared"), flags=["--loops", "2", "--failed-logins-max", "1000000"])
    shared.start()
    yield shared
    strange = [entry for entry in shared.log() if "not_json" in entry]
    shared.close()
    assert not strange, strange[:20]


@pytest.fixture(autouse=True)
def _a_crash_fails_the_test_that_made_it(request):
    """And not those after it: the shared server is started again."""
    yield
    if "server" not in request.fixturenames:
        return
    shared = request.getfixturevalue("server")
    if not shared.running():
        last_words = shared.process.err.wait_end()[-6000:].decode(errors="replace")
        shared.restart()
        pytest.fail(f"the server died:\n{last_words}")


@pytest.fixture(scope="session")
def api(server):
    return server.api()


@pytest.fixture(scope="session")
def role_keys(api):
    """role → a key of the shared server with that role."""
    return {role: api.key(role)["key"] for role in ("viewer", "user", "service", "admin", "operator")}


@pytest.fixture(scope="module")
def podman():
    """A container engine of the module's own."""
    try:
        engine = Podman()
    except NoEngine as reason:
        pytest.skip(str(reason))
    yield engine
    engine.close()


@pytest.fixture
def engine(podman):
    """The engine, in which nothing may be left."""
    yield podman
    eventually(lambda: podman.containers() == [], "the last container is removed")


@pytest.fixture
def servers(tmp_path):
    """Makes servers of a test's own: servers(flags…) → a started Server."""
    made = []
    counter = itertools.count()

    def make(*flags, start=True, **options):
        one = Server(tmp_path / f"server{next(counter)}", flags=flags, **options)
        made.append(one)
        return one.start() if start else one

    yield make
    for one in made:
        one.close()


@pytest.fixture
def own_server(servers):
    return servers()


@pytest.fixture
def cli(server, tmp_path):
    return Cli(tmp_path / "home", server)
