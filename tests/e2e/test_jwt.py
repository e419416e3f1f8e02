"""JSON Web Tokens: what a Supabase project's are worth, keys that come and go, and streams that end with their token."""

import http.client
import json
import signal
import socket
import ssl
import threading

import pytest
from support import jwts
from support.api import Api, eventually
from support.cli import Cli
from support.process import BIN, Process
from support.server import clean_env
from support.sse import Stream
from support.workers import Worker
from support.ws import Follower, Refused, Runner, WebSocket
from websockets.exceptions import ConnectionClosed

PATH = "/api/v1/executions"
ONE, OTHER = "user-one", "user-two"


@pytest.fixture
def supabase(servers, tmp_path):
    """supabase(settings…, flags=(…)) → a server that takes the tokens of a Supabase project."""

    def make(*flags, **settings):
        path = jwts.issuers_file(tmp_path, supabase=jwts.supabase(tmp_path, **settings))
        return servers("--jwt-issuers", path, "--failed-logins-max", "1000000", *flags)

    return make


def status_of(server, token):
    return Api(server.port, token).get(PATH).status


# --- what tokens are worth
def test_the_roles_of_a_supabase_project(supabase):
    server = supabase()
    user = Api(server.port, jwts.token(sub=ONE))
    service = Api(server.port, jwts.legacy("service_role"))
    mine = user.create()
    assert user.status(mine)["execution_id"] == mine
    assert service.status(mine)["execution_id"] == mine
    service.append_lines(mine, ["one"])
    assert user.messages(mine) == ["one"]
    assert Api(server.port, jwts.token(sub=ONE, role="service_role")).status(mine)
    anon = Api(server.port, jwts.legacy("anon")).get(PATH)
    assert (anon.status, anon.code) == (403, "forbidden") and "anon" in anon.json()["error"]["message"]
    anonymous = Api(server.port, jwts.token(is_anonymous=True)).get(PATH)
    assert (anonymous.status, anonymous.code) == (403, "forbidden")


def test_anonymous_users_are_taken_where_the_settings_say_so(supabase):
    assert status_of(supabase(anonymous="yes"), jwts.token(is_anonymous=True)) == 200


def test_an_unknown_role_is_refused_and_logged(supabase):
    server = supabase()
    answer = Api(server.port, jwts.token(role="boss")).get(PATH)
    assert (answer.status, answer.code) == (403, "forbidden") and "boss" in answer.json()["error"]["message"]
    entry = server.wait_log(lambda entry: entry["message"] == "a token was refused")
    assert entry["level"] == "WARNING" and "boss" in entry["reason"]


def test_an_account_that_does_not_exist_is_refused_until_it_is_made(supabase):
    server = supabase(account_claim="app_metadata.account")
    token = jwts.token(app_metadata={"account": "acme"})
    answer = Api(server.port, token).get(PATH)
    assert (answer.status, answer.code) == (403, "forbidden") and "account" in answer.json()["error"]["message"]
    server.api().expect(201, "POST", "/api/v1/accounts", {"name": "acme"})
    acme = Api(server.port, token)
    mine = acme.create()
    assert acme.get(f"{PATH}/{mine}").status == 200
    assert server.api().get(f"{PATH}/{mine}").status == 404  # it is another account's
    elsewhere = Api(server.port, jwts.token(app_metadata={"account": "default"}, role="service_role"))
    assert elsewhere.get(f"{PATH}/{mine}").status == 404
    server.api().expect(200, "PATCH", "/api/v1/accounts/acme", {"suspended": True})
    answer = acme.get(f"{PATH}/{mine}")
    assert (answer.status, answer.code) == (403, "account_suspended")


