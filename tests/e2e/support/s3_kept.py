"""A server whose files are in S3, and uploads to it that are interrupted."""

import hashlib
import itertools
import os

from . import s3
from .api import RawConnection, eventually
from .s3_proxy import S3Proxy

PATH = "/api/v1/executions"
PART = 8 * 1024 * 1024
_numbers = itertools.count()


def sha(content):
    return hashlib.sha256(content).hexdigest()


def blob(content):
    return f"/api/v1/blobs/{sha(content)}"


class Kept:
    """A server whose files are in S3, behind a proxy."""

    def __init__(self, servers, *flags, env=None, engine=None):
        self.s3 = engine or s3.shared()
        self.prefix = f"f{os.getpid()}-{next(_numbers)}"
        self.proxy = S3Proxy(self.s3)
        where = self.s3.flags(self.prefix, self.proxy.url)
        self.server = servers(*where, *flags, env=self.s3.keys if env is None else env)
        self.api = self.server.api()

    def put(self, content, expect=201):
        answer = self.api.request("PUT", blob(content), content)
        assert answer.status == expect, answer
        return answer

    def name(self, content):
        """An execution that has it as the artifact `a`."""
        id = self.api.create()
        body = {"sha256": sha(content), "size": len(content)}
        self.api.expect(201, "PUT", f"{PATH}/{id}/artifacts/a", body)
        return f"{PATH}/{id}/artifacts/a"

    def objects(self):
        return sorted(self.s3.files(self.prefix))

    def recovers(self, content):
        eventually(lambda: self.api.request("PUT", blob(content), content).status in (200, 201), "it is taken again")


def interrupted(it, content, sent=None):
    """Sends the beginning of an upload, and kills the server once a part has arrived."""
    sent = (sent or content)[: PART + 500_000]
    with RawConnection(it.server.port) as connection:
        connection.send(
            f"PUT {blob(content)} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {it.api.token}\r\n"
            f"Content-Length: {len(content)}\r\n\r\n".encode()
        )
        connection.send(sent)
        eventually(lambda: list(it.s3.uploads(it.prefix).values()) == [[1]], "a part is there")
        it.server.kill()
    it.server.restart()


def go_on(it, content, at):
    headers = {"Content-Range": f"bytes {at}-{len(content) - 1}/{len(content)}"}
    return it.api.request("PUT", blob(content), content[at:], headers=headers)
