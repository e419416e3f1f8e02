"""The example requests, clients and types of the workflow log API's design, as its page has them: in `snippets/`, where
only host, port, token and identifiers are changed when they run."""

import json
import pathlib
import shutil
import subprocess

import pytest
from support import jwts
from support.api import Api
from support.process import Process
from support.server import clean_env
from support.sse import Stream
from support.ws import Runner

SNIPPETS = pathlib.Path(__file__).parent / "snippets"
NPM = pathlib.Path(__file__).parents[1] / "npm"
EXECUTION = "exec-123"
needs_npm = pytest.mark.skipif(
    not (shutil.which("node") and (NPM / "node_modules").is_dir()), reason="the npm packages are not installed"
)


@pytest.fixture
def token():
    return jwts.token()


@pytest.fixture
def project(servers, tmp_path):
    """A server that takes the tokens of a Supabase project."""
    path = jwts.issuers_file(tmp_path, supabase=jwts.supabase(tmp_path))
    return servers("--jwt-issuers", path)


@pytest.fixture
def user(project, token):
    """Somebody who is signed in there, and owns the execution of the examples."""
    user = Api(project.port, token)
    user.expect(201, "POST", "/api/v1/workflows", {"workflow_id": "wf-1"})
    user.expect(201, "POST", "/api/v1/executions", {"execution_id": EXECUTION, "workflow_id": "wf-1"})
    return user


def records():
    """120 records: half of them on the day that the examples ask for, every tenth an error."""
    for i in range(120):
        day = 10 + i // 60
        yield {
            "message": f"technical {i}",
            "timestamp": f"2025-01-{day}T{i % 60 // 3:02}:{i % 3}0:00Z",
            "level": "ERROR" if i % 10 == 9 else "INFO",
            "event_type": "step_error" if i % 10 == 9 else "step_completed",
            "node_id": f"n{i % 4}",
            "node_name": f"Node {i % 4}",
            "node_type": "http",
            "step_number": i % 4,
            "total_steps": 4,
            "display_priority": 8,
            "is_milestone": i % 30 == 0,
            "user_friendly_message": f"friendly {i}",
            "data": {"i": i},
        }


def run_shell(text, tmp_path):
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", text], env=clean_env(tmp_path), capture_output=True, text=True, timeout=90
    )
    assert done.returncode == 0, done
    return done.stdout


def at(text, port):
    for host in ("localhost:8000", "localhost:8080"):
        text = text.replace(host, f"localhost:{port}")
    return text


def test_the_example_requests(project, user, token, tmp_path):
    user.append(EXECUTION, list(records()))
    text = at((SNIPPETS / "log_api_requests.sh").read_text(), project.port).replace("<jwt_token>", token)
    # Each curl writes an object; they stand one behind the other.
    answers, rest, decoder = [], run_shell(text, tmp_path), json.JSONDecoder()
    while rest.strip():
        answer, end = decoder.raw_decode(rest.lstrip())
        answers.append(answer)
        rest = rest.lstrip()[end:]
    first, errors, day = answers
    assert [one["message"] for one in first["logs"]] == [f"friendly {i}" for i in range(50)]
    assert (first["total_count"], first["pagination"]["has_more"]) == (120, True)
    assert [one["data"]["i"] for one in errors["logs"]] == list(range(9, 120, 10)) and errors["total_count"] == 12
    assert {one["level"] for one in errors["logs"]} == {"error"}
    assert [one["data"]["i"] for one in day["logs"]] == list(range(60)) and day["pagination"]["has_more"] is False


def test_the_example_requests_of_somebody_else_find_nothing(project, user, tmp_path):
    other = jwts.token(sub="5f0c1d2e-0000-4000-8000-00000000000f")
    text = at((SNIPPETS / "log_api_requests.sh").read_text(), project.port).replace("<jwt_token>", other)
    assert run_shell(text, tmp_path).count('"code":"not_found"') == 3


def test_the_check_of_health(project, tmp_path):
    out = run_shell(at((SNIPPETS / "health_check.sh").read_text(), project.port), tmp_path)
    assert json.loads(out)["status"] == "ok"


def browser(project, token, tmp_path):
    argv = ["node", "event_source.mjs", str(SNIPPETS / "log_api_client.js"), str(project.port), token, EXECUTION]
    return Process(argv, env=clean_env(tmp_path), cwd=str(NPM))


