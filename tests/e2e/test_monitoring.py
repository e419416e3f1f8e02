"""Alert rules, dashboard, runbook: each checked against the metrics that the server has, and by a real Prometheus."""

import json
import pathlib
import re
import shutil
import subprocess
import urllib.error
import urllib.parse
import urllib.request

import pytest
from support.api import eventually
from support.postgres import WANTED
from support.process import Process
from support.server import clean_env

ROOT = pathlib.Path(__file__).parents[2]
RULES = ROOT / "packaging/prometheus/runnel.rules.yml"
DASHBOARD = ROOT / "packaging/grafana/runnel.json"
NAMES = re.compile(r"\b((?:runnel|process)_[a-z0-9_]+|runnel:[a-z0-9_:]+)")

needs_prometheus = pytest.mark.skipif(not shutil.which("promtool"), reason="Prometheus is not installed")


def rule_lines(word):
    return re.findall(rf"^ *(?:- )?{word}: (\S+)$", RULES.read_text(), re.M)


def expressions():
    """Of the dashboard; what Grafana puts in stands for itself."""
    panels = json.loads(DASHBOARD.read_text())["panels"]
    found = [target["expr"] for panel in panels for target in panel.get("targets", [])]
    return [each.replace("$__rate_interval", "1m").replace("$instance", ".*") for each in found]


def known_names(api):
    text = api.get("/metrics", token=None).body.decode()
    typed = dict(line.split()[2:4] for line in text.splitlines() if line.startswith("# TYPE "))
    parts = [name + end for name, kind in typed.items() if kind == "histogram" for end in ("_bucket", "_sum", "_count")]
    return {*typed, *parts, *rule_lines("record")}


# A store in PostgreSQL has none of these.
FIGURES_OF_FILES = ("runnel_store_bytes", "runnel_store_wal_lost_bytes", "runnel_fsync_seconds")


@pytest.mark.parametrize("path", [RULES, DASHBOARD], ids=["rules", "dashboard"])
def test_every_name_in_the_files_is_one_that_the_server_has(api, path):
    text = path.read_text() if path == RULES else "\n".join(expressions())
    used = {name for name in NAMES.findall(text) if name != "runnel:"}
    assert len(used) > 10
    of_files = {name for name in used if WANTED and name.startswith(FIGURES_OF_FILES)}
    assert used - known_names(api) == of_files


def test_every_alert_has_its_steps_in_the_runbook():
    anchors = {
        line[4:].lower() for line in (ROOT / "docs/runbook.md").read_text().splitlines() if line.startswith("### ")
    }
    links = re.findall(r"docs/runbook.md#(\w+)", RULES.read_text())
    assert len(links) == len(rule_lines("alert")) > 10
    assert set(links) - anchors == set()


@needs_prometheus
def test_the_rules_hold_their_own_tests():
    for command in (["check", "rules", RULES.name], ["test", "rules", "runnel.rules.test.yml"]):
        done = subprocess.run(["promtool", *command], cwd=RULES.parent, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr


def asker(port):
    def ask(path, **query):
        url = f"http://127.0.0.1:{port}/api/v1/{path}?{urllib.parse.urlencode(query)}"
        try:
            return json.load(urllib.request.urlopen(url, timeout=60))["data"]
        except urllib.error.HTTPError as error:
            if error.code == 503:  # it is not ready yet
                return {}
            raise AssertionError(f"{query}: {error.read().decode()}") from error

    return ask


@needs_prometheus
def test_a_real_prometheus_reads_the_server_the_rules_and_the_dashboard(servers, tmp_path):
    server = servers()
    api = server.api()
    api.append_lines(api.create(), ["one"])
    config = tmp_path / "prometheus.yml"
    job = {"job_name": "runnel", "static_configs": [{"targets": [f"127.0.0.1:{server.port}"]}]}
    config.write_text(
        json.dumps({"global": {"scrape_interval": "1s"}, "scrape_configs": [job], "rule_files": [str(RULES)]})
    )
    argv = ["prometheus", f"--config.file={config}", "--web.listen-address=127.0.0.1:0"]
    argv.append(f"--storage.tsdb.path={tmp_path}/data")
    with Process(argv, env=clean_env(tmp_path), cwd=str(tmp_path)) as prometheus:
        said = re.compile(rb'"Listening on" address=127.0.0.1:(\d+)')
        port = int(prometheus.err.wait(said.search, "it listens")[1])
        ask = asker(port)
        ingested = eventually(
            lambda: ask("query", query="runnel_records_ingested_total").get("result"), "it was scraped", 120
        )
        assert ingested[0]["value"][1] == "1"
        for expression in expressions():
            ask("query", query=expression)
        rules = [rule for group in ask("rules")["groups"] for rule in group["rules"]]
        assert len(rules) == len(rule_lines("record")) + len(rule_lines("alert"))
        assert [rule for rule in rules if rule["health"] == "err"] == []
        assert [rule["name"] for rule in rules if rule.get("state") == "firing"] == []