def test_users_see_their_own_whatever_their_credential_is(supabase):
    server = supabase()
    one, other = (Api(server.port, jwts.token(sub=sub)) for sub in (ONE, OTHER))
    by_key = server.api().as_role("user")
    of_one, of_key = one.create(), by_key.create()
    batch = one.expect(201, "POST", "/api/v1/batches", {"keep_open": True})["batch_id"]
    for stranger in (other, by_key):
        assert stranger.get(f"{PATH}/{of_one}").status == 404
        assert stranger.get(f"{PATH}/{of_one}/logs").status == 404
        assert stranger.post(f"{PATH}/{of_one}/logs", {"message": "m"}).status == 404
        assert stranger.delete(f"{PATH}/{of_one}").status == 404
        assert stranger.get(f"/api/v1/batches/{batch}").status == 404
        listed = stranger.expect(200, "GET", PATH, query={"limit": 100})["executions"]
        assert of_one not in [execution["execution_id"] for execution in listed]
        assert stranger.expect(200, "GET", "/api/v1/batches")["batches"] == []
    assert one.get(f"{PATH}/{of_key}").status == 404
    # A new token of the same user is the same user.
    again = Api(server.port, jwts.token(sub=ONE, session_id="another"))
    assert [e["execution_id"] for e in again.expect(200, "GET", PATH)["executions"]] == [of_one]


def test_no_user_can_take_the_name_of_a_key_or_the_idempotency_key_of_another(supabase):
    server = supabase()
    key = server.api().key("user")
    answer = Api(server.port, jwts.token(sub=key["key_id"])).get(PATH)
    assert (answer.status, answer.code) == (401, "unauthorized")
    made = {}
    for sub, idempotency in (("a", "bc"), ("ab", "c")):
        headers = {"Idempotency-Key": idempotency}
        answer = Api(server.port, jwts.token(sub=sub)).post(PATH, {}, headers=headers)
        assert answer.status == 201
        made[sub] = answer.json()["execution_id"]
        again = Api(server.port, jwts.token(sub=sub)).post(PATH, {}, headers=headers)
        assert again.json()["execution_id"] == made[sub]
    assert made["a"] != made["ab"]


def test_a_token_in_the_url_opens_streams_and_nothing_else(supabase):
    server = supabase()
    token = jwts.token(sub=ONE)
    mine = Api(server.port, token).create()
    nobody = Api(server.port, None)
    assert nobody.get(PATH, query={"access_token": token}).status == 401
    assert nobody.get(f"{PATH}/{mine}/logs", query={"access_token": token}).status == 401
    with Stream(nobody, mine, access_token=token) as stream:
        assert stream.status == 200
    with Follower(server, mine, token=None, access_token=token) as follower:
        assert follower.expect("state")
    with pytest.raises(Refused) as refused:
        Follower(server, mine, token=None, subprotocols=["runnel.v1", f"runnel.ticket.{token}"])
    assert refused.value.status == 401


def test_no_token_is_ever_logged(supabase):
    server = supabase("--log-level", "debug")
    tokens = [
        jwts.token(sub=ONE),
        jwts.token(role="boss"),
        jwts.token(exp=1),
        jwts.token("another secret of 32 bytes and more"),
    ]
    mine = Api(server.port, tokens[0]).create()
    for token in tokens:
        Api(server.port, token).get(PATH)
        Api(server.port, None).get(
            f"{PATH}/{mine}/logs/stream" if token != tokens[0] else PATH, query={"access_token": token}
        )
    server.stop()
    log = server.process.err.data.decode()
    for token in tokens:
        assert token not in log and token.split(".")[2] not in log
    server.start()


def test_tokens_that_their_issuer_has_signed_are_no_guesses(servers, tmp_path):
    path = jwts.issuers_file(tmp_path, supabase=jwts.supabase(tmp_path))
    server = servers("--jwt-issuers", path, "--failed-logins-max", "3")
    for token in (jwts.token(exp=1), jwts.token(aud="other"), jwts.token(role="anon")):
        for _ in range(4):
            assert status_of(server, token) in (401, 403)
    forged = jwts.token("another secret of 32 bytes and more")
    assert [status_of(server, forged) for _ in range(5)] == [401] * 3 + [429] * 2
    assert status_of(server, jwts.token()) == 200


