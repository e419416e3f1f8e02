"""Retention: what goes when its time has come, what stays, and what is still told of it."""

import datetime
import signal
import subprocess

import pytest
from support.api import eventually
from support.cli import Cli
from support.ws import Runner

PATH = "/api/v1/executions"


def seal(server, api, lines=("one", "two"), exit_code=0, **fields):
    execution_id = api.create(**fields)
    with Runner(server, execution_id) as runner:
        runner.lines(list(lines))
        runner.complete(exit_code)
    return execution_id


def gone(api, execution_id):
    return api.get(f"{PATH}/{execution_id}").status == 410


def time_of(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))


def test_an_execution_is_kept_for_thirty_days_and_says_so(server, api):
    execution_id = api.create()
    assert api.status(execution_id)["expires_at"] is None
    execution_id = seal(server, api)
    status = api.status(execution_id)
    kept = time_of(status["expires_at"]) - time_of(status["completed_at"])
    assert datetime.timedelta(days=30) <= kept < datetime.timedelta(days=30, minutes=1)
    listed = api.expect(200, "GET", PATH, query={"limit": 100})["executions"]
    assert [one["expires_at"] for one in listed if one["execution_id"] == execution_id] == [status["expires_at"]]
    api.expect(200, "PATCH", f"{PATH}/{execution_id}", {"pin": True})
    assert api.status(execution_id)["expires_at"] is None
    api.expect(200, "PATCH", f"{PATH}/{execution_id}", {"pin": False})
    assert api.status(execution_id)["expires_at"] == status["expires_at"]


def test_what_has_expired_goes_by_itself_and_what_is_still_known_of_it_is_told(servers):
    server = servers(start=False)
    config = server.root / "server.conf"
    config.write_text('retention = "30d"\n')
    server.flags = ["--config", str(config)]
    server.start()
    api = server.api()
    still_open = api.create()
    pinned = api.create()
    api.expect(200, "PATCH", f"{PATH}/{pinned}", {"pin": True})
    with Runner(server, pinned) as runner:
        runner.lines(["kept"])
        runner.complete(0)
    execution_id = seal(server, api, exit_code=3, metadata={"team": "data"})
    before = api.status(execution_id)
    config.write_text('retention = "1s"\n')
    server.process.signal(signal.SIGHUP)
    eventually(lambda: gone(api, execution_id), "it goes when its time has come")
    for path in ("", "/status", "/logs", "/logs/stream"):
        answer = api.get(f"{PATH}/{execution_id}{path}")
        assert (answer.status, answer.code) == (410, "expired"), path
        told = answer.json()["execution"]
        same = "execution_id status exit_code created_at started_at completed_at duration_ms last_index digest sealed"
        assert {name: told[name] for name in same.split()} == {name: before[name] for name in same.split()}
        assert told["exit_code"] == 3 and told["last_index"] == 2 and told["first_sequence"] == 2
        assert told["metadata"] is None and told["expires_at"] is None
    assert api.messages(pinned) == ["kept"]
    assert api.status(still_open)["status"] == "queued"
    assert api.request("POST", PATH, {"execution_id": execution_id}).code == "expired"
    assert server.number("SELECT count(*) FROM executions WHERE purged = 1") == 1
    eventually(lambda: server.number("SELECT count(*) FROM purging") == 0, "its records are deleted")
    assert "runnel_retention_purged_total 1\n" in api.get("/metrics").body.decode()
    api.expect(200, "PATCH", f"{PATH}/{pinned}", {"pin": False})
    eventually(lambda: gone(api, pinned), "it goes when it is not pinned any more")
    assert server.running()


def test_each_status_has_its_own_age(servers):
    server = servers("--retention", "1s, failed=90d, cancelled=0")
    api = server.api()
    done, failed, cancelled = seal(server, api), seal(server, api, exit_code=1), api.create()
    api.delete(f"{PATH}/{cancelled}")
    eventually(lambda: gone(api, done), "what is done goes")
    kept = time_of(api.status(failed)["expires_at"]) - time_of(api.status(failed)["completed_at"])
    assert kept >= datetime.timedelta(days=90)
    assert api.status(cancelled)["expires_at"] is None


