"""Types of TypeScript: those of docs/openapi.yaml are those that it generates, and what uses them wrongly does not compile."""

import re

import pytest
from support.npm import CLIENT, NPM, ROOT, Project, needs_npm, run_tool

pytestmark = needs_npm


def test_the_types_of_the_api_are_those_that_openapi_generates(tmp_path):
    made = tmp_path / "api.ts"
    code, said = run_tool("openapi-typescript", ROOT / "docs" / "openapi.yaml", "-o", made)
    assert code == 0, said
    there = (CLIENT / "src" / "api.ts").read_text()
    assert there == made.read_text(), "they are old: npm --prefix tests/npm run types"


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    return Project(tmp_path_factory.mktemp("types"))


def test_a_program_with_the_client_compiles_and_wrong_uses_do_not(project):
    text = (NPM / "sample.ts").read_text()
    project.write("sample.mts", text)
    wrong = re.sub(r"^\s*// @ts-expect-error.*\n", "", text, flags=re.M)
    project.write("wrong.mts", wrong)
    code, said = project.compile("sample.mts", "wrong.mts")
    assert code != 0 and "sample.mts" not in said, said
    errors = re.findall(r"^wrong\.mts\(\d+,\d+\): error TS(\d+)", said, flags=re.M)
    assert len(errors) == text.count("// @ts-expect-error") == 12, said


def test_the_example_in_the_docs_compiles(project):
    page = (ROOT / "docs" / "clients.md").read_text()
    section = page.split("## TypeScript\n")[1].split("\n## ")[0]
    examples = re.findall(r"^(?: {4}.*\n|\n(?= {4}))+", section, flags=re.M)
    assert examples
    text = "\n".join(re.sub(r"^ {4}", "", one, flags=re.M) for one in examples)
    project.write("example.mts", text)
    code, said = project.compile("example.mts")
    assert code == 0, said
