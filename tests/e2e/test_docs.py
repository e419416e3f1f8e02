"""The documents against the code: routes, settings, metrics, commands and links are those that there are."""

import json
import pathlib
import re
import subprocess

import pytest
import yaml
from support.cli import Cli
from support.process import BIN, Process
from support.routes import route_rows
from support.schemas import assert_fits
from support.server import clean_env

ROOT = pathlib.Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
EXAMPLES = ["server.conf", "runnel.env"]
METHODS = {"get", "head", "post", "put", "patch", "delete", "options"}


def read(path):
    return (ROOT / path).read_text()


def markdown_files():
    """Those of the tree, not of build folders."""
    found = [path for path in ROOT.glob("*.md")]
    for folder in ("docs", "src", "tests", "fuzz", "bench", "packaging", "console"):
        found += [path for path in (ROOT / folder).rglob("*.md") if "node_modules" not in path.parts]
    return sorted(found)


def without_code(text):
    text = re.sub(r"^```.*?^```", "", text, flags=re.M | re.S)
    return re.sub(r"`[^`\n]*`", "", text)


def anchors(text):
    """What a heading's link is called, as code hosts do it."""
    text = re.sub(r"^```.*?^```", "", text, flags=re.M | re.S)
    heads = re.findall(r"^#+ +(.*)$", text, flags=re.M)
    return {re.sub(r"[^\w\- ]", "", head.lower()).strip().replace(" ", "-") for head in heads}


def broken_links(path):
    for target in re.findall(r"\]\(([^)\s]+)\)", without_code(path.read_text())):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        file = (path.parent / name).resolve() if name else path
        if not file.exists():
            yield f"{path.relative_to(ROOT)}: {target}"
        elif anchor and file.suffix == ".md" and anchor not in anchors(file.read_text()):
            yield f"{path.relative_to(ROOT)}: {target} has no such heading"


def openapi():
    return yaml.safe_load(read("docs/openapi.yaml"))


def route_table():
    return {(row["method"], row["path"]) for row in route_rows()}


def settings():
    names = re.findall(r"^\s*X\([TNBL],\s*(\w+),", read("src/server/config.h"), flags=re.M)
    assert len(names) >= 20, "the table of settings is not where it was"
    return names


def metrics():
    names = re.findall(r"^\s*X\([CGH],\s*(\w+),", read("src/metrics/metrics.h"), flags=re.M)
    assert len(names) >= 20, "the table of metrics is not where it was"
    return names


def references(value):
    if isinstance(value, dict):
        for name, inner in value.items():
            if name == "$ref":
                yield inner
            else:
                yield from references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from references(inner)


# --- links
def test_every_relative_link_leads_somewhere():
    files = markdown_files()
    assert len(files) >= 5
    assert [link for path in files for link in broken_links(path)] == []


def test_a_broken_link_would_be_found(tmp_path, monkeypatch):
    page = tmp_path / "page.md"
    page.write_text("# One\n[a](gone.md) [b](#one) [c](#two) `[d](e.md)` [f](https://example.org/g)\n")
    monkeypatch.setitem(globals(), "ROOT", tmp_path)
    assert list(broken_links(page)) == ["page.md: gone.md", "page.md: #two has no such heading"]


def test_the_documents_that_the_code_points_to_exist():
    missing = set()
    for path in [*ROOT.glob("src/**/*"), *ROOT.glob("tests/**/*"), ROOT / "meson.build", ROOT / "dev"]:
        if path.suffix not in {".c", ".h", ".sql", ".py", ".build", ""} or not path.is_file():
            continue
        for name in re.findall(r"\b(?:docs/[\w/-]+\.md|ARCHITECTURE\.md)\b", path.read_text(errors="replace")):
            if not (ROOT / name).exists():
                missing.add(f"{path.relative_to(ROOT)}: {name}")
    assert sorted(missing) == []


# --- OpenAPI
def test_openapi_has_exactly_the_routes_that_there_are():
    document = openapi()
    described = {
        (method.upper(), path) for path, item in document["paths"].items() for method in item if method in METHODS
    }
    assert described == route_table()


def test_openapi_refers_only_to_what_it_holds():
    document = openapi()
    assert document["openapi"].startswith("3.1")
    for reference in set(references(document)):
        at = document
        assert reference.startswith("#/"), reference
        for part in reference[2:].split("/"):
            assert part in at, reference
            at = at[part]