def test_the_oldest_go_when_there_are_too_many(servers):
    server = servers("--retention", "executions=2")
    api = server.api()
    made = [seal(server, api) for _ in range(4)]
    eventually(lambda: gone(api, made[0]) and gone(api, made[1]), "the two oldest go")
    assert [api.messages(one) for one in made[2:]] == [["one", "two"]] * 2
    api.expect(200, "PATCH", f"{PATH}/{made[2]}", {"pin": True})
    made += [seal(server, api) for _ in range(2)]
    eventually(lambda: gone(api, made[3]), "pinned ones do not count")
    assert [api.messages(one) for one in (made[2], *made[4:])] == [["one", "two"]] * 3


def test_the_oldest_go_when_they_take_too_much_room(servers):
    server = servers("--retention", "bytes=10k")
    api = server.api()
    old, new = seal(server, api, ["x" * 6000]), seal(server, api, ["y" * 6000])
    eventually(lambda: gone(api, old), "the older one goes")
    assert api.messages(new) == ["y" * 6000]


def test_expired_executions_go_at_the_next_start_and_rules_are_taken_over_by_a_reload(servers):
    server = servers(start=False)
    config = server.root / "server.conf"
    config.write_text('retention = "0"\n')
    server.flags = ["--config", str(config)]
    server.start()
    api = server.api()
    first, second = seal(server, api), seal(server, api)
    assert api.status(first)["expires_at"] is None
    api.expect(200, "PATCH", f"{PATH}/{second}", {"pin": True})
    config.write_text('retention = "1s"\n')
    server.process.signal(signal.SIGHUP)
    eventually(lambda: gone(api, first), "the new rules hold")
    config.write_text('retention = "90d"\n')
    server.stop()
    server.restart()
    api = server.api()
    api.expect(200, "PATCH", f"{PATH}/{second}", {"pin": False})
    assert api.status(second)["expires_at"] is not None
    config.write_text('retention = "1ms"\n')
    server.stop()
    server.restart()
    eventually(lambda: gone(server.api(), second), "it had expired while the server was away")


@pytest.mark.parametrize("wrong", ["30", "30x", "running=1d", "bytes=lots", "30d,"])
def test_rules_that_cannot_be_read_are_refused(servers, wrong):
    server = servers("--retention", wrong, start=False)
    server.spawn()
    server.ended(2)
    said = server.process.err.data.decode()
    assert "retention must be a duration such as 30d" in said and f'not "{wrong}"' in said


def test_an_account_and_an_execution_have_rules_of_their_own(servers):
    server = servers()
    api = server.api()
    account = "/api/v1/accounts/default"
    done, failed = seal(server, api), seal(server, api, exit_code=1)
    day, ever = seal(server, api, retention="1d"), seal(server, api, retention="0")

    def kept(execution_id):
        status = api.status(execution_id)
        return status["expires_at"] and round((time_of(status["expires_at"]) - time_of(status["completed_at"])).days)

    assert [kept(one) for one in (done, failed, day, ever)] == [30, 30, 1, None]
    changed = api.expect(200, "PATCH", account, {"retention": "failed=90d"})
    assert (changed["retention"], changed["suspended"]) == ("failed=90d", False)
    assert [kept(one) for one in (done, failed, day, ever)] == [30, 90, 1, None]
    assert api.expect(200, "GET", account)["retention"] == "failed=90d"
    api.expect(200, "PATCH", account, {"suspended": False})
    assert kept(failed) == 90
    soon = seal(server, api, retention="1s")
    eventually(lambda: gone(api, soon), "its own age")
    api.expect(200, "PATCH", account, {"retention": "1s"})
    eventually(lambda: gone(api, done) and gone(api, failed), "the account's age")
    assert [kept(one) for one in (day, ever)] == [1, None]
    assert api.expect(200, "PATCH", account, {"retention": ""})["retention"] is None
    assert kept(seal(server, api)) == 30
    for wrong in ("30", "x", 7, None, "x" * 300):
        assert api.request("PATCH", account, {"retention": wrong}).code == "invalid"
    assert api.request("PATCH", account, {}).code == "invalid"
    assert api.request("POST", PATH, {"retention": "30"}).code == "invalid"


