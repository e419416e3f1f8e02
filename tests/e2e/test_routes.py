"""Each row of the table of routes: a client may send what the row says, and OpenAPI says the same of it."""

import re

import pytest
from support import openapi
from support.routes import route_rows

ROWS = route_rows()
URL_MAX = 8000  # a longer parameter is refused with the URL
NUMBER_MAX = 2**63 - 1

WRONG_PARAMETERS = {
    "number": ["", "x", "1.5", "0x1", " 1"],
    "flag": ["", "perhaps", "TRUE"],
    "word": ["", "no-such-word"],
    "time": ["", "noon", "2026-02-30T00:00:00Z"],
    "when": ["", "tomorrow"],
    "position": ["x", "-2", "1.5"],  # an empty one is none where browsers send it
    "cursor": ["x", "17", "0" * 32],
    "text": [],
}
WRONG_MEMBERS = {
    "number": ["1", 1.5, True, [], {}],
    "flag": [1, 0, "true", [], {}],
    "word": [7, "", "no-such-word", [], {}],
    "time": [7, "", "noon", [], {}],
    "when": [7, "", "tomorrow", [], {}],
    "text": [7, True, [], {}],
    "texts": ["x", {}, [1], [None], [[]]],
    "text_map": ["x", [], {"a": 1}, {"a": None}],
    "metadata": ["x", 7, [], True],
    "decimal": ["1", True, [], {}],
    "object": ["x", 7, [], True],
    "objects": ["x", 7, {}, [1], [None], [[]]],
}


def name_of(row):
    return f"{row['method']} {row['path']}"


def wrong_parameters(field):
    yield from WRONG_PARAMETERS[field["type"]]
    if field["type"] == "number":
        yield from [field["min"] - 1] + ([field["max"] + 1] if field["max"] < NUMBER_MAX else [])
    if field["type"] == "text" and field["min"] > 0:
        yield ""
    if field["type"] == "text" and field["max"] < URL_MAX:
        yield "x" * (field["max"] + 1)
    if field["rule"]:
        yield b"\xff"


def nuls(kind):
    """Texts with a NUL, which what keeps them would cut there."""
    if kind not in ("number", "flag", "decimal"):
        yield "nul\0byte"
        yield "\0"
    if kind == "texts":
        yield ["fine", "nul\0byte"]
    if kind == "text_map":
        yield {"fine": "", "a": "nul\0byte"}
    if kind == "metadata":
        yield from ({"a": "nul\0byte"}, {"a": {"b": [1, ["\0"]]}})


def wrong_members(field):
    yield from WRONG_MEMBERS[field["type"]]
    if not field["null"]:
        yield None
    if field["type"] in ("number", "decimal"):
        yield from (field["min"] - 1, field["max"] + 1)
    if field["type"] == "objects":
        yield [{}] * (field["max"] + 1)
    if field["type"] == "text":
        yield "x" * (field["max"] + 1)
    if field["type"] == "text" and field["min"] > 0:
        yield ""
    if field["type"] == "texts":
        yield [""] * (field["max"] + 1)
    if field["type"] == "text_map":
        yield {str(i): "" for i in range(field["max"] + 1)}
    if field["rule"]:
        yield "white space"
    yield from nuls(field["type"])


@pytest.fixture(scope="module")
def path_of(api):
    execution_id = api.create()
    batch = api.expect(201, "POST", "/api/v1/batches", {"keep_open": True})
    workflow = api.expect(201, "POST", "/api/v1/workflows", {})["workflow_id"]

    def path(row):
        named = batch["batch_id"] if "/batches/" in row["path"] else execution_id
        return row["path"].format(
            id=named,
            name=asset() if "/assets/" in row["path"] else "default",
            key_id="key_nobody",
            worker_id="nobody",
            workflow=workflow,
            sha256="0" * 64,
            page="runs",
        )

    def asset():  # its name changes with its content
        return re.search(r"/assets/(console-\w+\.js)", api.get("/").body.decode()).group(1)

    return path


def assert_bad_parameter(row, answer, name):
    if row["fields_422"] and answer.code != "bad_cursor":  # positions are judged by the handler
        assert fields_of(answer) == {name}, (name, answer)
        return
    assert (answer.status, answer.code in ("malformed", "bad_cursor")) == (400, True), (name, answer)
    assert f"parameter {name}:" in answer.json()["error"]["message"], answer


