"""The files for many servers in packaging/: what they name is there, and the program knows it."""

import os
import pathlib
import re
import shutil
import stat
import subprocess

import pytest
import yaml
from support.process import BIN

ROOT = pathlib.Path(__file__).resolve().parents[2]
COMPOSE = ROOT / "packaging/compose"
KUBERNETES = ROOT / "packaging/kubernetes"
USER = int(re.search(r"--uid (\d+)", (COMPOSE / "Dockerfile").read_text()).group(1))


@pytest.fixture(scope="module")
def variables():
    page = subprocess.run([BIN, "help", "--document", "configuration"], check=True, capture_output=True, text=True)
    names = re.findall(r"^\| `(\w+)` \|", page.stdout, flags=re.M)
    assert len(names) > 50
    return {f"RUNNEL_{name.upper()}" for name in names}


@pytest.fixture(scope="module")
def flags():
    page = subprocess.run([BIN, "help", "serve"], check=True, capture_output=True, text=True).stdout
    return set(re.findall(r"--[a-z][a-z0-9-]*", page))


def unknown(environment, variables):
    return [f"no setting: {name}" for name in environment if name.startswith("RUNNEL_") and name not in variables]


def unpinned(images):
    return [f"no version: {image}" for image in images if not re.search(r":[\w.-]*\d[\w.-]*$", image)]


def missing(what, named, there):
    return [f"no {what}: {name}" for name in sorted(set(named) - set(there))]


def port_of(address):
    return int(address.rpartition(":")[2])


# --- compose
def names_of(entries, key):
    """Of secrets, networks and others, that may be names, or objects with more."""
    return [entry if isinstance(entry, str) else entry[key] for entry in entries]


def service_faults(document, name, service):
    secrets = names_of(service.get("secrets", []), "source")
    text = yaml.safe_dump([service.get("environment"), service.get("command")])
    yield from missing("secret", secrets, document["secrets"])
    yield from missing(f"secret of {name}", re.findall(r"/run/secrets/(\w+)", text), secrets)
    yield from missing("network", service.get("networks", []), document["networks"])
    yield from missing("service", service.get("depends_on", []), document["services"])
    for volume in service.get("volumes", []):
        source = volume.partition(":")[0]
        if source.startswith("./"):
            yield from [] if (COMPOSE / source).is_file() else [f"no file: {source}"]
        else:
            yield from missing("volume", [source], document["volumes"])


def node_faults(document, proxy, loki, nodes):
    environment = nodes[0]["environment"]
    if any(node["environment"] != environment for node in nodes):
        yield "nodes differ"
    yield from missing("setting of nodes", ["RUNNEL_SECRETS_KEY", "RUNNEL_STORE"], environment)
    if not environment["RUNNEL_ARTIFACTS"].startswith("s3://"):
        yield "files of runs are not shared"
    hosts = [re.search(r"://(?:\w+@)?(\w+)", value).group(1) for name, value in environment.items() if "_URL" in name]
    hosts += [
        re.search(r"://(?:\w+@)?(\w+)", environment[f"RUNNEL_{name}"]).group(1)
        for name in ("STORE", "S3_ENDPOINT", "BUS")
    ]
    yield from missing("service", hosts, document["services"])
    if port_of(environment["RUNNEL_LOKI_URL"]) != loki["server"]["http_listen_port"]:
        yield "Loki listens elsewhere"
    if environment["RUNNEL_TRUSTED_PROXIES"] != document["services"]["proxy"]["networks"]["front"]["ipv4_address"]:
        yield "the proxy is not trusted"
    behind = re.findall(r"^ +server \w+ +(\w+):(\d+)", proxy, flags=re.M)
    if {name for name, _ in behind} != {name for name in document["services"] if name.startswith("runnel")}:
        yield "the proxy knows other nodes"
    if {int(port) for _, port in behind} != {port_of(environment["RUNNEL_LISTEN"])}:
        yield "the nodes listen elsewhere"


def compose_faults(text, variables):
    document = yaml.safe_load(text)
    example = (COMPOSE / ".env.example").read_text()
    proxy = (COMPOSE / "haproxy.cfg").read_text()
    loki = yaml.safe_load((COMPOSE / "loki-config.yaml").read_text())
    given = set(re.findall(r"^(\w+)=.", example, flags=re.M))
    used = set(re.findall(r"(?<!\$)\$\{(\w+)", text))
    services = document["services"]
    nodes = [service for name, service in services.items() if name.startswith("runnel")]
    faults = missing("value in .env.example", used, given) + missing("use of", given, used) + unknown(given, variables)
    for name, service in services.items():
        faults += unknown(service.get("environment", {}), variables) + unpinned([service["image"]])
        faults += service_faults(document, name, service)
        build = service.get("build")
        if build and not (COMPOSE / build["context"] / build["dockerfile"]).resolve().is_file():
            faults.append(f"no file: {build['dockerfile']}")
    faults += missing(
        "port of the proxy", [port_of(services["proxy"]["ports"][0])], [port_of(re.search(r"bind (\S+)", proxy)[1])]
    )
    faults += missing("secret of the proxy", re.findall(r"/run/secrets/(\w+)", proxy), services["proxy"]["secrets"])
    return faults + list(node_faults(document, proxy, loki, nodes))