def test_a_key_whose_execution_has_expired_does_not_make_it_again(servers):
    server = servers("--retention", "1s")
    api = server.api()
    headers = {"Idempotency-Key": "k1"}
    made = api.request("POST", PATH, {"metadata": {"n": 1}}, headers=headers)
    execution_id = made.json()["execution_id"]
    api.delete(f"{PATH}/{execution_id}")
    eventually(lambda: gone(api, execution_id), "it goes")
    again = api.request("POST", PATH, {"metadata": {"n": 1}}, headers=headers)
    assert (again.status, again.code) == (410, "expired")


def test_a_spool_that_comes_after_its_execution_has_gone_is_discarded_and_said(servers, tmp_path):
    server = servers("--lease-seconds", "5", "--lost-seal-seconds", "1", "--retention", "lost=1s")
    cli, api = Cli(tmp_path / "home", server), server.api()
    with cli.start("wrap", "--id", "late", "--", "sh", "-c", "echo one; read line", stdin=subprocess.PIPE) as process:
        eventually(lambda: api.get(f"{PATH}/late").status == 200 and api.status("late")["last_index"] == 1, "it began")
        process.kill()
    eventually(lambda: gone(api, "late"), "it is lost, sealed, and goes", timeout=60)
    spool = cli.home / "state" / "runnel" / "spool" / "late"
    assert spool.exists()
    said = cli.ok("wrap", "--resume").err.decode()
    assert "runnel: late is discarded: its execution has expired, or was purged\n" in said
    assert "0 delivered, 0 left, 1 discarded" in said and not spool.exists()
    # Another run of that name never had the execution: what it has recorded stays.
    other = cli.run("wrap", "--id", "late", "--", "echo", "again")
    assert b"it was purged" in other.err and spool.exists()
    assert b"late is left" in cli.run("wrap", "--resume").err and spool.exists()


def test_an_order_says_how_long_it_is_kept_alone_or_in_a_batch(servers, tmp_path):
    server = servers("--jobs", "2")
    cli, api = Cli(tmp_path / "home", server), server.api()

    def kept(execution_id):
        status = eventually(lambda: (s := api.status(execution_id))["sealed"] and s, "it ends")
        return status["expires_at"] and round((time_of(status["expires_at"]) - time_of(status["completed_at"])).days)

    cli.ok("run", "-q", "--id", "week", "--retention", "7d", "--", "true")
    cli.ok("run", "-q", "--id", "ever", "--retention", "0", "--", "true")
    cli.ok("run", "-q", "--id", "pinned", "--pin", "--", "true")
    assert [kept(one) for one in ("week", "ever", "pinned")] == [7, None, None]
    assert f"Expires: {api.status('week')['expires_at'][:10]}" in cli.ok("status", "week").text()
    assert "Expires" not in cli.ok("status", "ever").text()
    cli.run("run", "--retention", "soon", "--", "true", expect=2)
    batch_id = cli.ok("run", "--retention", "2d", "--range", "1-3", "--", "true").text().strip()
    members = api.expect(200, "GET", f"/api/v1/batches/{batch_id}/executions")["executions"]
    assert [kept(one["execution_id"]) for one in members] == [2, 2, 2]