def test_without_issuers_no_token_is_taken(server):
    answer = Api(server.port, jwts.token()).get(PATH)
    assert (answer.status, answer.code) == (401, "unauthorized")


# --- settings
def refused_start(tmp_path, *flags):
    process = Process(
        [BIN, "serve", "--listen", "127.0.0.1:0", "--data", str(tmp_path / "data"), *map(str, flags)],
        env=clean_env(tmp_path),
        cwd=str(tmp_path),
    )
    assert process.finish() != 0
    return process.err.wait_end().decode()


@pytest.mark.parametrize(
    "settings, says",
    [
        ({"account_claim": "user_metadata.account"}, "user_metadata"),
        ({"jwks_url": "http://keys.example/jwks.json"}, "jwks_url"),
        ({"jwks_url": "http://127.0.0.1.example/jwks.json"}, "jwks_url"),
        ({"jwks_url": "http://user@127.0.0.1/jwks.json"}, "jwks_url"),
        ({"jwks_url": "ftp://127.0.0.1/jwks.json"}, "jwks_url"),
        ({"roles": ["boss=operator"]}, "roles"),
        ({"subject_optional": ["authenticated"]}, "subject_optional"),
        ({"secret_file": "/nowhere/secret"}, "/nowhere/secret"),
    ],
)
def test_settings_that_cannot_be_are_refused_at_the_start(tmp_path, settings, says):
    path = jwts.issuers_file(tmp_path, supabase={**jwts.supabase(tmp_path), **settings})
    told = refused_start(tmp_path, "--jwt-issuers", path)
    assert told.startswith("runnel: the issuers of tokens (jwt_issuers) cannot be used: ")
    assert str(path) in told and says in told and '"supabase"' in told and told.count("\n") == 1


def test_several_issuers_have_their_own_keys_accounts_and_rules(servers, tmp_path):
    key = jwts.Key("ES256", "oidc-1")
    (tmp_path / "key.pem").write_bytes(key.pem())
    (tmp_path / "jwks.json").write_text(json.dumps({"keys": [jwts.Key("RS256", "other").jwk()]}))
    oidc = {
        "iss": "https://id.acme.example/",
        "audience": "runnel",
        "account": "acme",
        "role_claim": "realm_access.roles",
        "roles": ["ops=admin", "dev=user"],
        "role": "viewer",
        "public_key_file": tmp_path / "key.pem",
        "jwks_file": tmp_path / "jwks.json",
    }
    server = servers("--jwt-issuers", jwts.issuers_file(tmp_path, supabase=jwts.supabase(tmp_path), oidc=oidc))
    server.api().expect(201, "POST", "/api/v1/accounts", {"name": "acme"})

    def acme(*roles, iss=oidc["iss"], **more):
        return Api(server.port, jwts.token(key, iss=iss, aud="runnel", realm_access={"roles": list(roles)}, **more))

    assert acme("ops").get("/api/v1/keys").status == 200
    assert acme("dev").get("/api/v1/keys").status == 403
    mine = acme("dev", sub=ONE).create()
    assert acme("ops").get(f"{PATH}/{mine}").status == 200
    without = Api(server.port, jwts.token(key, iss=oidc["iss"], aud="runnel"))
    assert without.get(f"{PATH}/{mine}").status == 200 and without.post(PATH, {}).status == 403
    # Neither the key nor the audience of one is good for the other.
    assert acme("ops", iss=jwts.ISS).get(PATH).status == 401
    assert status_of(server, jwts.token(iss=oidc["iss"], aud="runnel")) == 401
    assert Api(server.port, jwts.token(sub=ONE)).get(f"{PATH}/{mine}").status == 404


def reloaded(server, message):
    server.process.signal(signal.SIGHUP)
    server.wait_log(lambda entry: message in (entry["message"] or ""))