def test_the_compose_file_names_what_there_is(variables):
    assert compose_faults((COMPOSE / "compose.yaml").read_text(), variables) == []


@pytest.mark.parametrize(
    "right, wrong, fault",
    [
        ("RUNNEL_S3_CA:", "RUNNEL_S3_CA_FILE:", "no setting: RUNNEL_S3_CA_FILE"),
        ("haproxy:3.0.5", "haproxy:latest", "no version: haproxy:latest"),
        ("/run/secrets/pgpass", "/run/secrets/password", "no secret of runnel1: password"),
        ("./loki-config.yaml:", "./loki.yaml:", "no file: ./loki.yaml"),
        ("http://loki:3100", "http://loki:3101", "Loki listens elsewhere"),
        ("redis://redis:", "redis://valkey:", "no service: valkey"),
        ("0.0.0.0:7117", "0.0.0.0:7118", "the nodes listen elsewhere"),
        ("${RUNNEL_READERS}", "2", "no use of: RUNNEL_READERS"),
        ("s3://runnel/files", "dir", "files of runs are not shared"),
    ],
)
def test_a_mistake_in_the_compose_file_is_found(variables, right, wrong, fault):
    text = (COMPOSE / "compose.yaml").read_text()
    assert right in text
    assert fault in compose_faults(text.replace(right, wrong), variables)


@pytest.mark.skipif(os.getuid() != 0, reason="files are given to another user")
def test_the_keys_are_those_that_the_compose_file_names(tmp_path):
    for name in ("make-keys", "haproxy.cfg"):
        shutil.copy(COMPOSE / name, tmp_path)
    shutil.copy(COMPOSE / ".env.example", tmp_path / ".env")
    subprocess.run([tmp_path / "make-keys"], check=True, capture_output=True)
    files = {
        name: tmp_path / it["file"]
        for name, it in yaml.safe_load((COMPOSE / "compose.yaml").read_text())["secrets"].items()
    }
    assert [name for name, file in files.items() if not file.is_file() or file.stat().st_size == 0] == []
    for name in ("pgpass", "secrets_key", "s3_credentials"):
        about = files[name].stat()
        assert (stat.S_IMODE(about.st_mode), about.st_uid) == (0o400, USER)
    assert re.fullmatch(r"[0-9a-f]{64}\n", files["secrets_key"].read_text())
    before = files["pgpass"].read_text()
    subprocess.run([tmp_path / "make-keys"], check=True, capture_output=True)
    assert files["pgpass"].read_text() == before
    if shutil.which("haproxy"):
        proxy = tmp_path / "haproxy.cfg"
        proxy.write_text(proxy.read_text().replace("/run/secrets/proxy_certificate", str(files["proxy_certificate"])))
        subprocess.run(["haproxy", "-c", "-f", proxy], check=True, capture_output=True)


# --- Kubernetes
def documents_of(texts):
    found = {}
    for text in texts:
        for document in yaml.safe_load_all(text):
            found[document["kind"], document["metadata"]["name"]] = document
    return found


def keys_of(there, kind, name):
    document = there.get((kind, name), {})
    return [*document.get("stringData", {}), *document.get("data", {})]


def volume_faults(there, pod, claims, settings):
    volumes = {volume["name"]: volume for volume in pod["volumes"]}
    places = {}
    for container in pod["containers"] + pod["initContainers"]:
        for mount in container["volumeMounts"]:
            yield from missing("volume", [mount["name"]], [*volumes, *claims])
            places[mount["mountPath"]] = volumes.get(mount["name"], {})
    asked = " ".join(str(value) for value in settings.values()) + " " + " ".join(pod["initContainers"][0]["command"])
    copied = [
        pathlib.PurePath(path).name for path in pod["initContainers"][0]["command"] if path.startswith("/secret/")
    ]
    for place, volume in places.items():
        kind, name = (
            ("Secret", volume["secret"]["secretName"])
            if "secret" in volume
            else ("ConfigMap", volume.get("configMap", {}).get("name"))
        )
        holds = keys_of(there, kind, name) if name else copied
        if name:
            yield from missing(kind, [(kind, name)], there)
        if name or place == "/keys":
            yield from missing(f"file in {place}", re.findall(rf"(?<=[ =:]){place}/([\w.]+)", f" {asked}"), holds)