def test_a_batch_says_how_long_all_its_executions_are_kept(servers, tmp_path):
    """Those that it is made with, those that are added later, and the attempts that follow."""
    server = servers("--jobs", "2")
    cli, api = Cli(tmp_path / "home", server), server.api()

    def kept(execution):
        status = eventually(lambda: (s := api.status(execution["execution_id"]))["sealed"] and s, "it ends")
        return status["expires_at"] and round((time_of(status["expires_at"]) - time_of(status["completed_at"])).days)

    def executions(batch_id):
        return api.expect(200, "GET", f"/api/v1/batches/{batch_id}/executions")["executions"][::-1]

    body = {"retention": "2d", "keep_open": True, "job": {"command": ["true"]}, "jobs": [{}, {"retention": "5d"}]}
    batch_id = api.expect(201, "POST", "/api/v1/batches", body)["batch_id"]
    more = {"job": {"command": ["true"]}, "jobs": [{}, {"retention": "0"}, {"pin": True}]}
    api.expect(201, "POST", f"/api/v1/batches/{batch_id}/executions", more)
    assert [kept(one) for one in executions(batch_id)] == [2, 5, 2, None, None]
    body = {"pin": True, "jobs": [{"command": ["true"]}, {"command": ["true"], "pin": False}]}
    batch_id = api.expect(201, "POST", "/api/v1/batches", body)["batch_id"]
    assert [kept(one) for one in executions(batch_id)] == [None, 30]
    assert "\nRetention: pinned\n" in cli.ok("batch", "status", batch_id).text()
    body = {"retention": "3d", "jobs": [{"command": ["false"], "retries": 1, "retry_delay_seconds": 0}]}
    batch_id = api.expect(201, "POST", "/api/v1/batches", body)["batch_id"]
    eventually(lambda: api.expect(200, "GET", f"/api/v1/batches/{batch_id}")["status"] == "completed", "it ends")
    assert [kept(one) for one in executions(batch_id)] == [3, 3]
    for wrong in ("30", "executions=5", "", 7):
        answer = api.request("POST", "/api/v1/batches", {"retention": wrong, "jobs": [{"command": ["true"]}]})
        assert (answer.status, answer.code) == (422, "invalid"), wrong
    batch_id = cli.ok("run", "--retention", "4d", "--keep-open", "--range", "1-2", "--", "true").text().strip()
    status = api.expect(200, "GET", f"/api/v1/batches/{batch_id}/status")
    assert (status["retention"], status["pin"]) == ("4d", False)
    assert "\nRetention: 4d\n" in cli.ok("batch", "status", batch_id).text()
    cli.ok("run", "--add-to", batch_id, "--", "true")
    cli.ok("run", "--add-to", batch_id, "--retention", "6d", "--", "true")
    assert [kept(one) for one in executions(batch_id)] == [4, 4, 4, 6]
    rules = ("--retention", "7d,log_bytes=1M", "--pin")
    said = cli.ok("run", *rules, "--range", "1-2", "--watch", "--", "true").text()
    assert said.endswith("\nRetention: 7d,log_bytes=1M, and pinned\n"), said
    [newest, *_] = api.expect(200, "GET", "/api/v1/batches")["batches"]
    assert (newest["retention"], newest["pin"]) == ("7d,log_bytes=1M", True)
    plain = cli.ok("run", "--range", "1-2", "--watch", "--", "true").text()
    assert "Retention" not in plain


def test_executions_are_pinned_and_accounts_are_given_rules_from_the_command_line(servers, tmp_path):
    server = servers()
    cli, api = Cli(tmp_path / "home", server), server.api()
    one, two = seal(server, api), seal(server, api)
    assert cli.ok("pin", one, two).text() == f"{one}: kept until it is unpinned\n{two}: kept until it is unpinned\n"
    assert api.status(one)["expires_at"] is None
    said = cli.ok("unpin", one).text()
    assert said.startswith(f"{one}: not pinned; expires 20") and api.status(one)["expires_at"]
    cli.run("unpin", "there-is-none", expect=3)
    said = cli.ok("account", "set", "default", "--retention", "1d, failed=9d").err
    assert said == b"runnel: executions of account default are kept by its own rules: 1d, failed=9d\n"
    assert api.expect(200, "GET", "/api/v1/accounts/default")["retention"] == "1d, failed=9d"
    assert cli.ok("account", "set", "default", "--retention", "").err.endswith(b"kept by the server's rules\n")
    assert api.expect(200, "GET", "/api/v1/accounts/default")["retention"] is None
    assert b"retention: must be empty, or" in cli.run("account", "set", "default", "--retention", "x", expect=2).err
    assert b"say what to set" in cli.run("account", "set", "default", expect=2).err
    assert b"is for `runnel account set`" in cli.run("account", "create", "b", "--retention", "1d", expect=2).err


