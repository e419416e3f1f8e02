"""Secrets by name: kept sealed, given to jobs, and masked in all that is recorded."""

import base64
import json
import os
import signal
import urllib.parse

import pytest
from support.api import eventually
from support.cli import Cli
from support.files import files_beneath
from support.jobs import fresh_id, shell
from support.process import BIN
from support.terminal import Terminal

VALUE = "correct-horse-battery/staple+9"
PEM = "-----BEGIN TEST KEY-----\nMC4CAQAwBQYDK2VwBCIEIJx7Tz9\nQm+Vq0123/x9abcdefghijklmnop\n-----END TEST KEY-----\n"
ACCOUNT = json.dumps({"type": "service", "private": 'k"1\n2', "nested": [{"token": "tok-é-123456"}]}, indent=1)


@pytest.fixture(scope="module")
def jobs_server(tmp_path_factory):
    from support.server import Server

    server = Server(tmp_path_factory.mktemp("secrets"), flags=["--jobs", "2"])
    server.start()
    yield server
    server.stop()


@pytest.fixture
def jobs_cli(jobs_server, tmp_path):
    return Cli(tmp_path / "home", jobs_server)


@pytest.fixture
def kept(jobs_server):
    """Keeps a value under a name of its own: kept(value) → name."""
    api = jobs_server.api()
    names = []

    def keep(value):
        names.append(f"S_{os.urandom(6).hex()}")
        api.expect(201, "POST", f"/api/v1/secrets/{names[-1]}", {"value": value})
        return names[-1]

    yield keep
    for name in names:
        api.delete(f"/api/v1/secrets/{name}")


def holders(folder, *needles):
    """Files beneath the folder that hold one of the texts."""
    found = []
    for path in files_beneath(folder):
        try:
            content = path.read_bytes()
        except OSError:  # gone meanwhile
            continue
        found += [path for needle in needles if needle.encode() in content]
    return found


def run(cli, *args, script, expect=0):
    return cli.run("run", "-q", *args, "--", "sh", "-c", script, expect=expect).text()


# --- The interface


def test_names_and_times_come_back_and_never_a_value(api, server):
    made = api.expect(201, "POST", "/api/v1/secrets/API_ONE", {"value": VALUE})
    assert set(made) == {"name", "version", "created_at", "changed_at", "last_used_at"}
    assert (made["name"], made["version"], made["last_used_at"]) == ("API_ONE", 1, None)
    again = api.expect(200, "POST", "/api/v1/secrets/API_ONE", {"value": VALUE + "2"})
    assert (again["version"], again["created_at"]) == (2, made["created_at"])
    one = api.expect(200, "GET", "/api/v1/secrets/API_ONE")
    listed = api.expect(200, "GET", "/api/v1/secrets?limit=1000")
    assert one in listed["secrets"]
    assert VALUE not in json.dumps([made, again, one, listed])
    assert api.expect(200, "DELETE", "/api/v1/secrets/API_ONE") == {"name": "API_ONE", "deleted": True}
    for method in ("GET", "DELETE"):
        assert api.request(method, "/api/v1/secrets/API_ONE").status == 404
    assert holders(server.data, VALUE) == []


@pytest.mark.parametrize("name", ["1A", "A-B", "A" * 129, "%C3%84"])
def test_a_name_is_that_of_a_variable(api, name):
    refused = api.expect(422, "POST", f"/api/v1/secrets/{name}", {"value": VALUE})
    assert refused["error"]["fields"][0]["name"] == "name"
    assert api.get(f"/api/v1/secrets/{name}").status == 404