def test_a_reload_takes_over_the_issuers_and_ends_the_streams_of_those_that_are_gone(supabase, tmp_path):
    server = supabase()
    token = jwts.token(sub=ONE)
    mine = Api(server.port, token).create()
    with Follower(server, mine, token=token) as follower:
        follower.expect("state")
        (tmp_path / "issuers.conf").write_text('issuer "supabase" { iss = "x" }\n')
        reloaded(server, "reload failed")
        assert status_of(server, token) == 200  # what was in force stays
        fresh = "the next secret of the project, which has 32 bytes and more"
        path = jwts.secret_file(tmp_path, fresh, "next.secret")
        jwts.issuers_file(tmp_path, supabase=jwts.supabase(tmp_path, secret_file=[path]))
        reloaded(server, "reloaded")
        messages, code = follower.until_closed()
    assert code == 4401 and messages[-1]["code"] == "unauthorized"
    assert status_of(server, token) == 401
    assert status_of(server, jwts.token(fresh)) == 200


# --- keys that are fetched
@pytest.mark.parametrize("alg", ["RS256", "ES256", "EdDSA"])
def test_secret_and_key_set_are_good_side_by_side(supabase, alg):
    key = jwts.Key(alg, "one")
    with jwts.KeySets(key) as sets:
        server = supabase(jwks_url=sets.url)
        for _ in range(3):
            assert status_of(server, jwts.token(key)) == 200
            assert status_of(server, jwts.token()) == 200
            assert status_of(server, jwts.token(headers={"kid": "of-the-secret"})) == 200
        assert status_of(server, jwts.token(jwts.Key(alg, "one"))) == 401  # another key under its name
        assert sets.asked == 1


def test_a_new_key_is_fetched_when_a_token_names_it_and_one_that_is_gone_ends_its_streams(supabase):
    old, new = jwts.Key("ES256", "old"), jwts.Key("EdDSA", "new")
    with jwts.KeySets(old) as sets:
        server = supabase(jwks_url=sets.url, refetch_seconds=1)
        with_old, with_new = jwts.token(old, sub=ONE), jwts.token(new, sub=ONE)
        mine = Api(server.port, with_old).create()
        with Follower(server, mine, token=with_old) as follower:
            follower.expect("state")
            sets.keys = [new]
            eventually(lambda: status_of(server, with_new) == 200, "the new key is known")
            messages, code = follower.until_closed()
        assert code == 4401 and messages[-1]["code"] == "unauthorized"
        assert status_of(server, with_old) == 401
        assert Api(server.port, with_new).get(f"{PATH}/{mine}").status == 200


def test_a_set_is_fetched_anew_after_half_its_time(supabase):
    old, new = jwts.Key("ES256", "old"), jwts.Key("ES256", "new")
    with jwts.KeySets(old) as sets:
        server = supabase(jwks_url=sets.url, keep_seconds=10, refetch_seconds=1)
        mine = Api(server.port, jwts.token(old, sub=ONE)).create()
        with Follower(server, mine, token=jwts.token(old, sub=ONE)) as follower:
            follower.expect("state")
            sets.keys = [new]  # nobody asks for anything
            assert follower.closed_with() == 4401


def test_unknown_keys_are_not_fetched_for_again_and_again(supabase):
    with jwts.KeySets(jwts.Key("ES256", "one")) as sets:
        server = supabase(jwks_url=sets.url, refetch_seconds=600)
        stranger = jwts.Key("ES256", "stranger")
        for number in range(20):
            stranger.kid = f"stranger-{number}"
            assert status_of(server, jwts.token(stranger)) == 401
        assert sets.asked == 1


def slowly(release):
    def answer(handler):
        release.wait(60)
        handler.say(200, json.dumps({"keys": []}).encode())

    return answer


