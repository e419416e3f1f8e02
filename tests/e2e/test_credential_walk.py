"""Every route with every kind of credential, held against the table of routes. New routes are walked, too: each request
has a parameter that no route knows, so that whoever is let in gets a 400 and nothing happens."""

import json

import pytest
from support import jwts
from support.api import Api
from support.routes import route_rows
from support.server import Server
from support.ws import Refused, WebSocket

ROWS = route_rows()
PUBLIC = [row for row in ROWS if not row["roles"]]
GUARDED = [row for row in ROWS if row["roles"]]
ROLES = ("viewer", "user", "service", "admin")
ONE, OTHER = "user-one", "user-two"
LET_IN = {"colour": "red"}
RSA = jwts.Key("RS256", "rsa")
EC = jwts.Key("ES256", "ec")


def name_of(row):
    return f"{row['method']} {row['path']}"


class House:
    """A server with an issuer, two accounts, two users, and things of one of them."""

    def __init__(self, root):
        root.mkdir(parents=True)
        jwks = root / "jwks.json"
        jwks.write_text(json.dumps({"keys": [RSA.jwk(), EC.jwk()]}))
        issuer = jwts.supabase(
            root,
            jwks_file=jwks,
            account_claim="app_metadata.account",
            roles=[f"{role}={role}" for role in ROLES] + ["service_role=service", "authenticated=user", "anon=none"],
        )
        path = jwts.issuers_file(root, supabase=issuer)
        self.server = Server(root, flags=["--jwt-issuers", path, "--failed-logins-max", "1000000", "--loops", "1"])
        self.server.start()
        self.port = self.server.port
        operator = self.server.api()
        operator.expect(201, "POST", "/api/v1/accounts", {"name": "elsewhere"})
        self.keys = {role: operator.key(role)["key"] for role in (*ROLES, "operator")}
        self.renew()

    def renew(self):
        one = Api(self.port, jwts.token(sub=ONE))
        self.things = {
            "execution": one.create(),
            "batch": one.expect(201, "POST", "/api/v1/batches", {"keep_open": True})["batch_id"],
            "workflow": one.expect(201, "POST", "/api/v1/workflows", {})["workflow_id"],
        }

    def path(self, row):
        known = {"id": self.things.get(row["resource"], "no-such-thing"), "sha256": "0" * 64}
        known["workflow"] = self.things["workflow"]
        return row["path"].format_map(Known(known))

    def ask(self, row, token, query=None, in_url=False):
        body = {} if row["body"] else None
        query = dict(query or {})
        if in_url:
            query["access_token"] = token
        path = self.path(row)
        return Api(self.port, None if in_url else token).request(row["method"], path, body, query=query)


class Known(dict):
    def __missing__(self, name):
        return "some-name"


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    made = House(tmp_path_factory.mktemp("walk") / "house")
    yield made
    made.server.close()


def claims(**changes):
    return json.dumps(jwts.claims(**changes))


def twice():
    text = claims(sub=OTHER)
    return jwts.forged({"alg": "HS256"}, text[:-1] + f', "sub": "{ONE}"}}', jwts.SECRET.encode())


def swapped():
    """The claims of one token with the signature of another."""
    mine, yours = jwts.token(sub=OTHER).split("."), jwts.token(sub=ONE).split(".")
    return ".".join([yours[0], yours[1], mine[2]])


def hs(text, header=None, key=jwts.SECRET):
    return jwts.forged({"alg": "HS256", **(header or {})}, text, key.encode() if isinstance(key, str) else key)


# Nobody: 401 wherever a credential is asked for.
NOBODY = {
    "none": lambda: None,
    "empty": lambda: "",
    "nonsense": lambda: "nonsense",
    "a key that is none": lambda: "rnl_" + "x" * 43,
    "a run token that is none": lambda: "rnr_" + "x" * 43,
    "a broken token": lambda: "eyJhbGciOiJIUzI1NiJ9.broken.x",
    "a token without a signature": lambda: jwts.token().rsplit(".", 1)[0] + ".",
    "a token cut short": lambda: jwts.token()[:-3],
    "another token's signature": swapped,
    "a forged token": lambda: jwts.token("another secret of 32 bytes and more"),
    "an expired token": lambda: jwts.token(exp=jwts.now() - 1),
    "a token without an expiry": lambda: jwts.token(exp=jwts.NEVER),
    "a token that is not valid yet": lambda: jwts.token(nbf=jwts.now() + 3600),
    "another audience": lambda: jwts.token(aud="elsewhere"),
    "no audience": lambda: jwts.token(aud=jwts.NEVER),
    "another issuer": lambda: jwts.token(iss="https://evil.example/"),
    "no issuer": lambda: jwts.token(iss=jwts.NEVER),
    "no subject": lambda: jwts.token(sub=jwts.NEVER),
    "alg none": lambda: jwts.forged({"alg": "none"}, claims()),
    "alg None with a signature": lambda: hs(claims(), {"alg": "None"}),
    "HMAC by the public key": lambda: hs(claims(), {"kid": RSA.kid}, RSA.pem()),
    "HMAC by the public key without its name": lambda: hs(claims(), None, RSA.pem()),
    "one algorithm with another's key": lambda: hs(claims(), {"alg": "RS256", "kid": EC.kid}),
    "a key that the token brings": lambda: jwts.token(
        jwts.Key("ES256", "own"), headers={"jwk": jwts.Key("ES256", "own").jwk(), "jku": "https://evil.example/"}
    ),
    "crit": lambda: hs(claims(), {"crit": ["exp"]}),
    "a claim twice": twice,
}
# Somebody who may do nothing: 403.
NOTHING = {
    "anon": lambda: jwts.legacy("anon"),
    "anon with everything": lambda: jwts.token(role="anon"),
    "an unknown role": lambda: jwts.token(role="boss"),
    "the server's own role": lambda: jwts.token(role="operator"),
    "no role": lambda: jwts.token(role=jwts.NEVER),
    "an anonymous user": lambda: jwts.token(is_anonymous=True),
    "an account that is none": lambda: jwts.token(app_metadata={"account": "nowhere"}),
}