@pytest.mark.parametrize(
    "value, says",
    [
        ("abc", "fewer than 4 bytes"),
        (" abc\n", "fewer than 4 bytes"),
        ("ab\ncd\nef\n", "lines of fewer than 4 bytes"),
        ('{"pin": "123"}', "strings of fewer than 4 bytes"),
        ("abcd\0efg", "U+0000"),
    ],
)
def test_a_value_that_cannot_be_masked_is_refused(api, value, says):
    refused = api.expect(422, "POST", "/api/v1/secrets/SHORT", {"value": value})
    (field,) = refused["error"]["fields"]
    assert field["name"] == "value" and says in field["reason"]
    assert api.get("/api/v1/secrets/SHORT").status == 404


def test_a_value_has_64_kib_at_most_and_an_account_so_many(servers):
    api = servers("--secrets-max", "2").api()
    api.expect(201, "POST", "/api/v1/secrets/A", {"value": "x" * 65536})
    api.expect(422, "POST", "/api/v1/secrets/B", {"value": "x" * 65537})
    api.expect(201, "POST", "/api/v1/secrets/B", {"value": VALUE})
    assert api.expect(429, "POST", "/api/v1/secrets/C", {"value": VALUE})["error"]["code"] == "too_many_requests"
    api.expect(200, "POST", "/api/v1/secrets/B", {"value": VALUE})


def test_admins_set_secrets_and_who_may_submit_sees_their_names(api):
    api.expect(201, "POST", "/api/v1/secrets/BY_ROLE", {"value": VALUE})
    for role, may_see, may_set in [
        ("viewer", False, False),
        ("user", True, False),
        ("service", True, False),
        ("admin", True, True),
        ("operator", True, True),
    ]:
        asking = api.as_role(role)
        assert asking.get("/api/v1/secrets/BY_ROLE").status == (200 if may_see else 403)
        assert asking.get("/api/v1/secrets").status == (200 if may_see else 403)
        assert asking.post("/api/v1/secrets/BY_ROLE", {"value": VALUE}).status == (200 if may_set else 403)
        if not may_set:
            assert asking.delete("/api/v1/secrets/BY_ROLE").status == 403
    api.expect(200, "DELETE", "/api/v1/secrets/BY_ROLE")


# --- Orders


def test_an_unknown_secret_is_refused_at_submission(api):
    order = {"command": ["true"], "queue": True, "secrets": ["NO_SUCH"]}
    refused = api.expect(422, "POST", "/api/v1/executions", order)
    (field,) = refused["error"]["fields"]
    assert field["name"] == "secrets" and '"NO_SUCH"' in field["reason"]
    batch = {"job": {"command": ["true"]}, "jobs": [{}, {"secrets": ["NO_SUCH=X"]}]}
    refused = api.expect(422, "POST", "/api/v1/batches", batch)
    assert refused["error"]["fields"][0]["name"] == "jobs[1].secrets"


@pytest.mark.parametrize("uses", [["A-B"], ["A=1"], ["A=B=C"], ["A B"], [""], ["A", "B=A"]])
def test_a_use_is_a_name_and_a_variable_and_each_variable_is_set_once(api, uses):
    refused = api.expect(422, "POST", "/api/v1/executions", {"command": ["x"], "queue": True, "secrets": uses})
    assert refused["error"]["fields"][0]["name"] == "secrets"


def test_a_job_has_its_secrets_as_environment_and_its_record_has_their_names(jobs_server, jobs_cli, kept):
    name = kept(VALUE)
    script = f'[ "${name}" = "$OTHER" ] && [ ${{#OTHER}} = {len(VALUE)} ] && echo same; env | grep -c "^OTHER="'
    text = run(jobs_cli, "--secret", name, "--secret", f"{name}=OTHER", "-e", "OTHER=overridden", script=script)
    assert text.splitlines() == ["same", "1"]
    status = json.loads(jobs_cli.ok("status", "--last", "-o", "json").text())
    assert status["secrets"] == [name, f"{name}=OTHER"]
    assert VALUE not in json.dumps(status)
    used = jobs_server.api().expect(200, "GET", f"/api/v1/secrets/{name}")
    assert used["last_used_at"] is not None


