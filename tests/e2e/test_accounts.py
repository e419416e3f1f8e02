"""Accounts: kept apart, suspended, resumed and deleted; and who may touch whose keys."""

import itertools
import subprocess
import uuid

import pytest
from support import postgres
from support.api import Api, eventually
from support.cli import Cli
from support.sse import Stream
from support.ws import Follower, Refused, Runner, WebSocket

PATH = "/api/v1/executions"
ACCOUNTS = "/api/v1/accounts"
KEYS = "/api/v1/keys"
ROLES = ("viewer", "user", "service", "admin", "operator")


class Account:
    """A new account, with a client for a key of each role."""

    def __init__(self, api, name=None):
        self.name = name or f"acct-{uuid.uuid4().hex[:12]}"
        self.operator = api
        api.expect(201, "POST", ACCOUNTS, {"name": self.name})

    def make_key(self, role="admin"):
        return self.operator.key(role, account=self.name)

    def client(self, role="admin"):
        return Api(self.operator.port, self.make_key(role)["key"])

    def set_suspended(self, suspended):
        return self.operator.expect(200, "PATCH", f"{ACCOUNTS}/{self.name}", {"suspended": suspended})

    def delete(self, **query):
        return self.operator.delete(f"{ACCOUNTS}/{self.name}", query=query)


@pytest.fixture
def account(api):
    return Account(api)


def sealed(api, **fields):
    execution_id = api.create(**fields)
    api.append(execution_id, {"message": "m"})
    api.expect(200, "PATCH", f"{PATH}/{execution_id}", {"status": "failed"})
    return execution_id


# --- who may touch whom
@pytest.mark.parametrize("own, target", itertools.product(ROLES, ROLES))
def test_a_role_makes_and_revokes_keys_up_to_its_own(api, role_keys, own, target):
    client = Api(api.port, role_keys[own])
    manages = own in ("admin", "operator")
    allowed = manages and ROLES.index(target) <= ROLES.index(own)
    answer = client.post(KEYS, {"role": target, "name": "made"})
    assert answer.status == (201 if allowed else 403), answer
    victim = api.key(target)
    answer = client.delete(f"{KEYS}/{victim['key_id']}")
    assert answer.status == (200 if allowed else 403), answer
    assert api.get(PATH, token=victim["key"]).status == (401 if allowed else 200)
    listing = client.get(KEYS)
    assert listing.status == (200 if manages else 403)
    assert victim["key"] not in listing.body.decode()


def test_an_admin_revokes_itself_and_not_the_operators(own_server):
    api = own_server.api()
    made = api.key("admin")
    admin = Api(api.port, made["key"])
    operators = [key["key_id"] for key in admin.expect(200, "GET", KEYS)["keys"] if key["role"] == "operator"]
    answer = admin.delete(f"{KEYS}/{operators[0]}")
    assert (answer.status, answer.code) == (403, "forbidden")
    assert api.get(PATH).status == 200
    assert admin.delete(f"{KEYS}/{made['key_id']}").status == 200
    assert admin.get(PATH).status == 401


def test_the_last_operator_key_cannot_go(own_server):
    api = own_server.api()
    first = next(key["key_id"] for key in api.expect(200, "GET", KEYS)["keys"] if key["role"] == "operator")

    def revoke(key_id, client=api):
        answer = client.delete(f"{KEYS}/{key_id}")
        return answer.status, answer.code

    assert revoke(first) == (409, "last_operator")
    soon = api.key("operator", expires_at="1h")
    assert revoke(first) == (409, "last_operator"), "the other one runs out"
    assert revoke(soon["key_id"]) == (200, None)
    elsewhere = Account(api, "elsewhere")
    other = elsewhere.make_key("operator")
    elsewhere_operator = Api(api.port, other["key"])
    elsewhere.set_suspended(True)
    assert revoke(first) == (409, "last_operator"), "the other one is suspended"
    elsewhere.set_suspended(False)
    assert elsewhere_operator.patch(f"{ACCOUNTS}/default", {"suspended": True}).status == 200
    for method, body in (("PATCH", {"suspended": True}), ("DELETE", None)):
        answer = elsewhere_operator.request(method, f"{ACCOUNTS}/elsewhere", body)
        assert (answer.status, answer.code) == (409, "last_operator")
    assert elsewhere_operator.patch(f"{ACCOUNTS}/default", {"suspended": False}).status == 200
    assert revoke(first) == (200, None)
    assert api.get(PATH).status == 401
    assert revoke(other["key_id"], elsewhere_operator) == (409, "last_operator")