def test_a_slow_server_of_keys_holds_up_only_the_tokens_that_need_it(supabase):
    key, release = jwts.Key("ES256", "one"), threading.Event()
    with jwts.KeySets(key) as sets:
        sets.answer = slowly(release)
        try:
            server = supabase("--loops", "1", jwks_url=sets.url)
            answers = []
            waiting = threading.Thread(target=lambda: answers.append(Api(server.port, jwts.token(key)).get(PATH)))
            waiting.start()
            sets.wait_asked(1)
            for _ in range(20):
                assert status_of(server, jwts.token()) == 200  # the loop goes on
            waiting.join(60)
        finally:
            release.set()
    # The time for a fetch is over: the key may be good, but nobody can tell.
    assert [(answer.status, answer.code) for answer in answers] == [(503, "unavailable")]
    assert answers[0].headers["Retry-After"]


def redirect(handler):
    handler.say(302, b"", Location=f"http://127.0.0.1:{handler.server.server_address[1]}/elsewhere")


BAD_ANSWERS = {
    "huge": lambda handler: handler.say(200, b'{"keys":[' + b" " * 2**20 + b"]}"),
    "a redirect": redirect,
    "not found": lambda handler: handler.say(404, b"{}"),
    "no JSON": lambda handler: handler.say(200, b"<html>"),
    "no keys": lambda handler: handler.say(200, b'{"keys":[]}'),
    "a secret": lambda handler: handler.say(200, b'{"kty":"oct","kid":"one","k":"' + b"A" * 64 + b'"}'),
    "nothing": lambda handler: handler.say(200, b""),
    "a cut answer": lambda handler: handler.connection.shutdown(socket.SHUT_RDWR),
}


@pytest.mark.parametrize("how", BAD_ANSWERS)
def test_a_bad_answer_gives_no_keys_and_a_good_one_later_does(supabase, how):
    key = jwts.Key("ES256", "one")
    with jwts.KeySets(key) as sets:
        sets.answer = BAD_ANSWERS[how]
        server = supabase(jwks_url=sets.url, refetch_seconds=1)
        entry = server.wait_log(lambda entry: "the keys of an issuer cannot be fetched" in (entry["message"] or ""))
        assert entry["url"] == sets.url and entry["reason"]
        answer = Api(server.port, jwts.token(key)).get(PATH)
        assert (answer.status, answer.code) == (503, "unavailable")
        assert status_of(server, jwts.token()) == 200
        sets.answer = None
        eventually(lambda: status_of(server, jwts.token(key)) == 200, "the keys are there")


def test_a_server_of_keys_that_is_down_is_asked_again(supabase):
    key = jwts.Key("ES256", "one")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # nobody else gets the port, and nobody listens
        server = supabase(jwks_url=f"http://127.0.0.1:{taken.getsockname()[1]}/jwks", refetch_seconds=1)
        assert status_of(server, jwts.token(key)) == 503
        assert status_of(server, jwts.token()) == 200


def test_keys_come_by_https_from_a_server_that_the_authorities_know(supabase, tmp_path):
    key = jwts.Key("ES256", "one")
    certificate = jwts.certificate(tmp_path)
    with jwts.KeySets(key) as sets:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        sets.server.socket = context.wrap_socket(sets.server.socket, server_side=True)
        url = f"https://localhost:{sets.port}/jwks"
        assert status_of(supabase(jwks_url=url, ca_file=certificate), jwts.token(key)) == 200
        assert status_of(supabase(jwks_url=url), jwts.token(key)) == 503


# --- streams
def short_lived(connect, **changes):
    """A stream that was opened with a token which is about to expire: connect(token), with a longer life if the
    machine was too slow for it."""
    for seconds in (3, 10, 30):
        try:
            return connect(jwts.token(sub=ONE, exp=jwts.now() + seconds, **changes))
        except (Refused, AssertionError, ConnectionClosed):
            continue
    raise AssertionError("no token lived long enough")