def test_jobs_of_a_batch_have_the_secrets_of_the_batch(jobs_server, jobs_cli, kept):
    name = kept(VALUE)
    ran = jobs_cli.run(
        "run", "--secret", f"{name}=PW", "--range", "1-3", "--watch", "--", "sh", "-c", 'echo "{} $PW"; exit 3'
    )
    assert ran.code == 1, ran
    assert "3 × exit code 3" in ran.text() and VALUE not in ran.text()
    assert holders(jobs_server.data, VALUE) == []


def test_a_secret_that_was_removed_meanwhile_fails_the_job_and_its_log_says_so(servers, tmp_path):
    server = servers("--jobs", "1")
    cli, api, gate = Cli(tmp_path / "home", server), server.api(), tmp_path / "gate"
    api.expect(201, "POST", "/api/v1/secrets/GONE", {"value": VALUE})
    first = cli.ok("run", "-d", "--", "sh", "-c", f"while [ ! -e {gate} ]; do sleep 0.1; done").text().strip()
    second = cli.ok("run", "-d", "--secret", "GONE", "--after", first, "--", "true").text().strip()
    api.expect(200, "DELETE", "/api/v1/secrets/GONE")
    gate.touch()
    status = eventually(lambda: (s := api.status(second))["sealed"] and s, "the job ends")
    assert (status["status"], status["exit_code"]) == ("failed", 126)
    assert api.messages(second) == ["the secret GONE does not exist any more"]


def test_another_key_file_opens_nothing_and_loses_nothing(servers, tmp_path):
    server = servers("--jobs", "1")
    cli, key = Cli(tmp_path / "home", server), server.data / "secrets.key"
    assert key.stat().st_mode & 0o777 == 0o600
    server.api().expect(201, "POST", "/api/v1/secrets/PW", {"value": VALUE})
    old = key.read_text()

    def outcome(content):
        server.stop()
        key.write_text(content)
        server.start(listen=f"127.0.0.1:{server.port}")
        ran = cli.run("run", "-q", "--secret", "PW", "--", "sh", "-c", 'echo "${#PW} $PW"')
        return ran.code, ran.text()

    new = os.urandom(32).hex()
    assert outcome(new + "\n") == (126, "")
    (why,) = server.api().messages(json.loads(cli.ok("status", "--last", "-o", "json").text())["execution_id"])
    assert why.startswith(
        "the secret PW cannot be opened: it was sealed by a key that the server's file of secrets_key"
    )
    assert outcome(f"{new} # seals\n{old}") == (0, f"{len(VALUE)} ***\n")
    assert outcome(old) == (0, f"{len(VALUE)} ***\n")


def test_a_new_key_is_taken_over_on_sighup_and_what_the_old_one_sealed_is_sealed_anew(servers, tmp_path):
    server = servers("--jobs", "1")
    api, cli, key = server.api(), Cli(tmp_path / "home", server), server.data / "secrets.key"

    def reload(content, outcome="reloaded"):
        before = len(server.log())
        key.write_text(content)
        server.process.signal(signal.SIGHUP)
        server.process.err.wait(
            lambda _: [entry for entry in server.log()[before:] if entry["message"].startswith(outcome)], outcome
        )

    def shown():
        ran = cli.run("run", "-q", "--secret", "PW", "--", "sh", "-c", 'echo "${#PW} $PW"')
        return ran.code, ran.text()

    api.expect(201, "POST", "/api/v1/secrets/PW", {"value": VALUE})
    before, old, new = api.expect(200, "GET", "/api/v1/secrets/PW"), key.read_text(), os.urandom(32).hex() + "\n"
    reload("no key\n", "reload failed")
    assert shown() == (0, f"{len(VALUE)} ***\n")
    reload(new + old)
    api.expect(201, "POST", "/api/v1/secrets/LATER", {"value": VALUE})  # by the new key
    assert cli.ok("secret", "reseal").out == b"1 of 2 sealed anew\n"
    after = api.expect(200, "GET", "/api/v1/secrets/PW")
    assert (after["version"], after["changed_at"]) == (before["version"], before["changed_at"])
    assert cli.ok("secret", "reseal", "-o", "json").out == b'{"secrets":2,"resealed":0}\n'
    reload(new)
    assert shown() == (0, f"{len(VALUE)} ***\n")
    reload(os.urandom(32).hex() + "\n")
    refused = cli.run("secret", "reseal", expect=1)
    assert b"PW: it was sealed by a key that the file of secrets_key does not hold any more" in refused.err
    assert api.post("/api/v1/secrets/NONE/reseal").status == 404
    assert api.as_role("user").post("/api/v1/secrets/PW/reseal").status == 403