def test_openapi_names_the_parameters_of_its_paths_and_each_operation_once():
    document = openapi()
    seen = set()
    for path, item in document["paths"].items():
        shared = item.get("parameters", [])
        for method, operation in item.items():
            if method not in METHODS:
                continue
            assert operation["operationId"] not in seen
            seen.add(operation["operationId"])
            parameters = []
            for parameter in shared + operation.get("parameters", []):
                while "$ref" in parameter:
                    parameter = document["components"]["parameters"][parameter["$ref"].rsplit("/", 1)[1]]
                parameters.append(parameter)
            in_path = {parameter["name"] for parameter in parameters if parameter["in"] == "path"}
            assert in_path == set(re.findall(r"\{(\w+)\}", path)), (method, path)


def members(document, schema):
    """(all members, required ones) of an object schema, through $ref and allOf."""
    while "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]]
    known, required = set(schema.get("properties", {})), set(schema.get("required", []))
    for part in schema.get("allOf", []):
        more, more_required = members(document, part)
        known, required = known | more, required | more_required
    return known, required


def test_openapis_objects_are_those_that_the_server_sends(api):
    document = openapi()
    made = api.expect(201, "POST", "/api/v1/executions", {"metadata": {"a": 1}})
    execution_id = made["execution_id"]
    assert_fits("Execution", made)
    waits = {"waiting"}  # of queued jobs alone
    assert set(made) | waits == members(document, document["components"]["schemas"]["Execution"])[0]
    everything = {
        "timestamp": "2026-01-02T03:04:05Z",
        "stream": "event",
        "message": "m",
        "partial": True,
        "continues": True,
        "level": "warn",
        "event_type": "step_started",
        "category": "business",
        "node_id": "n",
        "node_name": "n",
        "node_type": "n",
        "step_number": 1,
        "total_steps": 2,
        "progress_percentage": 12.5,
        "duration_seconds": 0.5,
        "user_friendly_message": "m",
        "display_priority": 5,
        "is_milestone": True,
        "data": {"a": [1]},
        "technical_details": {},
        "stack_trace": "s",
        "performance_metrics": {},
        "producer": "p",
    }
    api.append(execution_id, [everything, {"message": "plain"}])
    page = api.page(execution_id)
    assert_fits("LogPage", page)
    full, plain = page["logs"]
    assert set(full) == members(document, document["components"]["schemas"]["Record"])[0]
    assert_fits("Record", plain)
    key = api.key("viewer")
    assert set(key) == members(document, document["components"]["schemas"]["Key"])[0] | {"key"}
    account = api.expect(200, "GET", "/api/v1/accounts/default")
    assert set(account) == members(document, document["components"]["schemas"]["Account"])[0]
    error = api.get("/api/v1/executions/there-is-none").json()
    assert_fits("Error", error)


# --- pages that tables make
PAGES = ["configuration", "issuers", "metrics", "routes"]


@pytest.mark.parametrize("name, file", [(page, f"{page}.md") for page in PAGES] + [(name, name) for name in EXAMPLES])
def test_the_generated_pages_are_up_to_date(name, file):
    made = subprocess.run([BIN, "help", "--document", name], check=True, capture_output=True, text=True).stdout
    assert read(f"docs/{file}") == made, f"build/runnel help --document {name} >docs/{file}"


def test_the_example_of_settings_holds_each_one_with_its_default(tmp_path, servers):
    lines = read("docs/server.conf").splitlines()
    switched_on = [line[1:] for line in lines if re.match(r"#\w+ = ", line)]
    assert [line.split(" = ")[0] for line in switched_on] == settings()
    elsewhere = ("listen", "data", "port_file")  # the test's own server needs its own
    file = tmp_path / "server.conf"
    file.write_text("\n".join(line for line in switched_on if line.split(" = ")[0] not in elsewhere) + "\n")
    assert servers("--config", str(file)).api().get("/health").status == 200


def test_the_example_of_the_environment_is_taken_by_a_shell_and_names_every_setting(tmp_path):
    text = re.sub(r"^#(RUNNEL_\w+=)", r"\1", read("docs/runnel.env"), flags=re.M)
    names = re.findall(r"^(RUNNEL_\w+)=", text, flags=re.M)
    assert {f"RUNNEL_{name.upper()}" for name in settings()} | {"RUNNEL_URL", "RUNNEL_TOKEN"} <= set(names)
    file = tmp_path / "runnel.env"
    file.write_text(text)
    shell = subprocess.run(
        ["sh", "-euc", f"set -a; . {file}; env"], capture_output=True, text=True, env={"PATH": "/bin"}
    )
    assert shell.returncode == 0, shell.stderr
    assert "RUNNEL_LOG_LEVEL=info" in shell.stdout


def test_the_page_of_the_command_line_is_up_to_date():
    made = subprocess.run([BIN, "help", "--markdown"], check=True, capture_output=True, text=True).stdout
    assert read("docs/cli.md") == made, "build/runnel help --markdown >docs/cli.md"