@pytest.mark.parametrize("row", [row for row in ROWS if row["query"]], ids=name_of)
def test_a_parameter_that_is_not_as_its_row_says_is_refused_by_name(api, path_of, row):
    for field in row["query"]:
        for value in wrong_parameters(field):
            answer = api.request(row["method"], path_of(row), query={field["name"]: value})
            assert_bad_parameter(row, answer, field["name"])


@pytest.mark.parametrize("row", [row for row in ROWS if row["query"]], ids=name_of)
def test_a_single_parameter_given_twice_is_refused(api, path_of, row):
    good = {"number": 1, "flag": "true", "when": "1h", "time": "2026-01-01T00:00:00Z"}
    for field in row["query"]:
        if field["type"] in good and not field["many"]:
            answer = api.request(row["method"], path_of(row), query={field["name"]: [good[field["type"]]] * 2})
            assert_bad_parameter(row, answer, field["name"])


@pytest.mark.parametrize("row", ROWS, ids=name_of)
def test_an_unknown_parameter_is_refused_where_a_credential_is_asked_for(api, path_of, row):
    if row["path"] in ("/", "/ui/{page}", "/assets/{name}") and api.get("/").status == 404:
        pytest.skip("this build has no console")
    answer = api.request(row["method"], path_of(row), {} if row["body"] else None, query={"colour": "red"})
    if row["any_query"]:
        assert answer.status in (200, 426), answer
    elif row["method"] == "HEAD":
        assert (answer.status, answer.body) == (400, b"")
    else:
        assert_bad_parameter(row, answer, "colour")


def fields_of(answer):
    assert (answer.status, answer.code) == (422, "invalid"), answer
    return {field["name"] for field in answer.json()["error"]["fields"]}


@pytest.mark.parametrize("row", [row for row in ROWS if row["members"]], ids=name_of)
def test_a_member_that_is_not_as_its_row_says_is_refused_by_name(api, path_of, row):
    required = {field["name"] for field in row["members"] if field["required"]}
    for field in row["members"]:
        for value in wrong_members(field):
            answer = api.request(row["method"], path_of(row), {field["name"]: value})
            assert fields_of(answer) == {field["name"]} | required, (field, str(value)[:80])


@pytest.mark.parametrize("row", [row for row in ROWS if row["members"]], ids=name_of)
def test_unknown_members_and_missing_ones_are_refused_together(api, path_of, row):
    required = {field["name"] for field in row["members"] if field["required"]}
    assert fields_of(api.request(row["method"], path_of(row), {"colour": "red"})) == required | {"colour"}


# --- OpenAPI
@pytest.mark.parametrize("row", ROWS, ids=name_of)
def test_openapi_has_the_parameters_of_the_row(row):
    known = openapi.parameters(row, "query")
    assert set(known) == {field["name"] for field in row["query"]}
    for field in row["query"]:
        openapi.assert_same(field, known[field["name"]]["schema"], in_query=True)


@pytest.mark.parametrize("row", ROWS, ids=name_of)
def test_openapi_has_the_body_of_the_row(row):
    media = openapi.operation(row).get("requestBody", {}).get("content", {})
    kinds = {None: set(), "object": {"application/json"}, "records": {"application/json", "application/x-ndjson"}}
    kinds["content"] = {"application/octet-stream"}
    kinds["export"] = {"application/json", "application/x-protobuf"}
    kinds["delivery"] = {"application/json"}
    assert set(media) == kinds[row["body"]]
    if row["body"] == "object":
        schema = openapi.resolve(media["application/json"]["schema"])
        assert schema["additionalProperties"] is False
        assert set(schema["properties"]) == {field["name"] for field in row["members"]}
        assert set(schema.get("required", [])) == {field["name"] for field in row["members"] if field["required"]}
        for field in row["members"]:
            openapi.assert_same(field, schema["properties"][field["name"]], in_query=False)


@pytest.mark.parametrize("row", ROWS, ids=name_of)
def test_openapi_tells_tickets_and_open_routes(row):
    security = openapi.operation(row).get("security", openapi.document()["security"])
    assert any("ticket" in one for one in security) == row["ticket"]
    assert (not security or {} in security) == (not row["roles"])