def test_a_key_file_that_others_may_read_or_that_is_not_there_keeps_the_server_from_starting(servers, tmp_path):
    key = tmp_path / "keys"
    key.write_text("00" * 32 + "\n")
    key.chmod(0o640)
    for path, says in [(key, b"chmod 600"), (tmp_path / "none", b"openssl rand -hex 32")]:
        server = servers("--secrets-key", path, start=False)
        server.spawn()
        assert server.ended(None) != 0
        assert says in server.process.err.wait_end() and str(path).encode() in server.process.err.data
        assert not (server.data / "secrets.key").exists()


# --- Masking, of jobs


@pytest.mark.parametrize(
    "value, script, expected",
    [
        (VALUE, 'echo "a $S b"; echo "$S"; echo "x$S$S" | tr -d "\\n"', "a *** b\n***\nx***"),
        (VALUE, 'printf "%s" "$S" | base64; printf "user:%s" "$S" | base64 -w 0', "***\ndXNlcjp***"),
        (VALUE, 'printf "%s" "$S" | base64 | tr "+/" "-_" | tr -d "="', "***\n"),
        (VALUE, 'printf "10%%\\r20%% %s\\r30%%\\n" "$S"', "10%\r20% ***\r30%\n"),
        (PEM, 'echo "$S"', "***\n\n"),
        (PEM, 'echo "$S" | sed "s/^/> /"', "> ***\n> ***\n> ***\n> ***\n> \n"),
        (PEM, 'printf "%s" "$S" | base64', None),
        (ACCOUNT, 'printf "%s\\n" "$S"', "***\n"),
        (ACCOUNT, 'printf "%s" "$S" | tr -d " \\n"', '{"type":"***","private":"***","nested":[{"token":"***"}]}'),
        (ACCOUNT, "printf 'k\"1\\n2 tok-é-123456 tok-\\\\u00e9-123456'", "*** *** ***"),
    ],
)
def test_what_a_job_prints_of_a_secret_is_masked(jobs_server, jobs_cli, kept, value, script, expected):
    name = kept(value)
    ran = jobs_cli.run("run", "-o", "raw", "-q", "--secret", f"{name}=S", "--", "sh", "-c", script, expect=0)
    encoded = base64.b64encode(value.encode()).decode()
    if expected is None:
        assert ran.out.startswith(b"***") and encoded[:76] not in ran.text() and encoded[77:140] not in ran.text()
    else:
        assert ran.text() == expected
    assert holders(jobs_server.data, value.strip(), encoded[:40]) == []


def test_a_secret_in_pieces_is_masked_also_where_its_beginning_waits_for_longer_than_a_line(
    jobs_server, jobs_cli, kept, tmp_path
):
    name, gate, api = kept(VALUE), tmp_path / "gate", jobs_server.api()
    # A line before it that goes on becomes a partial record after a second. The beginning of the secret does not.
    script = (
        f'printf "%s" "one ${{S%??????????}}"; echo "${{S%?????}}" | tr -d "\n" >&2; while [ ! -e {gate} ]; do sleep '
        '0.1; done; printf "%s two" "${S#????????????????????}"; printf "%s" "$S" | cut -c 26- >&2'
    )
    assert len(VALUE) == 30
    id = jobs_cli.ok("run", "-d", "--secret", f"{name}=S", "--", "sh", "-c", script).text().strip()
    eventually(lambda: api.messages(id) == ["one "], "what is before the secret is shown")
    assert holders(jobs_server.data, VALUE[:20]) == []
    gate.touch()
    eventually(lambda: api.status(id)["sealed"], "the job ends")
    records = api.page(id)["logs"]
    assert [r["message"] for r in records if r["stream"] == "stdout"] == ["one ", "*** two"]
    assert [r["message"] for r in records if r["stream"] == "stderr"] == ["***"]


