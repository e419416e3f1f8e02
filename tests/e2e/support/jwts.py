"""JSON Web Tokens as an issuer makes them, by PyJWT, and as nobody should make them, by hand; issuers' files; and a
server of key sets that behaves as it is told to."""

import base64
import datetime
import hashlib
import hmac
import http.server
import json
import threading
import time

import jwt
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import NameOID

from . import DEADLINE

ISS = "https://project.supabase.example/auth/v1"
SECRET = "super-secret-jwt-token-with-at-least-32-characters-long"
NEVER = object()


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def number(value):
    return b64(value.to_bytes((value.bit_length() + 7) // 8, "big"))


class Key:
    """A private key with its name, and what an issuer publishes of it."""

    def __init__(self, alg, kid):
        self.alg = alg
        self.kid = kid
        self.private = {
            "RS256": lambda: rsa.generate_private_key(65537, 2048),
            "ES256": lambda: ec.generate_private_key(ec.SECP256R1()),
            "EdDSA": ed25519.Ed25519PrivateKey.generate,
        }[alg]()

    def jwk(self):
        public = self.private.public_key()
        if self.alg == "RS256":
            numbers = public.public_numbers()
            members = {"kty": "RSA", "n": number(numbers.n), "e": number(numbers.e)}
        elif self.alg == "ES256":
            numbers = public.public_numbers()
            members = {"kty": "EC", "crv": "P-256", "x": b64(numbers.x.to_bytes(32, "big"))}
            members["y"] = b64(numbers.y.to_bytes(32, "big"))
        else:
            raw = public.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
            members = {"kty": "OKP", "crv": "Ed25519", "x": b64(raw)}
        return {**members, "kid": self.kid, "alg": self.alg, "use": "sig"}

    def pem(self):
        return self.private.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )


def claims(**changes):
    """What Supabase gives a signed-in user. A change to NEVER leaves a claim out."""
    now = int(time.time())
    made = {
        "iss": ISS,
        "aud": "authenticated",
        "exp": now + 3600,
        "iat": now,
        "sub": "5f0c1d2e-0000-4000-8000-000000000001",
        "email": "someone@example.com",
        "role": "authenticated",
        "aal": "aal1",
        "session_id": "00000000-0000-4000-8000-000000000002",
        "is_anonymous": False,
        "app_metadata": {"provider": "email", "account": "default"},
        "user_metadata": {"account": "elsewhere", "role": "service_role"},
    }
    made.update(changes)
    return {name: value for name, value in made.items() if value is not NEVER}


def token(key=SECRET, headers=None, **changes):
    """A signed token: of a Key, or by a secret."""
    made = claims(**changes)
    if isinstance(key, Key):
        return jwt.encode(made, key.private, algorithm=key.alg, headers={"kid": key.kid, **(headers or {})})
    return jwt.encode(made, key, algorithm="HS256", headers=headers)


def legacy(role, **changes):
    """Supabase's long-lived keys for services and for anybody: no `sub`, no `aud`."""
    now = int(time.time())
    made = {"iss": "supabase", "ref": "project", "role": role, "iat": now, "exp": now + 10 * 365 * 86400, **changes}
    return jwt.encode(made, SECRET, algorithm="HS256")


def forged(header, text, key=b""):
    """A token of exactly this header and this text of claims, with HMAC-SHA-256 by the key; without one, unsigned."""
    signed = f"{b64(json.dumps(header).encode())}.{b64(text if isinstance(text, bytes) else text.encode())}"
    signature = hmac.new(key, signed.encode(), hashlib.sha256).digest() if key else b""
    return f"{signed}.{b64(signature)}"


def issuers_file(folder, **sections):
    """Writes the file of issuers: name=dict(setting=value or list). Its path."""
    path = folder / "issuers.conf"
    lines = []
    for name, settings in sections.items():
        lines.append(f'issuer "{name}" {{')
        for setting, value in settings.items():
            listed = isinstance(value, (list, tuple))
            text = "{" + ", ".join(f'"{one}"' for one in value) + "}" if listed else f'"{value}"'
            lines.append(f"  {setting} = {text}")
        lines.append("}")
    path.write_text("\n".join(lines) + "\n")
    return path


def secret_file(folder, secret=SECRET, name="jwt.secret"):
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text(secret + "\n")
    path.chmod(0o600)
    return path


def supabase(folder, **more):
    """The settings of docs/jwt.md's first example."""
    return {
        "iss": [ISS, "supabase"],
        "audience": ["authenticated"],
        "audience_optional": ["service_role"],
        "subject_optional": ["service_role"],
        "account": "default",
        "leeway_seconds": 0,
        "secret_file": [secret_file(folder)],
        **more,
    }


class KeySets:
    """An HTTP server of a key set. `keys` is what it serves; `answer`, if set, answers instead: answer(handler)."""

    def __init__(self, *keys):
        self.keys = list(keys)
        self.answer = None
        self.asked = 0
        self.changed = threading.Condition()
        sets = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                with sets.changed:
                    sets.asked += 1
                    sets.changed.notify_all()
                if sets.answer:
                    sets.answer(self)
                else:
                    self.say(200, json.dumps({"keys": [key.jwk() for key in sets.keys]}).encode())

            def say(self, status, body, **headers):
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.port = self.server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}/.well-known/jwks.json"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self.thread.start()

    def wait_asked(self, count, timeout=DEADLINE):
        with self.changed:
            assert self.changed.wait_for(lambda: self.asked >= count, timeout), self.asked

    def close(self):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def now():
    return int(time.time())


def certificate(folder):
    """A PEM file with a key and its own certificate for localhost."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    today = datetime.datetime.utcnow()
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(today - datetime.timedelta(days=1))
        .not_valid_after(today + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = folder / "localhost.pem"
    pem = serialization.PrivateFormat.PKCS8
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, pem, serialization.NoEncryption())
        + made.public_bytes(serialization.Encoding.PEM)
    )
    return path