# --- made and listed
def test_an_account_is_made_once_and_found(api, account):
    shown = api.expect(200, "GET", f"{ACCOUNTS}/{account.name}")
    assert (
        shown["name"] == account.name
        and shown["suspended"] is False
        and shown["suspended_at"] is None
        and shown["created_at"]
    )
    answer = api.post(ACCOUNTS, {"name": account.name})
    assert (answer.status, answer.code) == (409, "conflict")
    for path in (f"{ACCOUNTS}/nobody", f"{KEYS}?account=nobody"):
        assert api.get(path).status == 404
    assert api.post(KEYS, {"role": "viewer", "name": "x", "account": "nobody"}).status == 404


def test_accounts_are_listed_in_pages(own_server):
    api = own_server.api()
    names = ["default"] + [Account(api, f"team-{i}").name for i in range(5)]
    found, query = [], {"limit": 2}
    while True:
        page = api.expect(200, "GET", ACCOUNTS, query=query)
        found += [account["name"] for account in page["accounts"]]
        if not page["next_cursor"]:
            break
        query["cursor"] = page["next_cursor"]
    assert found == names


# --- kept apart
ELSEWHERE = [
    ("GET", PATH + "/{id}", None),
    ("GET", PATH + "/{id}/status", None),
    ("PATCH", PATH + "/{id}", {"metadata": {"k": 1}}),
    ("DELETE", PATH + "/{id}", None),
    ("DELETE", PATH + "/{id}?purge=true", None),
    ("GET", PATH + "/{id}/logs", None),
    ("GET", PATH + "/{id}/logs?format=raw", None),
    ("GET", PATH + "/{id}/logs?follow=true", None),
    ("GET", PATH + "/{id}/logs/stream", None),
    ("POST", PATH + "/{id}/logs", {"message": "m"}),
    ("DELETE", KEYS + "/{key}", None),
]


@pytest.mark.parametrize("role", ["admin", "operator"])
@pytest.mark.parametrize("method, path, body", ELSEWHERE)
def test_what_is_another_accounts_answers_404(api, account, role, method, path, body):
    made = account.make_key("viewer")
    theirs = sealed(account.client())
    other = Account(api).client(role)
    answer = other.request(method, path.format(id=theirs, key=made["key_id"]), body)
    assert (answer.status, answer.code) == (404, "not_found"), answer
    assert api.get(PATH, token=made["key"]).status == 200
    assert account.client().messages(theirs) == ["m"]


def test_the_sockets_of_another_account_answer_404(server, api, account):
    theirs = account.client().create()
    other = Account(api).client("operator")
    with Follower(server, theirs, token=other.token) as follower:
        assert follower.closed_with() == 4404
    with pytest.raises(Refused) as refused:
        WebSocket(server, f"/ws/runner/executions/{theirs}/stream", other.token)
    assert refused.value.status == 404
    ticket = other.expect(201, "POST", "/api/v1/tickets")["ticket"]
    with Follower(server, theirs, token=None, access_token=ticket) as follower:
        assert follower.closed_with() == 4404
    with Stream(
        other, theirs, token="none", access_token=other.expect(201, "POST", "/api/v1/tickets")["ticket"]
    ) as stream:
        assert stream.status == 404