class Writer:
    """Appends numbered lines until it is told to stop."""

    def __init__(self, server, execution_id):
        self.api = Api(server.port, jwts.legacy("service_role"))
        self.execution_id = execution_id
        self.count = 0
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self.write)

    def write(self):
        while not self.stop.is_set() and self.count < 20000:
            self.api.append_lines(self.execution_id, [str(self.count)])
            self.count += 1

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        self.thread.join(60)


def test_a_follower_is_told_that_its_token_has_expired_and_goes_on_with_another(supabase):
    server = supabase()
    user = Api(server.port, jwts.token(sub=ONE))
    mine = user.create()
    with Writer(server, mine) as writer:
        with short_lived(lambda token: Follower(server, mine, token=token)) as follower:
            messages, code = follower.until_closed()
    assert code == 4401
    assert (messages[-1]["type"], messages[-1]["code"]) == ("error", "token_expired")
    seen = [message for message in messages if message["type"] == "log"]
    with Runner(server, mine, token=user.token) as runner:
        runner.complete()
    with Follower(server, mine, token=jwts.token(sub=ONE), after=len(seen) - 1) as follower:
        rest, _ = follower.rest()
    assert [record["sequence_number"] for record in seen + rest] == list(range(writer.count))
    assert [record["message"] for record in seen + rest] == [str(number) for number in range(writer.count)]


@pytest.mark.parametrize("where", ["header", "url"])
def test_events_end_with_an_error_when_the_token_has_expired_and_go_on_with_another(supabase, where):
    server = supabase()
    user = Api(server.port, jwts.token(sub=ONE))
    mine = user.create()

    def connect(token):
        stream = (
            Stream(user, mine, token=token)
            if where == "header"
            else Stream(user, mine, token="none", access_token=token)
        )
        assert stream.status == 200
        return stream

    with Writer(server, mine) as writer:
        with short_lived(connect) as stream:
            events = []
            while event := stream.next():
                events.append(event)
    assert events[-1].kind == "error" and events[-1].id is None
    assert events[-1].json()["code"] == "token_expired"
    seen = [event.json() for event in events if event.kind == "log"]
    with Runner(server, mine, token=user.token) as runner:
        runner.complete()
    resume = {"Last-Event-ID": str(len(seen) - 1)} if seen else {}
    with Stream(user, mine, headers=resume, token=jwts.token(sub=ONE)) as stream:
        rest, complete = stream.rest()
    assert complete
    assert [record["sequence_number"] for record in seen + rest] == list(range(writer.count))


def test_other_streams_end_with_their_token_too(supabase):
    server = supabase()
    user = Api(server.port, jwts.token(sub=ONE))
    mine = user.create()
    batch = user.expect(201, "POST", "/api/v1/batches", {"keep_open": True})["batch_id"]
    with short_lived(lambda token: WebSocket(server, "/ws/streams", token)) as streams:
        messages, code = streams.until_closed()
        assert (code, messages[-1]["code"]) == (4401, "token_expired")
    with short_lived(lambda token: Runner(server, mine, token=token)) as runner:
        runner.send(runner.record("before"))
        messages, code = runner.until_closed()
        assert (code, messages[-1]["type"], messages[-1]["code"]) == (4401, "error", "token_expired")
        acked = [message for message in messages if message["type"] == "ack"]
        epoch = runner.ready["epoch"]
    with Runner(server, mine, token=user.token, epoch=epoch) as runner:
        stored = runner.next  # it goes on where it was; the token may have run out before the record came
        assert stored in ((1,) if acked else (0, 1))
        runner.lines(["after"])
    assert user.messages(mine) == ["before"] * stored + ["after"]
    with short_lived(lambda token: Worker(server, token), role="service_role") as worker:
        messages, code = worker.until_closed()
        assert (code, messages[-1]["type"], messages[-1]["code"]) == (4401, "error", "token_expired")

    def of_batch(token):
        stream = Stream(user, None, path=f"/api/v1/batches/{batch}/stream", token=token)
        assert stream.status == 200
        return stream

    with short_lived(of_batch) as stream:
        events = []
        while event := stream.next():
            events.append(event)
        assert events[-1].kind == "error" and events[-1].json()["code"] == "token_expired"

    def of_the_log_api(token):
        stream = Stream(user, None, path=f"/api/v1/app/executions/{mine}/logs/stream", token=token)
        assert stream.status == 200
        return stream

    with short_lived(of_the_log_api) as stream:
        events = []
        while event := stream.next():
            events.append(event)
        last = events[-1].json()
        assert (last["event_type"], last["is_final"]) == ("ERROR", True)
        assert last["data"]["error_type"] == "token_expired" and events[-1].id is None

    def plain(token):
        answer = user.open("GET", f"{PATH}/{mine}/logs?format=ndjson&follow=true", token=token)
        assert answer.status == 200
        return answer

    with pytest.raises(http.client.IncompleteRead):  # without events there is nothing to tell it by
        short_lived(plain).read()