def test_a_secret_across_the_border_of_two_records_is_masked(jobs_server, jobs_cli, kept):
    name, api = kept(VALUE), jobs_server.api()
    script = (
        "head -c 10230 /dev/zero | tr '\\0' x; echo \"$S and more\"; head -c 262130 /dev/zero | tr '\\0' y; echo $S"
    )
    id = jobs_cli.ok("run", "-q", "-d", "--secret", f"{name}=S", "--", "sh", "-c", script).text().strip()
    eventually(lambda: api.status(id)["sealed"], "the job ends")
    raw = api.get(f"/api/v1/executions/{id}/logs", query={"format": "raw"}).body
    assert raw == b"x" * 10230 + b"*** and more\n" + b"y" * 262130 + b"***\n"


def test_what_a_job_says_by_its_socket_is_masked(jobs_server, jobs_cli, kept, tmp_path):
    name, api = kept(VALUE), jobs_server.api()
    script = tmp_path / "say.py"
    script.write_text(
        "import json, os, socket\n"
        "value = os.environ['S']\n"
        "record = {'event_type': 'step_started', 'message': 'got ' + value, 'node_name': value,\n"
        "          'data': {'list': [{value: 'x' + value}], 'n': 1.5}}\n"
        "odd = json.dumps(record).replace('c', '\\\\u0063')\n"
        "with socket.socket(socket.AF_UNIX) as out:\n"
        "    os.chdir(os.path.dirname(os.environ['RUNNEL_SOCKET']))\n"  # where its path is too long for an address
        "    out.connect('voice')\n"
        "    for text in (json.dumps(record), odd):\n"
        "        out.sendall(text.encode() + b'\\n')\n"
        "        assert b'ok' in out.recv(4096)\n"
    )
    id = jobs_cli.ok("run", "-d", "--secret", f"{name}=S", script).text().strip()
    status = eventually(lambda: (s := api.status(id))["sealed"] and s, "the job ends")
    assert status["status"] == "completed", api.messages(id)
    records = api.page(id)["logs"]
    assert len(records) == 2
    for record in records:
        assert (record["message"], record["node_name"]) == ("got ***", "***")
        assert record["data"] == {"list": [{"***": "x***"}], "n": 1.5}


LEAVES = (
    'cd "$RUNNEL_OUTPUTS" && echo 1 >plain && echo 2 >"of-$(basename "$S")-$W" && mkdir -p "x-$(dirname "$S")" "$W" '
    '&& echo 3 >"x-$S.txt" && echo 4 >"$W/file" && echo 5 >"$(printf "%s" "$S" | base64).b64" && ln -s / "link-$W"'
)
LEFT = {f"of-{VALUE.rpartition('/')[2]}-***": "2", "x-***.txt": "3", "***/file": "4", "***.b64": "5", "plain": "1"}


def left(api, id):
    """What an execution has left: the content of each artifact by its name."""
    names = [one["name"] for one in api.expect(200, "GET", f"/api/v1/executions/{id}/artifacts")["artifacts"]]
    path = f"/api/v1/executions/{id}/artifacts/"
    return {name: api.get(path + urllib.parse.quote(name)).body.decode().strip() for name in names}