def test_a_batch_goes_with_the_last_of_its_executions(servers, tmp_path):
    server = servers("--jobs", "2")
    api = server.api()
    jobs = [{"command": ["true"], "retention": "1ms"}, {"command": ["true"], "pin": True}]
    batch_id = api.expect(201, "POST", "/api/v1/batches", {"jobs": jobs})["batch_id"]
    path = f"/api/v1/batches/{batch_id}"
    status = eventually(lambda: (s := api.expect(200, "GET", path))["status"] == "completed" and s, "both end")
    eventually(lambda: len(api.expect(200, "GET", f"{path}/executions")["executions"]) == 1, "the first one goes")
    assert api.expect(200, "GET", path)["status"] == "completed"
    assert (status["status"], status["total_count"], status["completed_count"]) == ("completed", 2, 2)
    [left] = api.expect(200, "GET", f"{path}/executions")["executions"]
    api.expect(200, "DELETE", f"{PATH}/{left['execution_id']}", query={"purge": "true"})
    assert api.get(path).status == 404
    assert server.number("SELECT count(*) FROM batches") == 0


def test_the_spool_of_a_workers_job_whose_execution_has_gone_is_discarded_and_said(servers, tmp_path):
    server = servers("--lease-seconds", "5", "--lost-seal-seconds", "1", "--retention", "lost=1s")
    api, root = server.api(), tmp_path / "worker"
    home = Cli(root, server)
    command = ("worker", "--slots", "1", "--data", str(root / "data"))
    gate = tmp_path / "gate"
    with home.start(*command) as worker:
        script = f"echo one; while [ ! -e {gate} ]; do sleep 0.1; done"
        execution_id = api.create(command=["sh", "-c", script], queue=True)
        eventually(lambda: api.status(execution_id)["last_index"] == 1, "it runs")
        worker.kill()
    eventually(lambda: gone(api, execution_id), "it is lost, sealed, and goes", timeout=60)
    spool = root / "data" / "spool" / execution_id
    assert spool.exists()
    gate.touch()
    with home.start(*command) as worker:
        worker.err.wait_for(b"has expired, or was purged; its log is discarded")
        eventually(lambda: not spool.exists(), "its folder goes")
        worker.signal(signal.SIGTERM)
        assert worker.finish() == 0


# --- What applies


def test_what_applies_is_told_part_by_part_and_whose_rule_it_is(servers):
    server = servers("--retention", "30d, failed=90d, log_records=5000")
    operator = server.api()
    own = operator.expect(200, "GET", "/api/v1/retention")
    assert (own["account"], own["retention"]) == ("default", None)
    assert own["rules"]["completed"] == {"value": "30d", "from": "server", "server": "30d"}
    assert own["rules"]["bytes"] == {"value": "0", "from": "server", "server": "0"}
    operator.expect(201, "POST", "/api/v1/accounts", {"name": "team"})
    operator.expect(200, "PATCH", "/api/v1/accounts/team", {"retention": "7d, bytes=100G, log_records=0"})
    admin = operator.as_role("admin", account="team")
    told = admin.expect(200, "GET", "/api/v1/retention")
    assert told == operator.expect(200, "GET", "/api/v1/retention", query={"account": "team"})
    assert (told["account"], told["retention"]) == ("team", "7d, bytes=100G, log_records=0")
    assert told["rules"]["failed"] == {"value": "7d", "from": "account", "server": "90d"}
    assert told["rules"]["bytes"] == {"value": "100G", "from": "account", "server": "0"}
    assert told["rules"]["log_records"] == {"value": "0", "from": "account", "server": "5000"}
    assert told["rules"]["log_bytes"]["from"] == told["rules"]["executions"]["from"] == "server"
    assert admin.get("/api/v1/retention", query={"account": "default"}).status == 403
    assert operator.get("/api/v1/retention", query={"account": "nobody"}).status == 404
    operator.expect(200, "PATCH", "/api/v1/accounts/team", {"retention": "failed=0"})
    rules = admin.expect(200, "GET", "/api/v1/retention")["rules"]
    assert rules["failed"] == {"value": "0", "from": "account", "server": "90d"}
    assert rules["lost"] == {"value": "30d", "from": "server", "server": "30d"}
