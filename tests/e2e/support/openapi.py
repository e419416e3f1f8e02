"""docs/openapi.yaml, and whether what it says of a field is what the table of routes says."""

import functools
import pathlib

import yaml

FILE = pathlib.Path(__file__).resolve().parents[3] / "docs" / "openapi.yaml"
URL_MAX = 8192
NUMBER_MAX = 2**63 - 1
TYPES = {
    "number": "integer",
    "text": "string",
    "texts": "array",
    "text_map": "object",
    "metadata": "object",
    "decimal": "number",
    "object": "object",
    "objects": "array",
}


@functools.cache
def document():
    return yaml.safe_load(FILE.read_text())


def resolve(value):
    while "$ref" in value:
        at = document()
        for part in value["$ref"].removeprefix("#/").split("/"):
            at = at[part]
        value = at
    return value


def operation(row):
    return document()["paths"][row["path"]][row["method"].lower()]


def parameters(row, where):
    item = document()["paths"][row["path"]]
    found = [resolve(one) for one in item.get("parameters", []) + operation(row).get("parameters", [])]
    return {one["name"]: one for one in found if one["in"] == where}


def assert_same(field, schema, in_query):
    schema = resolve(schema)
    types = schema.get("type", [])
    types = {types} if isinstance(types, str) else set(types)
    if not in_query and field["type"] not in ("word", "time"):
        assert ("null" in types) == field["null"], field
    if field["type"] == "number":
        assert "integer" in types and schema["minimum"] == field["min"], field
        assert schema.get("maximum", NUMBER_MAX) == field["max"], field
        assert schema.get("default") == field.get("default"), field
    elif field["type"] == "flag" and in_query:
        assert set(schema["enum"]) == {"true", "false"} | ({"1", "0"} if field["digits"] else set()), field
    elif field["type"] == "flag":
        assert "boolean" in types, field
    elif field["type"] == "word":
        assert [word for word in schema["enum"] if word is not None] == field["words"], field
    elif field["type"] == "texts":
        assert "array" in types and schema["maxItems"] == field["max"], field
    elif field["type"] == "text_map":
        assert "object" in types and schema["maxProperties"] == field["max"], field
    elif field["type"] == "objects":
        assert "array" in types and schema["maxItems"] == field["max"], field
    elif field["type"] == "decimal":
        assert "number" in types, field
        assert (schema["minimum"], schema["maximum"]) == (field["min"], field["max"]), field
    elif field["type"] in ("metadata", "object"):
        assert "object" in types, field
    elif field["type"] == "text" and not field["rule"]:
        assert "string" in types, field
        assert schema.get("minLength", 0) == field["min"], field
        assert schema.get("maxLength", URL_MAX) == field["max"], field