def test_lists_show_an_account_its_own_alone(api, account):
    one, two = account.client(), Account(api).client()
    fields = {"metadata": {"team": "x"}, "workflow_id": "w", "batch_id": "b"}
    mine, theirs = one.create(**fields), two.create(**fields)
    for query in (
        {},
        {"status": "queued"},
        {"metadata.team": "x"},
        {"workflow_id": "w"},
        {"batch_id": "b"},
        {"since": "1h"},
    ):
        assert [e["execution_id"] for e in one.expect(200, "GET", PATH, query=query)["executions"]] == [mine], query
        assert [e["execution_id"] for e in two.expect(200, "GET", PATH, query=query)["executions"]] == [theirs], query
    names = {key["key_id"] for key in one.expect(200, "GET", KEYS)["keys"]}
    assert len(names) == 1 and not names & {key["key_id"] for key in two.expect(200, "GET", KEYS)["keys"]}


def test_the_same_names_and_idempotency_keys_are_each_accounts_own(api, account):
    one, two = account.client(), Account(api).client()
    key = {"Idempotency-Key": "same"}
    first = one.expect(201, "POST", PATH, {"script_filename": "a"}, headers=key)["execution_id"]
    assert two.expect(201, "POST", PATH, {"script_filename": "a"}, headers=key)["execution_id"] != first
    assert one.expect(200, "POST", PATH, {"script_filename": "a"}, headers=key)["execution_id"] == first
    assert one.create(execution_id="same") == two.create(execution_id="same") == "same"
    one.append("same", {"message": "of one"})
    assert two.messages("same") == []


def test_an_idempotency_key_is_each_users_own(account):
    one, two = account.client("user"), account.client("user")
    key = {"Idempotency-Key": "same"}
    first = one.expect(201, "POST", PATH, {"script_filename": "a"}, headers=key)["execution_id"]
    assert two.expect(201, "POST", PATH, {"script_filename": "a"}, headers=key)["execution_id"] != first
    assert one.expect(200, "POST", PATH, {"script_filename": "a"}, headers=key)["execution_id"] == first


@pytest.mark.parametrize("role", ["viewer", "user", "service", "admin"])
def test_only_an_operator_names_an_account(api, account, role):
    other = Account(api)
    client = account.client(role)
    for answer in (
        client.post(KEYS, {"role": "viewer", "name": "x", "account": other.name}),
        client.post(KEYS, {"role": "viewer", "name": "x", "account": account.name}),
        client.get(KEYS, query={"account": other.name}),
        client.delete(f"{KEYS}/{other.make_key()['key_id']}", query={"account": other.name}),
    ):
        assert (answer.status, answer.code) == (403, "forbidden"), answer


def test_an_operator_looks_after_the_keys_of_any_account(api, account):
    made = account.make_key("viewer")
    listed = api.expect(200, "GET", KEYS, query={"account": account.name})["keys"]
    assert [key["key_id"] for key in listed] == [made["key_id"]]
    assert api.get(PATH, token=made["key"]).status == 200
    assert api.delete(f"{KEYS}/{made['key_id']}").status == 404
    assert api.delete(f"{KEYS}/{made['key_id']}", query={"account": account.name}).status == 200
    assert api.get(PATH, token=made["key"]).status == 401


# --- cursors
def pages(api, limit):
    cursors, query = [], {"limit": limit}
    while True:
        page = api.expect(200, "GET", PATH, query=query)
        if not page["next_cursor"]:
            return cursors
        query["cursor"] = page["next_cursor"]
        cursors.append(page["next_cursor"])


def test_a_cursor_tells_nothing_is_the_same_again_and_outlives_a_restart(own_server):
    api = own_server.api()
    one, two = Account(api, "one").client(), Account(api, "two").client()
    for _ in range(6):
        one.create()
        two.create()
    cursors = pages(one, 1)
    assert len(cursors) == len(set(cursors)) == 5 and all(len(cursor) == 32 for cursor in cursors)
    # Neighbours differ in about half of their bits.
    for a, b in itertools.pairwise(cursors):
        assert 30 < (int(a, 16) ^ int(b, 16)).bit_count() < 98, (a, b)
    assert pages(one, 1) == cursors
    own_server.stop()
    own_server.restart()
    assert pages(one, 1) == cursors