def test_every_command_has_a_page_of_its_own_that_is_installed():
    commands = set(re.findall(r"^## runnel (\w+)$", read("docs/cli.md"), re.M))
    installed = set(re.findall(r"^  '(\w+)',$", read("packaging/meson.build").partition("page = ")[0], re.M))
    assert commands == installed


def test_every_metric_is_documented():
    page = read("docs/metrics.md")
    assert [name for name in metrics() if not re.search(rf"`runnel_{name}[`{{]", page)] == []


def test_every_setting_is_documented():
    page = read("docs/configuration.md")
    assert [name for name in settings() if f"| `{name}` |" not in page] == []


def test_the_contract_names_only_settings_that_there_are():
    limits = read("docs/execution-contract.md").split("## Limits")[1]
    named = set(re.findall(r"`(\w+_(?:max|bytes|seconds|steps))`", limits))
    assert named and named <= set(settings())


def test_the_contract_has_every_code_word_that_is_answered():
    words = dict(re.findall(r'X\(\w+, "(\w+)", (\d+),', read("src/util/error.h")))
    contract = read("docs/execution-contract.md")
    table = contract.split("## HTTP")[1].split("###")[0]
    # These never leave the server: the client's own, and those of the start.
    internal = {"unreachable", "unproven", "wrong_server", "canceled", "closed", "range"}
    assert [word for word in words if word not in internal and f"`{word}`" not in table] == []


# --- the contract's examples
def test_the_contracts_examples_work(own_server):
    [script] = re.findall(r"^```sh\n(.*?)^```$", read("docs/execution-contract.md"), flags=re.M | re.S)
    env = clean_env(own_server.root, RUNNEL_URL=own_server.url, RUNNEL_TOKEN=own_server.operator_key)
    with Process(["bash", "-ec", script.replace("curl ", "curl -w '\\n--- %{http_code}\\n' ")], env=env) as process:
        assert process.finish() == 0, process.err.data
        answers = re.split(r"\n--- (\d+)\n", process.out.data.decode())
    bodies, codes = answers[0::2], answers[1::2]
    assert codes == ["201", "201", "200", "200", "200", "200"], answers
    assert json.loads(bodies[0])["execution_id"] == "by-hand-1"
    assert json.loads(bodies[1]) == {"first_sequence": 0, "last_sequence": 1}
    assert [record["message"] for record in json.loads(bodies[2])["logs"]] == ["backing up", "disk is slow"]
    assert json.loads(bodies[3])["exit_code"] == 3
    lines = [json.loads(line) for line in bodies[4].splitlines()]
    assert [line.get("message") for line in lines[:2]] == ["backing up", "disk is slow"]
    assert lines[2]["type"] == "complete" and lines[2]["status"] == "failed"
    assert re.findall(r"^event: ?(.*)$", bodies[5], flags=re.M) == ["log", "complete"]


def test_the_contexts_example_works(server, tmp_path):
    page = read("docs/cli.md").split("## Contexts")[1].split("\n## ")[0]
    example = "".join(line[4:] + "\n" for line in page.splitlines() if line.startswith("    ") or not line)
    text = example.replace('"http://127.0.0.1:7117"', f'"{server.url}"\n        token = "{server.operator_key}"')
    text = text.replace("https://runnel.example:7117", "http://127.0.0.1:1")
    assert text.count(server.url) == 1 and '127.0.0.1:1"' in text, example
    cli = Cli(tmp_path / "home")
    folder = cli.home / "config" / "runnel"
    folder.mkdir(parents=True)
    (folder / "config").write_text(text)
    assert cli.run("list").code == 5
    cli.ok("--context", "here", "list")
    cli.ok("list", env={"RUNNEL_CONTEXT": "here"})


# --- the README
def test_the_readmes_dev_commands_exist():
    named = set(re.findall(r"\./dev (\w+)", read("README.md")))
    listed = re.search(r"^([\w |]+)\) \"cmd_\$command\"", read("dev"), flags=re.M).group(1)
    assert {"demo", "check"} <= named <= {word.strip() for word in listed.split("|")} | {"help"}


def test_the_readmes_commands_are_those_of_the_program():
    overview = subprocess.run([BIN, "help"], check=True, capture_output=True, text=True).stdout
    commands = set(re.findall(r"^  (\w+) +\S", overview.split("Commands:")[1].split("\n\n")[0], flags=re.M))
    named = set(re.findall(r"(?:^|[`|$] ?)runnel (\w+)", read("README.md"), flags=re.M))
    assert named and named <= commands