def port_faults(there, pod, labels, settings):
    [container] = pod["containers"]
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    yield from missing("port", [port_of(settings.get("RUNNEL_LISTEN", "127.0.0.1:7117"))], ports.values())
    probes = {name: container[name]["httpGet"] for name in ("startupProbe", "livenessProbe", "readinessProbe")}
    yield from missing("port", [probe["port"] for probe in probes.values()], ports)
    if (probes["livenessProbe"]["path"], probes["readinessProbe"]["path"]) != ("/health", "/ready"):
        yield "probes are of other paths"
    for (kind, name), document in there.items():
        spec = document.get("spec", {})
        if kind == "Service":
            yield from missing("port", [port["targetPort"] for port in spec["ports"]], ports)
        if (
            kind in ("Service", "PodDisruptionBudget")
            and spec["selector"].get("matchLabels", spec["selector"]) != labels
        ):
            yield f"{kind} {name} selects no node"


def kubernetes_faults(texts, variables, flags):
    there = documents_of(texts)
    spec = there["StatefulSet", "runnel"]["spec"]
    pod, labels = spec["template"]["spec"], spec["template"]["metadata"]["labels"]
    [container] = pod["containers"]
    settings = {}
    faults = missing("Service", [spec["serviceName"]], [name for kind, name in there if kind == "Service"])
    for source in container["envFrom"]:
        name = source["configMapRef"]["name"]
        faults += missing("ConfigMap", [name], [name for kind, name in there if kind == "ConfigMap"])
        settings |= there.get(("ConfigMap", name), {}).get("data", {})
    command, *words = container["args"]
    faults += [] if command == "serve" else [f"no command: {command}"]
    faults += missing("flag", [word.partition("=")[0] for word in words if word.startswith("--")], flags)
    faults += unknown(settings, variables) + unpinned(
        [each["image"] for each in pod["containers"] + pod["initContainers"]]
    )
    pause = int(container["lifecycle"]["preStop"]["exec"]["command"][1])
    if pod["terminationGracePeriodSeconds"] <= pause + int(settings.get("RUNNEL_SHUTDOWN_SECONDS", 10)):
        faults.append("killed before it has ended in order")
    if pod["securityContext"]["runAsUser"] != USER:
        faults.append("another user than the image's")
    claims = [claim["metadata"]["name"] for claim in spec["volumeClaimTemplates"]]
    return [*faults, *volume_faults(there, pod, claims, settings), *port_faults(there, pod, labels, settings)]


def manifests():
    texts = [path.read_text() for path in sorted(KUBERNETES.glob("*.yaml"))]
    assert len(texts) == 3
    return texts


def test_the_manifests_name_what_there_is(variables, flags):
    assert kubernetes_faults(manifests(), variables, flags) == []


@pytest.mark.parametrize(
    "right, wrong, fault",
    [
        ("RUNNEL_LOKI_CA:", "RUNNEL_LOKI_CA_FILE:", "no setting: RUNNEL_LOKI_CA_FILE"),
        ("args: [serve]", "args: [serve, --reader=4]", "no flag: --reader"),
        (
            "image: registry.example/runnel:0.1.0",
            "image: registry.example/runnel",
            "no version: registry.example/runnel",
        ),
        ("secretName: runnel-keys", "secretName: runnel-key", "no Secret: ('Secret', 'runnel-key')"),
        ("configMapRef: {name: runnel}", "configMapRef: {name: settings}", "no ConfigMap: settings"),
        ("/keys/pgpass", "/keys/password", "no file in /keys: password"),
        ("sslrootcert=/authorities/db.pem", "sslrootcert=/authorities/pg.pem", "no file in /authorities: pg.pem"),
        ("/secret/secrets_key, ", "", "no file in /keys: secrets_key"),
        ("port: 443, targetPort: https", "port: 443, targetPort: http", "no port: http"),
        ("containerPort: 7117", "containerPort: 7118", "no port: 7117"),
        ("GracePeriodSeconds: 60", "GracePeriodSeconds: 15", "killed before it has ended in order"),
        ("path: /ready", "path: /health", "probes are of other paths"),
        ("{name: tls, mountPath", "{name: cert, mountPath", "no volume: cert"),
        ("serviceName: runnel-nodes", "serviceName: nodes", "no Service: nodes"),
    ],
)
def test_a_mistake_in_the_manifests_is_found(variables, flags, right, wrong, fault):
    texts = manifests()
    assert any(right in text for text in texts)
    assert fault in kubernetes_faults([text.replace(right, wrong) for text in texts], variables, flags)