def test_a_cursor_that_was_changed_or_is_another_accounts_is_refused(api, account):
    one, two = account.client(), Account(api).client()
    for _ in range(2):
        one.create()
        two.create()
    cursor = pages(one, 1)[0]
    flipped = [f"{int(cursor, 16) ^ 1 << bit:032x}" for bit in range(128)]
    for bad in [*flipped, cursor[:-1], cursor + "0", cursor.upper() + "x", "", "1", "-1", "9" * 400]:
        answer = one.get(PATH, query={"cursor": bad})
        assert (answer.status, answer.code) == (400, "bad_cursor"), (bad, answer)
    answer = two.get(PATH, query={"cursor": cursor})
    assert (answer.status, answer.code) == (400, "bad_cursor")


# --- limits
def test_an_account_that_is_full_leaves_the_others_room(servers):
    server = servers("--followers-max", "2", "--open-executions-max", "2")
    one, two = Account(server.api(), "one").client(), Account(server.api(), "two").client()
    ids = [one.create(), one.create()]
    assert one.post(PATH, {}).status == 429
    theirs = two.create()
    with Follower(server, ids[0], token=one.token), Follower(server, ids[0], token=one.token):
        with pytest.raises(Refused) as refused:
            Follower(server, ids[0], token=one.token)
        assert refused.value.status == 429
        with Follower(server, theirs, token=two.token) as follower:
            assert follower.expect("state")


def other_tickets(server, count):
    """So many more of the one that there is. Where each takes a commit, the first would have expired before the last."""
    columns = "account, key_row, principal, until_ms"
    numbers = f"generate_series(1, {count}) AS x"
    server.change(f"INSERT INTO tickets(id, {columns}) SELECT id || x, {columns} FROM tickets, {numbers}")
    return count


def test_tickets_are_bounded_for_each_account_by_itself(own_server):
    api = own_server.api()
    one, two = Account(api, "one").client(), Account(api, "two").client()
    connection = one._connection()
    before = 0
    if postgres.WANTED:
        one.expect(201, "POST", "/api/v1/tickets")
        before = 1 + other_tickets(own_server, 9900)
    statuses = []
    while not statuses or statuses[-1] == 201:
        connection.request("POST", "/api/v1/tickets", headers={"Authorization": f"Bearer {one.token}"})
        answer = connection.getresponse()
        answer.read()
        statuses.append(answer.status)
    assert statuses[-1] == 429 and before + len(statuses) == 10001
    assert two.post("/api/v1/tickets").status == 201


# --- suspended
def test_a_suspended_accounts_credentials_are_refused_by_a_code_of_its_own(api, account):
    client = account.client()
    execution_id = sealed(client)
    fresh = account.client("viewer")  # not seen by the server before
    assert account.set_suspended(True)["suspended_at"]
    for one in (client, fresh):
        for _ in range(2):
            answer = one.get(PATH)
            assert (answer.status, answer.code) == (403, "account_suspended"), answer
    assert client.post(f"{PATH}/{execution_id}/logs", {"message": "m"}).code == "account_suspended"
    assert client.post("/api/v1/tickets").code == "account_suspended"
    assert api.get(PATH).status == 200
    assert account.set_suspended(True)["suspended"] is True  # again
    account.set_suspended(False)
    assert client.messages(execution_id) == ["m"] and fresh.get(PATH).status == 200


def test_a_suspension_ends_running_streams_and_refuses_new_ones(server, api, account):
    client = account.client()
    execution_id = client.create()
    ticket = client.expect(201, "POST", "/api/v1/tickets")["ticket"]
    runner = Runner(server, execution_id, token=client.token)
    runner.lines(["kept"])
    follower = Follower(server, execution_id, token=None, access_token=ticket)
    stream = Stream(client, execution_id)
    account.set_suspended(True)
    messages, code = follower.until_closed()
    assert code == 4403 and messages[-1]["code"] == "account_suspended"
    assert runner.closed_with() == 4403
    while stream.next() is not None:
        pass
    with Follower(server, execution_id, token=client.token) as refused:
        messages, code = refused.until_closed()
        assert code == 4403 and messages[-1]["code"] == "account_suspended"
    with Stream(client, execution_id) as refused:
        assert refused.status == 403
    account.set_suspended(False)
    epoch = runner.ready["epoch"]
    with Runner(server, execution_id, token=client.token, epoch=epoch) as runner:
        assert runner.next == 1
        runner.lines(["and more"])
        runner.complete()
    with Follower(server, execution_id, token=None, access_token=ticket) as follower:
        assert [record["message"] for record in follower.rest()[0]] == ["kept", "and more"]