def test_a_ticket_ends_with_the_token_that_it_was_made_by(supabase):
    server = supabase()
    user = Api(server.port, jwts.token(sub=ONE))
    mine = user.create()

    def ticket(token):
        return user.expect(201, "POST", "/api/v1/tickets", token=token)["ticket"]

    def connect(token):
        return Follower(server, mine, token=None, access_token=ticket(token))

    with short_lived(connect) as follower:
        messages, code = follower.until_closed()
    assert (code, messages[-1]["code"]) == (4401, "token_expired")


# --- the command line
def test_logs_that_are_followed_end_when_the_token_has_expired(supabase, tmp_path):
    server = supabase()
    mine = Api(server.port, jwts.token(sub=ONE)).create()
    Api(server.port, jwts.legacy("service_role")).append_lines(mine, ["one"])
    cli = Cli(tmp_path / "home", server)
    for seconds in (3, 10, 30):  # a longer life if the machine was too slow for it
        ended = cli.run("logs", "-f", mine, env={"RUNNEL_TOKEN": jwts.token(sub=ONE, exp=jwts.now() + seconds)})
        assert ended.code == 4, ended
        assert b"expired" in ended.err or b"run out" in ended.err, ended
        if ended.out:
            break
    assert ended.out == b"one\n"
    assert b"come back with a new one" in ended.err


def test_a_run_whose_token_expires_goes_on_is_kept_and_is_delivered_with_another(supabase, tmp_path):
    server = supabase()
    cli = Cli(tmp_path / "home", server)
    gate = tmp_path / "gate"
    script = f"echo before; until [ -e {gate} ]; do sleep 0.05; done; echo after; exit 3"

    user = Api(server.port, jwts.token(sub=ONE))

    def made(life):
        listed = user.expect(200, "GET", PATH, query={"metadata.life": life})["executions"]
        return listed and listed[0]["execution_id"]

    def over(process):
        return b"run out" in process.err.data or b"expired" in process.err.data

    for life in (4, 15, 40):  # a longer one if the machine was too slow for it
        token = jwts.token(sub=ONE, exp=jwts.now() + life)
        process = cli.start("wrap", "-m", f"life={life}", "--", "sh", "-c", script, env={"RUNNEL_TOKEN": token})
        eventually(lambda: made(life) or over(process), "the execution is there, or it was too late for it")
        if made(life):
            break
        gate.touch()
        process.finish()
        gate.unlink()
    mine = made(life)
    process.err.wait(lambda data: b"run out" in data or b"expired" in data, "that the token has expired")
    gate.touch()
    assert process.finish() == 3  # what it says is the job's
    cli.ok("wrap", "--resume", env={"RUNNEL_TOKEN": user.token})
    eventually(lambda: user.status(mine)["sealed"], "the rest is delivered")
    assert [record["message"] for record in user.logs(mine) if record["stream"] == "stdout"] == ["before", "after"]
    assert user.status(mine)["exit_code"] == 3