def test_a_secret_in_the_name_of_an_output_is_masked(jobs_server, jobs_cli, kept):
    secrets = (f"--secret={kept(VALUE)}=S", f"--secret={kept('wordOfOne')}=W")
    api, id = jobs_server.api(), jobs_cli.ok("run", "-d", *secrets, *shell(LEAVES)).text().strip()
    status = eventually(lambda: (s := api.status(id))["sealed"] and s, "the job ends")
    assert status["status"] == "completed" and left(api, id) == LEFT
    assert api.messages(id) == ["The output link-*** was not uploaded: links are not followed"]


def test_wrap_masks_the_names_of_outputs_too(server, cli, api):
    flags = ("--id", fresh_id(), "--mask-env", "S", "--mask-env", "W")
    cli.ok("wrap", *flags, *shell(LEAVES), env={"S": VALUE, "W": "wordOfOne"})
    assert left(api, flags[1]) == LEFT


def test_outputs_whose_names_nobody_has_masked_are_not_uploaded(server, cli, api):
    """The runner knew the secret, and was killed."""
    id = fresh_id()
    script = shell('echo x >"$RUNNEL_OUTPUTS/$S"; kill -9 $PPID')
    assert cli.run("wrap", "--id", id, "--mask-env", "S", *script, env={"S": "wordOfOne"}).code == -signal.SIGKILL
    eventually(lambda: cli.run("wrap", "--resume", id).code == 0, "what is left is delivered")
    assert api.status(id)["status"] == "lost" and left(api, id) == {}
    assert api.messages(id)[-1] == (
        "The outputs were not uploaded: their names could hold a secret, and could not all be masked"
    )
    assert holders(server.data, "wordOfOne") == []


def test_while_a_job_runs_its_secret_is_in_no_file(jobs_server, jobs_cli, kept, tmp_path):
    name, gate, api = kept(VALUE), tmp_path / "gate", jobs_server.api()
    script = f'echo "$S"; while [ ! -e {gate} ]; do sleep 0.1; done; echo "$S"'
    id = jobs_cli.ok("run", "-d", "--secret", f"{name}=S", "--", "sh", "-c", script).text().strip()
    eventually(lambda: api.messages(id) == ["***"], "the first line is shown")
    job = jobs_server.data / "spool" / id / "job.json"
    assert job.stat().st_mode & 0o777 == 0o600
    assert holders(jobs_server.data, VALUE) == []
    gate.touch()
    eventually(lambda: api.status(id)["sealed"], "the job ends")
    assert holders(jobs_server.data, VALUE) == []
    assert VALUE.encode() not in jobs_server.process.err.data + jobs_server.process.out.data


# --- Masking, under wrap


def test_wrap_masks_the_values_of_variables_that_it_is_told(server, cli, api):
    script = 'echo "pw $PW"; printf "%s" "$PW" | base64 >&2; printf "%s" "$PW"'
    ran = cli.run("wrap", "-m", f"k={VALUE}!", "--mask-env", "PW", *shell(script + f" # {VALUE}"), env={"PW": VALUE})
    assert ran.code == 0 and ran.text() == f"pw {VALUE}\n{VALUE}"  # what passes through is as it was
    status = json.loads(cli.ok("status", "--last", "-o", "json").text())
    assert status["metadata"] == {"k": "***!"} and status["command"][-1].endswith("# ***")
    id = status["execution_id"]
    assert api.get(f"/api/v1/executions/{id}/logs", query={"format": "raw", "stream": "stdout"}).body == b"pw ***\n***"
    assert api.messages(id, stream="stderr") == ["***"]
    assert holders(server.data, VALUE) == []


def test_a_spool_that_waits_for_its_server_holds_no_secret(tmp_path):
    cli = Cli(tmp_path / "home", url="http://127.0.0.1:9", token="rnl_" + "x" * 43)
    state = tmp_path / "state"
    script = shell('echo "pw $PW"; printf "%s" "$PW" | cut -c 1-9 | tr -d "\\n"; printf "%s" "$PW" | cut -c 10-')
    ran = cli.run("wrap", "--data", state, "--mask-env", "PW", "-m", f"k={VALUE}", *script, env={"PW": VALUE})
    assert ran.code == 0
    assert list(state.rglob("run.json")) and list(state.rglob("spool"))
    assert holders(state, VALUE) == []


