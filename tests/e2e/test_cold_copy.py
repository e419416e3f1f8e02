"""A store of which logs lie in S3, copied: what lies there is read and written into the copy."""

import pytest
from support import postgres, s3
from support.api import eventually
from support.cli import Cli
from support.cold import Cold
from support.s3_proxy import CUT
from support.server import Server

pytestmark = [s3.needs_s3, pytest.mark.sqlite("copies from a file")]


class Moved:
    """A stopped server whose logs lie in S3, and its settings in a file."""

    def __init__(self, servers, tmp_path):
        self.cold = Cold(servers)
        self.ids = [self.cold.seal(lines=3000), self.cold.seal(messages=["one"])]
        self.open = self.cold.api.create()
        self.cold.api.append_lines(self.open, ["it goes on"])
        self.records = {id: self.cold.api.logs(id) for id in (*self.ids, self.open)}
        self.cold.cool()
        self.cold.wait_moved()
        self.cold.server.stop()
        self.data, self.cli = self.cold.server.data, Cli(tmp_path / "home")
        self.settings = tmp_path / "server.conf"
        self.settings.write_text(
            f'cold = "s3://{s3.BUCKET}/{self.cold.prefix}"\ns3_endpoint = "{self.cold.proxy.url}"\n'
            's3_region = "us-east-1"\ns3_timeout_seconds = 1\n'
        )

    def copy(self, to, *flags):
        return self.cli.run("store", "copy", *flags, self.data, to, env=self.cold.s3.keys)


@pytest.fixture
def moved(servers, tmp_path):
    it = Moved(servers, tmp_path)
    yield it
    it.cold.close()


def test_a_store_is_copied_with_what_lies_in_s3_and_its_copy_needs_nothing_there(moved, tmp_path):
    refused = moved.copy(tmp_path / "copy")
    assert refused.code == 2 and b"lie in S3: give the settings of its server" in refused.err
    database = postgres.shared().store(tmp_path / "database")
    for to, flags in ((tmp_path / "file" / "data", ()), (database, ("--store", database))):
        before = moved.cold.proxy.count("get", ".pack")
        done = moved.copy(to, "--config", moved.settings)
        assert done.code == 0 and "all of it was read back, and is the same" in done.text(), done
        assert moved.cold.proxy.count("get", ".pack") - before <= 2  # not one for each chunk
        server = Server(tmp_path / ("database" if flags else "file"), flags=flags).start()
        try:
            assert {id: server.api().logs(id) for id in moved.records} == moved.records
            for id in moved.ids:
                Cli(tmp_path / "verifying", server).ok("verify", id)
        finally:
            server.close()


def test_a_copy_moves_its_logs_to_a_place_of_its_own(moved, tmp_path):
    assert moved.copy(tmp_path / "file" / "data", "--config", moved.settings).code == 0
    packs = moved.cold.packs()
    flags = list(moved.cold.server.flags)
    server = Server(tmp_path / "file", flags=flags, env=moved.cold.s3.keys).start()
    try:  # at the place of the store that it is a copy of, it moves nothing
        said = server.wait_log(lambda entry: "cannot be moved" in entry["message"])
        assert said["error"] == "conflict" and moved.cold.packs() == packs
        server.stop()
        server.flags[server.flags.index("--cold") + 1] += "-copy"
        server.restart()
        eventually(lambda: server.api().metrics().get("runnel_cold_moved_chunks_total", 0) > 0, "they are moved again")
        assert {id: server.api().logs(id) for id in moved.records} == moved.records
        assert moved.cold.packs() == packs
    finally:
        server.close()


def test_a_copy_goes_on_when_s3_is_there_again(moved, tmp_path):
    moved.cold.proxy.fault = lambda request: CUT
    away = moved.copy(tmp_path / "copy", "--config", moved.settings)
    assert away.code == 1 and b"The same command goes on with the copy once it can be" in away.err, away
    moved.cold.proxy.fault = lambda request: None
    assert moved.copy(tmp_path / "copy", "--config", moved.settings).code == 0


@pytest.mark.parametrize("kind", ["damaged", "missing", "cut"])
def test_what_is_not_in_s3_as_it_was_stored_is_named_and_the_copy_not_finished(moved, tmp_path, kind):
    it = moved.cold
    [key] = it.packs()
    pack = it.pack(key)
    if kind == "missing":
        it.s3.remove(it.prefix, key)
    else:
        it.s3.write(it.prefix, key, pack[:10] + b"?" * (len(pack) - 10) if kind == "damaged" else pack[:10])
    found = moved.copy(tmp_path / "copy", "--config", moved.settings)
    assert found.code == 1 and moved.ids[0].encode() in found.err, found
    assert b"so the copy is not finished" in found.err and b"none of its records can be read" in found.err
