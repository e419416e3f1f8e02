"""Between a server and S3: computes each request's signature (Signature Version 4) again from what has come, and
answers in S3's place where a test says so."""

import contextlib
import hashlib
import hmac
import http.client
import http.server
import re
import threading
import urllib.parse

REGION = "us-east-1"


def error(status, code, message="said by S3"):
    text = f'<?xml version="1.0" encoding="UTF-8"?><Error><Code>{code}</Code><Message>{message}</Message></Error>'
    return status, text.encode()


CUT, HALF, HANG, LOST = "cut", "half", "hang", "lost"  # LOST: done, and then its answer is cut


class Request:
    def __init__(self, handler, body):
        self.method, self.headers, self.body = handler.command, handler.headers, body
        self.path, _, self.query = handler.path.partition("?")
        self.target = handler.path
        self.asks = {name: value for name, value in urllib.parse.parse_qsl(self.query, keep_blank_values=True)}

    @property
    def kind(self):
        """What it asks S3 for."""
        if self.path.count("/") == 1:
            return "list uploads" if "uploads" in self.asks else "list"
        if self.method == "POST":
            return "begin" if "uploads" in self.asks else "complete"
        named = {"GET": "list parts", "PUT": "part", "DELETE": "abort"}
        return named[self.method] if "uploadId" in self.asks else self.method.lower()


def signature_problem(request, secrets):
    """The code that S3 would answer; None: it is signed as it must be."""
    scheme, _, rest = request.headers.get("Authorization", "").partition(" ")
    parts = dict(part.strip().split("=", 1) for part in rest.split(",")) if rest else {}
    if scheme != "AWS4-HMAC-SHA256" or set(parts) != {"Credential", "SignedHeaders", "Signature"}:
        return "AccessDenied"
    key_id, day, region, service, end = parts["Credential"].split("/")
    names, moment = parts["SignedHeaders"].split(";"), request.headers["X-Amz-Date"]
    if key_id not in secrets:
        return "InvalidAccessKeyId"
    must = {"host", "x-amz-date", "x-amz-content-sha256"} | ({"range"} if request.headers.get("Range") else set())
    if (region, service, end, moment[:8]) != (REGION, "s3", "aws4_request", day) or not must <= set(names):
        return "AuthorizationHeaderMalformed"
    hashed = hashlib.sha256(request.body).hexdigest()
    if request.headers["x-amz-content-sha256"] != hashed:
        return "XAmzContentSHA256Mismatch"
    query = "&".join(sorted(request.query.split("&"))) if request.query else ""
    headers = "".join(f"{name}:{' '.join(request.headers[name].split())}\n" for name in names)
    canonical = f"{request.method}\n{request.path}\n{query}\n{headers}\n{';'.join(names)}\n{hashed}"
    scope = f"{day}/{region}/{service}/{end}"
    text = f"AWS4-HMAC-SHA256\n{moment}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    key = ("AWS4" + secrets[key_id]).encode()
    for part in (day, region, service, end, text):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return None if hmac.compare_digest(key.hex(), parts["Signature"]) else "SignatureDoesNotMatch"


class S3Proxy:
    """`fault(request)` → None, (status, body), or one of CUT, HALF, HANG, LOST."""

    def __init__(self, s3):
        self.upstream = urllib.parse.urlsplit(s3.url).netloc
        self.secrets = {s3.keys["AWS_ACCESS_KEY_ID"]: s3.keys["AWS_SECRET_ACCESS_KEY"]}
        self.fault = lambda request: None
        self.aged = False  # what is listed is of long ago
        self.requests, self.problems = [], []
        self.let_go = threading.Event()  # of what hangs
        self.hangs = threading.Event()
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self):
                with contextlib.suppress(OSError):
                    outer._answer(self)

            do_GET = do_PUT = do_POST = do_DELETE = answer

            def log_message(self, *_):
                pass

        class Listener(http.server.ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_):
                pass  # the peer has gone

        self.server = Listener(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def count(self, kind, named=""):
        return sum(request.kind == kind and request.path.endswith(named) for request in list(self.requests))

    def _answer(self, handler):
        body = handler.rfile.read(int(handler.headers.get("Content-Length") or 0))
        request = Request(handler, body)
        self.requests.append(request)
        fault, problem = self.fault(request), signature_problem(request, self.secrets)
        if fault is None and problem:
            self.problems.append((problem, request.method, request.target))
            fault = error(403, problem)
        if fault == HANG:
            self.hangs.set()
            self.let_go.wait()
        if fault in (CUT, HANG):
            handler.close_connection = True
        elif isinstance(fault, tuple):
            self._send(handler, fault[0], {}, fault[1])
        else:
            self._pass_on(handler, request, fault)

    def _pass_on(self, handler, request, fault):
        upstream = http.client.HTTPConnection(self.upstream)
        # s3rver has the bucket in the path alone.
        bucket = request.headers["Host"].partition(".localhost")
        target = f"/{bucket[0]}{request.target}" if bucket[1] else request.target
        headers = {name: value for name, value in request.headers.items() if name.lower() != "expect"}
        upstream.request(request.method, target, request.body, headers)
        answer = upstream.getresponse()
        body = answer.read()
        if self.aged and request.kind == "list":
            body = re.sub(rb"<LastModified>[^<]*<", b"<LastModified>2001-09-09T01:46:40.000Z<", body)
        wanted = ("etag", "content-range", "content-type")
        kept = {name: value for name, value in answer.getheaders() if name.lower() in wanted}
        upstream.close()
        if fault == LOST:
            handler.close_connection = True
            return
        self._send(handler, answer.status, kept, body, cut=fault == HALF)

    @staticmethod
    def _send(handler, status, headers, body, cut=False):
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name, value)
        if status != 204:
            handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body[: len(body) // 2] if cut else body)
        handler.close_connection = handler.close_connection or cut

    def close(self):
        self.let_go.set()
        self.server.shutdown()
        self.server.server_close()