@pytest.mark.parametrize("env, says", [({}, "no such variable"), ({"PW": "abc"}, "fewer than 4 bytes")])
def test_a_variable_that_cannot_be_masked_keeps_the_command_from_running(cli, tmp_path, env, says):
    ran = cli.run("wrap", "--mask-env", "PW", "--", "touch", tmp_path / "ran", env=env)
    assert ran.code == 2 and says in ran.err.decode()
    assert not (tmp_path / "ran").exists()


# --- The command line


def test_a_value_comes_from_a_pipe_a_file_or_a_prompt_and_never_as_an_argument(jobs_server, jobs_cli, kept, tmp_path):
    file = tmp_path / "pem"
    file.write_text(PEM)
    jobs_cli.ok("secret", "set", "FROM_PIPE", input=VALUE.encode() + b"\n")
    jobs_cli.ok("secret", "set", "FROM_FILE", "--file", file)
    with Terminal([BIN, "secret", "set", "FROM_TERMINAL"], jobs_cli.env) as terminal:
        terminal.wait_for(b"Value of FROM_TERMINAL (it is not shown): ")
        eventually(terminal.is_raw, "the terminal hides what is typed")
        terminal.type(b"wrong\x7f\x7f\x7f\x7f\x7f" + VALUE.encode() + b"\r")
        terminal.wait_for(b"kept as FROM_TERMINAL, version 1")
        assert VALUE.encode() not in terminal.out.data and not terminal.is_raw()
    uses = ["--secret=FROM_PIPE", "--secret=FROM_FILE", "--secret=FROM_TERMINAL"]
    script = 'printf "%s" "$FROM_PIPE$FROM_FILE$FROM_TERMINAL" | wc -c; [ "$FROM_PIPE" = "$FROM_TERMINAL" ]'
    assert run(jobs_cli, *uses, script=script).split() == [str(2 * len(VALUE) + len(PEM))]
    listed = jobs_cli.ok("secret", "list").text()
    assert [line.split()[0] for line in listed.splitlines()][:4] == [
        "SECRET",
        "FROM_FILE",
        "FROM_PIPE",
        "FROM_TERMINAL",
    ]
    assert VALUE not in listed
    refused = jobs_cli.run("secret", "set", "FROM_ARGUMENT", VALUE)
    assert refused.code == 2 and b"name one secret" in refused.err
    for name in ("FROM_PIPE", "FROM_FILE", "FROM_TERMINAL"):
        jobs_cli.ok("secret", "rm", name)
    assert jobs_cli.run("secret", "rm", "FROM_PIPE").code == 3


def test_ctrl_c_at_the_prompt_keeps_nothing_and_leaves_the_terminal_as_it_was(server, cli, api):
    with Terminal([BIN, "secret", "set", "INTERRUPTED"], cli.env) as terminal:
        terminal.wait_for(b"(it is not shown): ")
        eventually(terminal.is_raw, "the terminal hides what is typed")
        terminal.type(b"abcdefgh\x03")
        ended = os.waitid(os.P_PID, terminal.pid, os.WEXITED | os.WNOWAIT)
        assert (ended.si_code, ended.si_status) == (os.CLD_EXITED, 130)
        assert not terminal.is_raw()
    assert api.get("/api/v1/secrets/INTERRUPTED").status == 404


@pytest.mark.parametrize("args, says", [(["set", "A-B"], "[A-Za-z_]"), (["set"], "name one secret"), ([], "say what")])
def test_wrong_uses_are_told(cli, args, says):
    ran = cli.run("secret", *args, input=b"abcdefgh")
    assert ran.code == 2 and says in ran.err.decode()