def let_in(row):
    """What a request with an unknown parameter is answered when its caller may make it."""
    if row["resource"] and row["resource"] not in ("execution", "batch", "workflow"):
        return (404,)
    return (400, 422, 426) if not row["any_query"] else (200, 426)


@pytest.mark.parametrize("row", GUARDED, ids=name_of)
def test_nobody_is_let_in(house, row):
    for name, make in NOBODY.items():
        answer = house.ask(row, make())
        assert answer.status == 401, (name, answer)
        assert row["method"] == "HEAD" or answer.code in ("unauthorized", "token_expired"), (name, answer)
        assert answer.headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize("row", GUARDED, ids=name_of)
def test_who_may_do_nothing_is_told_so_and_never_gets_an_empty_answer(house, row):
    for name, make in NOTHING.items():
        answer = house.ask(row, make())
        assert answer.status == 403, (name, answer)
        assert row["method"] == "HEAD" or answer.code == "forbidden", (name, answer)


@pytest.mark.parametrize("row", GUARDED, ids=name_of)
def test_each_role_may_what_the_table_says(house, row):
    for role in (*ROLES, "operator"):
        tokens = {"key": house.keys[role]}
        if role != "operator":
            tokens |= {
                "secret": jwts.token(sub=ONE, role=role),
                "RS256": jwts.token(RSA, sub=ONE, role=role),
                "ES256": jwts.token(EC, sub=ONE, role=role),
            }
        for by, token in tokens.items():
            answer = house.ask(row, token, LET_IN)
            expected = let_in(row) if role in row["roles"] else (403,)
            if role == "user" and by == "key" and row["resource"]:
                expected = (404,) if role in row["roles"] else (403,)  # it is the other user's
            assert answer.status in expected, (role, by, answer)


@pytest.mark.parametrize("row", [row for row in GUARDED if row["resource"]], ids=name_of)
def test_things_of_others_are_not_there(house, row):
    for role in ROLES:
        elsewhere = jwts.token(sub=ONE, role=role, app_metadata={"account": "elsewhere"})
        answer = house.ask(row, elsewhere)
        assert answer.status == (404 if role in row["roles"] else 403), (role, answer)
    another_user = house.ask(row, jwts.token(sub=OTHER))
    assert another_user.status == (404 if "user" in row["roles"] else 403), another_user


@pytest.mark.parametrize("row", GUARDED, ids=name_of)
def test_tokens_in_the_url_count_where_the_table_says(house, row):
    good = jwts.token(sub=ONE, role="user")
    expected = (let_in(row) if "user" in row["roles"] else (403,)) if row["ticket"] else (401,)
    assert house.ask(row, good, LET_IN, in_url=True).status in expected
    assert house.ask(row, jwts.legacy("anon"), in_url=True).status == (403 if row["ticket"] else 401)
    for name, make in NOBODY.items():
        if make():
            assert house.ask(row, make(), in_url=True).status == 401, name
    assert house.ask(row, house.keys["user"], in_url=True).status == 401  # a key never counts there


@pytest.mark.parametrize("row", [row for row in GUARDED if row["socket"]], ids=name_of)
def test_sockets_open_for_those_whom_the_table_names(house, row):
    def outcome(token):
        try:
            with WebSocket(house.server, house.path(row), token) as socket:
                return socket.closed_with()
        except Refused as refused:
            return refused.status

    for role in ROLES:
        token = jwts.token(sub=ONE, role=role)
        if role in row["roles"]:
            house.renew()  # an execution has one runner
            WebSocket(house.server, house.path(row), token).close()
        else:
            assert outcome(token) in (403, 4403), role
    if row["resource"]:
        assert outcome(jwts.token(sub=OTHER, role="user")) in (404, 4404)
    for name, make in NOBODY.items():
        if make() != "":  # which the client takes for its own key
            assert outcome(make()) == 401, name
    for name, make in NOTHING.items():
        assert outcome(make()) == 403, name


@pytest.mark.parametrize("row", PUBLIC, ids=name_of)
def test_open_routes_answer_everybody_alike(house, row):
    status = house.ask(row, None).status
    assert status not in (401, 403)
    for make in (*NOBODY.values(), *NOTHING.values()):
        assert house.ask(row, make()).status == status