def test_a_suspension_outlives_a_restart(own_server):
    account = Account(own_server.api(), "one")
    client = account.client()
    account.set_suspended(True)
    own_server.stop()
    own_server.restart()
    assert client.get(PATH).code == "account_suspended"
    account.set_suspended(False)
    assert client.get(PATH).status == 200


def test_a_job_of_a_suspended_account_goes_on_and_is_delivered_when_it_is_resumed(server, api, account, tmp_path):
    client = account.client("service")
    cli = Cli(tmp_path / "home", server, token=client.token)
    cli.env["RUNNEL_TOKEN"] = client.token
    script = "echo before; read line; echo $line; read line; echo $line"

    with cli.start("wrap", "--id", "job", "--", "sh", "-c", script, stdin=subprocess.PIPE) as wrap:
        eventually(
            lambda: client.get(f"{PATH}/job").status == 200 and client.messages("job") == ["before"],
            "the first line is there",
        )
        account.set_suspended(True)
        wrap.write(b"while suspended\n")
        wrap.err.wait(lambda data: b"suspended" in data or None, "the runner says why it waits")
        account.set_suspended(False)
        wrap.write(b"after\n")
        assert wrap.finish() == 0, wrap.err.data
    assert client.messages("job") == ["before", "while suspended", "after"]
    assert client.status("job")["status"] == "completed"


def test_a_job_that_ends_while_its_account_is_suspended_stays_in_its_spool(server, api, account, tmp_path):
    client = account.client("service")
    cli = Cli(tmp_path / "home", server)
    cli.env["RUNNEL_TOKEN"] = client.token
    account.set_suspended(True)
    result = cli.run("wrap", "--id", "job2", "--deliver-wait", "5s", "--", "echo", "kept")
    assert b"suspended" in result.err and b"wrap --resume" in result.err, result
    account.set_suspended(False)
    assert client.get(f"{PATH}/job2").status == 404
    cli.ok("wrap", "--resume", "job2")
    assert client.messages("job2") == ["kept"]


def test_a_reader_of_a_suspended_account_is_told_and_ends(server, api, account, tmp_path):
    client = account.client()
    execution_id = client.create()
    cli = Cli(tmp_path / "home", server)
    cli.env["RUNNEL_TOKEN"] = client.token
    with cli.start("logs", "-f", execution_id) as reader:
        client.append(execution_id, {"message": "seen"})
        reader.out.wait(lambda data: b"seen" in data or None, "the line")
        account.set_suspended(True)
        assert reader.finish() == 4
        assert b"suspended" in reader.err.data, reader.err.data


# --- deleted
def test_an_account_that_holds_executions_is_deleted_by_purge_alone(server, api, account):
    client = account.client()
    running, done = client.create(), sealed(client)
    runner = Runner(server, running, token=client.token)
    runner.lines(["secret-of-a-tenant"])
    answer = account.delete()
    assert (answer.status, answer.code) == (409, "conflict") and "purge" in answer.json()["error"]["message"]
    assert client.messages(done) == ["m"]
    assert account.delete(purge="true").json() == {"name": account.name, "deleted": True}
    assert client.get(PATH).status == 401
    assert runner.closed_with() == 4401
    answer = api.get(f"{ACCOUNTS}/{account.name}")
    assert (answer.status, answer.code) == (410, "expired")
    for method, path, body in (
        ("POST", ACCOUNTS, {"name": account.name}),
        ("PATCH", f"{ACCOUNTS}/{account.name}", {"suspended": True}),
        ("DELETE", f"{ACCOUNTS}/{account.name}?purge=true", None),
        ("POST", KEYS, {"role": "viewer", "name": "x", "account": account.name}),
        ("GET", f"{KEYS}?account={account.name}", None),
    ):
        assert api.request(method, path, body).status == 410, path
    assert account.name not in [
        one["name"] for one in api.expect(200, "GET", ACCOUNTS, query={"limit": 1000})["accounts"]
    ]