def said_by(page):
    return [json.loads(line) for line in page.out.lines()]


@needs_npm
def test_the_example_client_shows_each_record_and_closes_at_the_end(project, user, token, tmp_path):
    with Runner(project, EXECUTION) as runner, browser(project, token, tmp_path) as page:
        runner.lines(["first"])
        page.out.wait_lines(2)
        runner.lines(["second"])
        page.out.wait_lines(4)
        runner.complete()
        assert page.finish() == 0, page.err.data
        said = said_by(page)
    assert [one for one in said if one[0] != "shown"] == [
        ["log", "📝 Log:", "first"],
        ["log", "📝 Log:", "second"],
        ["log", "✅ Execution completed:", "SUCCESS"],
    ]
    shown = [one[1] for one in said if one[0] == "shown"]
    assert [(one["id"], one["event_type"]) for one in shown] == [(f"{EXECUTION}:{i}", "log") for i in range(2)]


@needs_npm
def test_the_example_client_is_told_of_an_execution_that_is_over(project, user, token, tmp_path):
    user.append(EXECUTION, list(records())[:5])
    user.expect(200, "PATCH", f"/api/v1/executions/{EXECUTION}", {"status": "failed"})
    with browser(project, token, tmp_path) as page:
        assert page.finish() == 0, page.err.data
        said = said_by(page)
    assert [one[2] for one in said if one[1] == "📝 Log:"] == [f"friendly {i}" for i in range(5)]
    assert said[-1] == ["log", "✅ Execution completed:", "ERROR"]


@needs_npm
def test_the_example_client_gives_up_without_a_good_token(project, user, tmp_path):
    with browser(project, jwts.token(role="anon"), tmp_path) as page:
        assert page.finish() == 0, page.err.data
        (only,) = said_by(page)
    assert only[:2] == ["error", "SSE connection error:"]


def without_null(value):
    if isinstance(value, dict):
        return {name: without_null(one) for name, one in value.items() if one is not None}
    return [without_null(one) for one in value] if isinstance(value, list) else value


@needs_npm
def test_the_answers_have_the_types_of_the_design(project, user, tmp_path):
    """As tsc sees them. What is null counts as missing: the design's own service has it so."""
    user.append(EXECUTION, list(records()) + [{"message": "a line of output"}])
    user.expect(201, "POST", "/api/v1/executions", {"workflow_id": "wf-1"})
    user.expect(200, "PATCH", f"/api/v1/executions/{EXECUTION}", {"status": "failed"})
    with Stream(user, None, path=f"/api/v1/app/executions/{EXECUTION}/logs/stream") as stream:
        events = []
        while event := stream.next():
            events += [{"event": event.kind, "data": event.json(), "id": event.id}] if event.data else []
    recent = {"workflow_id": "wf-1", "include_all_executions": "true"}
    answers = [("SSEEvent", event) for event in events] + [
        ("LogsResponse", user.expect(200, "GET", f"/api/v1/app/executions/{EXECUTION}/logs")),
        ("LogsResponse", user.expect(200, "GET", f"/v2/workflows/executions/{EXECUTION}/logs")),
        ("RecentLogsResponse", user.expect(200, "GET", "/api/v1/app/executions/recent_logs", query=recent)),
        ("LogsSummaryResponse", user.expect(200, "GET", f"/v2/executions/{EXECUTION}/logs/summary")),
    ]
    assert events[-1]["data"]["event_type"] == "COMPLETE"
    text = (SNIPPETS / "log_api_types.ts").read_text()
    text += "type ExecutionSummary = RecentLogsResponse['latest_execution'];\n"  # the design does not say
    for i, (kind, answer) in enumerate(answers):
        # Other members than the design's are allowed, so it is no literal that is judged; its words are constants.
        value = json.dumps(without_null(answer))
        text += f"const answer{i} = {value} as const;\nconst typed{i}: Frozen<{kind}> = answer{i};\n"
    text += """
type Frozen<T> = T extends (infer U)[] ? readonly Frozen<U>[]
    : T extends object ? {readonly [K in keyof T]: Frozen<T[K]>} : T;
export {};
"""
    file = tmp_path / "answers.ts"
    file.write_text(text)
    argv = [str(NPM / "node_modules" / ".bin" / "tsc"), "--noEmit", "--strict"]
    done = subprocess.run([*argv, "--target", "es2022", str(file)], capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stdout[:3000]
