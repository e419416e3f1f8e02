"""CloudWatch Logs as its API documents it: FilterLogEvents, in JSON 1.1. Each request's signature (Signature Version 4)
is computed again from what has come, and what is wrong is answered as AWS does."""

import contextlib
import hashlib
import hmac
import http.server
import json
import ssl
import threading
import time

SECOND = 1_700_000_000_000
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"}
REGION, GROUP = "eu-central-1", "/ecs/jobs"


def event(number, message=None, stream="task/runner/run", at=None):
    """An event as CloudWatch has it: its ids are numbers of 56 digits that grow with the time."""
    at = SECOND + number if at is None else at
    return {
        "eventId": f"{at:028d}{number:028d}",
        "logStreamName": stream,
        "timestamp": at,
        "message": message or f"line {number}",
        "ingestionTime": at + 500,
    }


def fault(kind, status=400, message="said by AWS"):
    return status, {"__type": f"com.amazonaws.logs#{kind}", "message": message}


THROTTLED = fault("ThrottlingException", message="Rate exceeded")


def signature_problem(request, body, secrets):
    """What is wrong with the signature; None: nothing is."""
    scheme, _, rest = request.headers.get("Authorization", "").partition(" ")
    parts = dict(part.strip().split("=", 1) for part in rest.split(",")) if rest else {}
    if scheme != "AWS4-HMAC-SHA256" or set(parts) != {"Credential", "SignedHeaders", "Signature"}:
        return "MissingAuthenticationTokenException"
    key_id, day, region, service, end = parts["Credential"].split("/")
    names, moment = parts["SignedHeaders"].split(";"), request.headers["X-Amz-Date"]
    must = {"host", "x-amz-date", "x-amz-target", "content-type"}
    if request.headers.get("X-Amz-Security-Token"):
        must.add("x-amz-security-token")
    if (region, service, end, moment[:8]) != (REGION, "logs", "aws4_request", day) or not must <= set(names):
        return "InvalidSignatureException"
    sent = time.strptime(moment, "%Y%m%dT%H%M%SZ")
    if key_id not in secrets:
        return "UnrecognizedClientException"
    if abs(time.mktime(sent) - time.mktime(time.gmtime())) > 300:
        return "RequestExpired"
    headers = "".join(f"{name}:{' '.join(request.headers[name].split())}\n" for name in names)
    hashed = hashlib.sha256(body).hexdigest()
    canonical = f"{request.command}\n{request.path}\n\n{headers}\n{';'.join(names)}\n{hashed}"
    scope = f"{day}/{region}/{service}/{end}"
    text = f"AWS4-HMAC-SHA256\n{moment}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    key = ("AWS4" + secrets[key_id]).encode()
    for part in (day, region, service, end, text):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return None if hmac.compare_digest(key.hex(), parts["Signature"]) else "InvalidSignatureException"


class CloudWatch:
    """`events` are served in `page` at a time; each of `script` is one answer in their place: (status, body), bytes to
    be sent as they are, or a function that makes one of these of the request. `tls`: files of certificate and key."""

    def __init__(self, tls=None):
        self.events, self.page, self.script = [], 100, []
        self.secrets = {CREDENTIALS["AWS_ACCESS_KEY_ID"]: CREDENTIALS["AWS_SECRET_ACCESS_KEY"]}
        self.requests, self.problems = [], []
        self.let_go = threading.Event()  # of what hangs
        self.came = threading.Semaphore(0)  # once for each request
        self.lock = threading.Lock()
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                outer.answer(self)

            def log_message(self, *_):
                pass

        self.http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*tls)
            self.http.socket = context.wrap_socket(self.http.socket, server_side=True)
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.http.server_port}/"
        self.thread = threading.Thread(target=self.http.serve_forever, daemon=True)
        self.thread.start()

    def close(self):
        self.let_go.set()
        self.http.shutdown()
        self.http.server_close()
        self.thread.join()

    def flags(self, **settings):
        settings = {
            "log_group": GROUP,
            "log_stream": "task/runner/{execution_id}",
            "region": REGION,
            "endpoint": self.url,
            "retry_seconds": 0,
            **settings,
        }
        return [text for name, value in settings.items() for text in (f"--cloudwatch-{name.replace('_', '-')}", value)]

    def hang(self, _):
        """Answers nothing until `let_go`."""
        self.let_go.wait()
        return b""

    def drip(self, _):
        """A byte at a time, and so slowly that it never ends."""
        yield b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n{"
        while not self.let_go.wait(0.02):
            yield b" "

    def answer(self, request):
        body = request.rfile.read(int(request.headers["Content-Length"]))
        problem = signature_problem(request, body, self.secrets)
        asked = json.loads(body)
        with self.lock:
            self.requests.append(asked)
            scripted = self.script.pop(0) if self.script and not problem else None
        self.came.release()
        if request.headers["X-Amz-Target"] != "Logs_20140328.FilterLogEvents":
            problem = "UnknownOperationException"
        if problem:
            self.problems.append(problem)
        answer = scripted(asked) if callable(scripted) else scripted
        answer = fault(problem) if problem else answer if answer is not None else (200, self.filtered(asked))
        if not isinstance(answer, tuple):  # bytes, and no more
            with contextlib.suppress(OSError):
                for part in [answer] if isinstance(answer, bytes) else answer:
                    request.wfile.write(part)
            request.close_connection = True
            return
        status, document = answer
        text = document if isinstance(document, bytes) else json.dumps(document).encode()
        request.send_response(status)
        request.send_header("Content-Type", "application/x-amz-json-1.1")
        request.send_header("Content-Length", str(len(text)))
        request.end_headers()
        request.wfile.write(text)

    def filtered(self, asked):
        assert asked["logGroupName"] == GROUP and asked["limit"] == 10000
        found = [one for one in self.events if one["logStreamName"].startswith(asked["logStreamNamePrefix"])]
        begin = int(asked.get("nextToken", "page-0").removeprefix("page-"))
        answer = {"events": found[begin : begin + self.page], "searchedLogStreams": []}
        if begin + self.page < len(found):
            answer["nextToken"] = f"page-{begin + self.page}"
        return answer
