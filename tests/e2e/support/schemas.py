"""Answers held against docs/openapi.yaml, strictly: a member that the document does not know is a fault."""

import functools
import json
import re

from jsonschema import Draft202012Validator, FormatChecker

from . import openapi

# What only says something about a schema, and nothing about values.
NOTES = {"description", "summary", "title", "example", "examples", "default"}
formats = FormatChecker(formats=())


@formats.checks("date-time")
def _is_time(value):
    return not isinstance(value, str) or bool(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", value))


def closed(schema, resolve=openapi.resolve, part=False):
    """The schema without references, in which each object that says its members has no other ones. `part`: it is one of
    several that describe one value together, and the whole is closed instead."""
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        more = {name: value for name, value in schema.items() if name != "$ref" and name not in NOTES}
        target = resolve({"$ref": schema["$ref"]})
        return closed({"allOf": [target, more]} if more else target, resolve, part)
    made = {name: value for name, value in schema.items() if name not in NOTES}
    for name in ("properties", "patternProperties"):
        if name in made:
            made[name] = {key: closed(value, resolve) for key, value in made[name].items()}
    for name in ("items", "additionalProperties"):
        if name in made:
            made[name] = closed(made[name], resolve)
    for name in ("oneOf", "anyOf"):
        if name in made:
            made[name] = [closed(one, resolve, part) for one in made[name]]
    if "allOf" in made:
        made["allOf"] = [closed(one, resolve, True) for one in made["allOf"]]
    says = {"properties", "allOf"} & made.keys()
    if says and "additionalProperties" not in made and not part:
        made["unevaluatedProperties"] = False
    return made


def validator(schema, resolve=openapi.resolve):
    whole = closed(schema, resolve)
    Draft202012Validator.check_schema(whole)
    return Draft202012Validator(whole, format_checker=formats)


def faults(checker, value):
    """What is wrong with a value, as texts."""
    return [f"{error.json_path}: {error.message[:300]}" for error in checker.iter_errors(value)]


@functools.cache
def of_component(name):
    return validator(openapi.document()["components"]["schemas"][name])


def assert_fits(name, value):
    """The value is what the document's schema of that name says."""
    assert faults(of_component(name), value) == [], (name, value)


@functools.cache
def answer_of(path, method, status):
    """What the document says of an answer; None if it does not know it."""
    operation = openapi.document()["paths"].get(path, {}).get(method.lower())
    if operation is None:
        return None
    found = operation["responses"].get(str(status))
    return None if found is None else openapi.resolve(found)


@functools.cache
def answer_validator(path, method, status, media):
    schema = answer_of(path, method, status)["content"][media].get("schema", {})
    return validator(schema)


def answer_faults(path, method, answer):
    """What the document does not say of an answer (support.api.Response) to a route, as texts."""
    name = f"{method} {path} {answer.status}"
    known = answer_of(path, method, answer.status)
    if known is None:
        return [f"{name}: the document has no such answer: {answer.body[:200]!r}"]
    if method == "HEAD" or not answer.body:
        return []
    media = answer.headers.get("Content-Type", "").split(";")[0]
    content = known.get("content", {})
    if media not in content:
        return [f"{name}: the document has no {media} there: {answer.body[:200]!r}"]
    if media != "application/json":
        return []
    return [
        f"{name}: {fault}"
        for fault in faults(answer_validator(path, method, answer.status, media), json.loads(answer.body))
    ]