def test_nothing_of_a_deleted_account_stays_in_the_store(own_server):
    api = own_server.api()
    account = Account(api, "gone")
    client, mine = account.client(), sealed(api)
    for i in range(80):
        client.append(client.create(metadata={"n": i}), {"message": f"secret {i}"})
    assert account.delete(purge="true").status == 200
    own_server.kill()  # it goes on after a crash
    own_server.restart()

    def rows(table):
        owned = f"SELECT e.id FROM executions e JOIN accounts a ON a.id = e.account WHERE a.name = 'gone' AND {table}"
        return own_server.number(f"SELECT count(*) FROM ({owned}) AS owned")

    def nothing_left():
        api.append(mine_open, {"message": "a commit, which takes a slice of the purge along"})
        return not (
            rows("e.purged = 0")
            or rows("e.id IN (SELECT execution FROM chunks)")
            or rows("e.id IN (SELECT execution FROM documents)")
        )

    mine_open = api.create()
    eventually(nothing_left, "all of it is purged")
    assert rows("e.id IN (SELECT execution FROM labels)") == 0
    assert api.messages(mine) == ["m"]


def test_an_empty_account_is_deleted_with_its_keys(api, account):
    client = account.client()
    execution_id = sealed(client)
    client.expect(200, "DELETE", f"{PATH}/{execution_id}?purge=true")
    assert account.delete().status == 200
    assert client.get(PATH).status == 401


def test_the_account_default_cannot_be_deleted(own_server):
    api = own_server.api()
    Account(api, "elsewhere").make_key("operator")
    for query in ({}, {"purge": "true"}):
        answer = api.delete(f"{ACCOUNTS}/default", query=query)
        assert (answer.status, answer.code) == (409, "conflict")
    assert api.get(PATH).status == 200


# --- the command line
def test_accounts_by_the_command_line(own_server, tmp_path):
    cli = Cli(tmp_path / "home", own_server)
    made = cli.ok("account", "create", "team-a")
    assert b"key create --account team-a" in made.err
    key = cli.ok("key", "create", "--account", "team-a", "--role", "admin").text().strip()
    team = Cli(tmp_path / "team", own_server)
    team.env["RUNNEL_TOKEN"] = key
    team.ok("wrap", "--id", "run-1", "--", "echo", "hello")
    assert "run-1" not in cli.ok("list").text() and "run-1" in team.ok("list").text()
    assert team.run("account", "list").code == 4
    listed = cli.ok("account", "list").text().splitlines()
    assert [line.split()[:2] for line in listed] == [["ACCOUNT", "STATE"], ["default", "active"], ["team-a", "active"]]
    cli.ok("account", "suspend", "team-a")
    refused = team.run("list")
    assert refused.code == 4 and b"suspended" in refused.err
    assert '"suspended":true' in cli.ok("account", "list", "-o", "json").text()
    cli.ok("account", "resume", "team-a")
    key_id = cli.ok("key", "list", "--account", "team-a").text().splitlines()[1].split()[0]
    assert cli.run("key", "revoke", key_id).code == 3
    cli.ok("key", "revoke", "--account", "team-a", key_id)
    refused = cli.run("account", "delete", "team-a")
    assert refused.code == 1 and b"--purge" in refused.err
    cli.ok("account", "delete", "team-a", "--purge")
    assert "team-a" not in cli.ok("account", "list").text()
    for wrong in (
        ["account"],
        ["account", "create"],
        ["account", "create", "a b"],
        ["account", "list", "x"],
        ["account", "resume", "--purge", "x"],
    ):
        assert cli.run(*wrong).code == 2, wrong
