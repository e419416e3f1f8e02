"""RFC 6455 on both sockets: what a client sends frame by frame, and what exactly comes back. Each row is sent in
one piece and
byte by byte."""

import json

import pytest
from support.ws import RawWebSocket, frame

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
PATHS = ["/ws/executions/%s/logs", "/ws/runner/executions/%s/stream"]
MIB = 1 << 20


def close(code, reason=b""):
    return frame(CLOSE, code.to_bytes(2, "big") + reason)


def by_sixteen_bits(opcode, payload):
    return bytes([0x80 | opcode, 0xFE]) + len(payload).to_bytes(2, "big") + bytes(4) + payload


def by_sixty_four_bits(opcode, payload, length=None):
    return (
        bytes([0x80 | opcode, 0xFF])
        + (len(payload) if length is None else length).to_bytes(8, "big")
        + bytes(4)
        + payload
    )


def fragments(opcode, *payloads):
    last = len(payloads) - 1
    return b"".join(frame(opcode if i == 0 else CONTINUATION, part, fin=i == last) for i, part in enumerate(payloads))


# --- What is allowed: (name, bytes, the payloads of the pongs that come back); the connection goes on
ALLOWED = [
    ("text", frame(TEXT, b"{}"), []),
    ("text without a byte", frame(TEXT), []),
    ("binary without a byte", frame(BINARY), []),
    ("binary that is not UTF-8", frame(BINARY, b"\xff\xfe\x80"), []),
    ("125 bytes", frame(TEXT, b"x" * 125), []),
    ("126 bytes", frame(TEXT, b"x" * 126), []),
    ("a mask of zeros", bytes([0x80 | PING, 0x82, 0, 0, 0, 0]) + b"ab", [b"ab"]),
    ("a ping without a byte", frame(PING), [b""]),
    ("a ping of 125 bytes", frame(PING, bytes(range(125))), [bytes(range(125))]),
    ("a ping that is not UTF-8", frame(PING, b"\xff\0\xfe"), [b"\xff\0\xfe"]),
    ("pings in order", b"".join(frame(PING, b"%d" % i) for i in range(20)), [b"%d" % i for i in range(20)]),
    ("a pong that nobody asked for", frame(PONG, b"here"), []),
    ("a pong of 125 bytes", frame(PONG, b"x" * 125), []),
    ("two fragments", fragments(TEXT, b"{", b"}"), []),
    ("many fragments", fragments(TEXT, *[b"x"] * 100), []),
    ("fragments without a byte", fragments(TEXT, b"", b"", b""), []),
    ("fragments of binary that is not UTF-8", fragments(BINARY, b"\xff", b"\xc3", b"\x28"), []),
    ("a ping between fragments", frame(TEXT, b"{", fin=False) + frame(PING, b"in") + frame(CONTINUATION, b"}"), [b"in"]),
    ("a ping before the message ends", frame(TEXT, b"{", fin=False) + frame(PING, b"early"), [b"early"]),
    ("pings between all fragments", b"".join(
        frame(CONTINUATION if i else TEXT, b"x", fin=i == 9) + frame(PING, b"%d" % i) for i in range(10)
    ), [b"%d" % i for i in range(10)]),
    ("a pong between fragments", frame(TEXT, b"{", fin=False) + frame(PONG, b"in") + frame(CONTINUATION, b"}"), []),
    ("a message behind a message in fragments", fragments(TEXT, b"{", b"}") + frame(TEXT, b"{}"), []),
    ("UTF-8 of each length", frame(TEXT, "aé€😀".encode()), []),
    ("a character cut by fragments", fragments(TEXT, b"\xf0", b"\x9f", b"\x98", b"\x80"), []),
    ("a ping within a character", frame(TEXT, b"\xe2\x82", fin=False) + frame(PING, b"in") + frame(CONTINUATION, b"\xac"), [b"in"]),
    ("the last character of Unicode", frame(TEXT, b"\xf4\x8f\xbf\xbf"), []),
    ("characters around the surrogates", frame(TEXT, b"\xed\x9f\xbf\xee\x80\x80"), []),
    ("what is no character, but is UTF-8", frame(TEXT, b"\xef\xbf\xbe\xef\xbf\xbf"), []),
    ("NUL", frame(TEXT, b"\0"), []),
]  # fmt: skip

# --- What is not: (name, bytes, the close code that comes back, the payloads of pongs before it)
REFUSED = [
    ("a text without mask", frame(TEXT, b"{}", masked=False), 1002, []),
    ("a ping without mask", frame(PING, b"p", masked=False), 1002, []),
    ("a close without mask", frame(CLOSE, b"\x03\xe8", masked=False), 1002, []),
    ("a continuation without mask", frame(TEXT, b"{", fin=False) + frame(CONTINUATION, b"}", masked=False), 1002, []),
    *[(f"reserved bits {bits}", frame(TEXT, b"{}", reserved=bits), 1002, []) for bits in range(1, 8)],
    ("a reserved bit on a ping", frame(PING, reserved=4), 1002, []),
    ("a reserved bit on a close", frame(CLOSE, b"\x03\xe8", reserved=2), 1002, []),
    ("a reserved bit on a continuation", frame(TEXT, b"{", fin=False) + frame(CONTINUATION, b"}", reserved=1), 1002, []),
    *[(f"the opcode {opcode}", frame(opcode), 1002, []) for opcode in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15)],
    ("an unknown opcode between fragments", frame(TEXT, b"{", fin=False) + frame(3), 1002, []),
    ("a continuation of nothing", frame(CONTINUATION, b"x"), 1002, []),
    ("a continuation of nothing that is not the last", frame(CONTINUATION, b"x", fin=False), 1002, []),
    ("a continuation of what has ended", fragments(TEXT, b"{", b"}") + frame(CONTINUATION, b"x"), 1002, []),
    ("a continuation of a ping", frame(PING, b"p") + frame(CONTINUATION, b"x"), 1002, [b"p"]),
    ("a text within fragments", frame(TEXT, b"a", fin=False) + frame(TEXT, b"b"), 1002, []),
    ("a binary within fragments of text", frame(TEXT, b"a", fin=False) + frame(BINARY, b"b"), 1002, []),
    ("a ping in fragments", frame(PING, b"x", fin=False), 1002, []),
    ("a pong in fragments", frame(PONG, b"x", fin=False), 1002, []),
    ("a close in fragments", frame(CLOSE, b"\x03\xe8", fin=False), 1002, []),
    ("a ping of 126 bytes", frame(PING, b"x" * 126), 1002, []),
    ("a pong of 126 bytes", frame(PONG, b"x" * 126), 1002, []),
    ("a close of 126 bytes", close(1000, b"x" * 124), 1002, []),
    ("a ping of 64 KiB", frame(PING, b"x" * 65536), 1002, []),
    ("a ping before the fault", frame(PING, b"first") + frame(3), 1002, [b"first"]),
    ("5 bytes by a length of 16 bits", by_sixteen_bits(BINARY, b"bytes"), 1002, []),
    ("5 bytes by a length of 64 bits", by_sixty_four_bits(BINARY, b"bytes"), 1002, []),
    ("65535 bytes by a length of 64 bits", by_sixty_four_bits(BINARY, b"", length=65535), 1002, []),
    ("a length with the top bit", by_sixty_four_bits(BINARY, b"some", length=2**63), 1002, []),
    ("a length of all ones", by_sixty_four_bits(BINARY, b"some", length=2**64 - 1), 1002, []),
    ("the greatest length", by_sixty_four_bits(BINARY, b"some", length=2**63 - 1), 1009, []),
    ("a frame above the limit", frame(BINARY, b"some", length=MIB + 1), 1009, []),
    ("fragments above the limit", frame(BINARY, b"some", fin=False) + frame(CONTINUATION, b"more", length=MIB), 1009, []),
    ("a byte that is never UTF-8", frame(TEXT, b"a\xffb"), 1007, []),
    ("a continuation byte alone", frame(TEXT, b"\x80"), 1007, []),
    ("two bytes for one", frame(TEXT, b"\xc0\xaf"), 1007, []),
    ("three bytes for two", frame(TEXT, b"\xe0\x9f\xbf"), 1007, []),
    ("four bytes for three", frame(TEXT, b"\xf0\x8f\xbf\xbf"), 1007, []),
    ("a surrogate", frame(TEXT, b"\xed\xa0\x80"), 1007, []),
    ("a character above Unicode", frame(TEXT, b"\xf4\x90\x80\x80"), 1007, []),
    ("a character of five bytes", frame(TEXT, b"\xf8\x88\x80\x80\x80"), 1007, []),
    ("a character that the end cuts", frame(TEXT, b"a\xe2\x82"), 1007, []),
    ("a character that the end of the fragments cuts", fragments(TEXT, b"a", b"\xe2\x82"), 1007, []),
    ("a character that the next fragment does not end", fragments(TEXT, b"\xe2\x82", b"a"), 1007, []),
    ("a surrogate cut by fragments", fragments(TEXT, b"\xed", b"\xa0\x80"), 1007, []),
    ("a fault before the message has ended", frame(TEXT, b"\xff", fin=False), 1007, []),
    ("a fault before the frame has ended", frame(TEXT, b"ab\xff", length=100), 1007, []),
    ("a ping, then a character that is cut", frame(TEXT, b"\xe2", fin=False) + frame(PING, b"p") + frame(CONTINUATION), 1007, [b"p"]),
    ("a close of one byte", frame(CLOSE, b"\x03"), 1002, []),
    *[(f"the close code {code}", close(code), 1002, [])
      for code in (0, 1, 999, 1004, 1005, 1006, 1012, 1015, 1016, 1100, 2000, 2999, 5000, 65535)],
    ("a close reason that is not UTF-8", close(1000, b"\xff"), 1007, []),
    ("a close reason that is cut", close(1000, b"a\xe2\x82"), 1007, []),
]  # fmt: skip

# --- How it ends: (name, bytes, the close code that comes back; None: a close frame without one)
CLOSES = [
    *[(f"the code {code}", close(code), code) for code in (1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999)],
    ("no code", frame(CLOSE), None),
    ("a reason", close(1000, "auf Wiederhören".encode()), 1000),
    ("a reason of 123 bytes", close(1000, b"x" * 123), 1000),
    ("within fragments", frame(TEXT, b"{", fin=False) + close(1000), 1000),
    ("within a character", frame(TEXT, b"\xe2", fin=False) + close(1000), 1000),
    ("before more frames, which are ignored", close(1000) + frame(PING, b"late") + frame(3), 1000),
]  # fmt: skip


def code_of(payload):
    assert len(payload) != 1, payload
    return int.from_bytes(payload[:2], "big") if payload else None


def answers(socket):
    """The control frames that come back, as (opcode, payload), up to the end."""
    while frame := socket.frame():
        first, payload = frame
        if first & 0x08:
            assert first & 0x80 and len(payload) <= 125, frame
            if first & 0x0F != PING:
                yield first & 0x0F, payload


@pytest.fixture(params=PATHS, ids=["follower", "runner"])
def socket(request, server, api):
    with RawWebSocket(server, request.param % api.create()) as socket:
        assert socket.upgrade.status == 101
        yield socket


@pytest.fixture(params=["whole", "bytes"])
def send(request, socket):
    def send(data):
        # Long ones differ from short ones by their heads alone.
        size = len(data) if request.param == "whole" else 1
        for at in range(0, min(len(data), 2000), size):
            socket.send(data[at : at + size])
        socket.send(data[2000:] if size == 1 else b"")

    return send


def table(rows):
    return {"argvalues": [row[1:] for row in rows], "ids": [row[0] for row in rows]}


@pytest.mark.parametrize("data, pongs", **table(ALLOWED))
def test_what_is_allowed_leaves_the_connection_open(socket, send, data, pongs):
    send(data + frame(PING, b"still there"))
    got = answers(socket)
    for payload in [*pongs, b"still there"]:
        assert next(got) == (PONG, payload)


@pytest.mark.parametrize("data, code, pongs", **table(REFUSED))
def test_what_is_not_allowed_ends_it_with_the_code_for_that(socket, send, data, code, pongs):
    send(data)
    got = list(answers(socket))
    assert got[:-1] == [(PONG, payload) for payload in pongs]
    assert got[-1][0] == CLOSE and code_of(got[-1][1]) == code, got


@pytest.mark.parametrize("data, code", **table(CLOSES))
def test_a_close_is_answered_by_its_code_and_nothing_follows(socket, send, data, code):
    send(data)
    ((opcode, payload),) = answers(socket)
    assert opcode == CLOSE and code_of(payload) == code


def test_a_record_in_fragments_of_one_byte_with_pings_between_is_whole(server, api):
    job = api.create()
    text = json.dumps({"sequence_number": 0, "message": "snow ☃, smile 😀"}, ensure_ascii=False).encode()
    with RawWebSocket(server, PATHS[1] % job) as socket:
        for i in range(len(text)):
            socket.send(frame(CONTINUATION if i else TEXT, text[i : i + 1], fin=i == len(text) - 1))
            socket.send(frame(PING, b"%d" % i))
        pongs = []
        while True:
            first, payload = socket.frame()
            if first & 0x0F == PONG:
                pongs.append(payload)
            elif first & 0x0F == TEXT and json.loads(payload)["type"] == "ack":
                break
        assert pongs == [b"%d" % i for i in range(len(pongs))] and len(pongs) >= len(text) - 1
    assert api.messages(job) == ["snow ☃, smile 😀"]


def test_a_message_of_exactly_the_limit_is_taken(server, api):
    with RawWebSocket(server, PATHS[1] % api.create()) as socket:
        socket.send(frame(TEXT, b" " * MIB))
        socket.send(fragments(TEXT, b" " * (MIB - 1), b" "))
        socket.send(frame(PING, b"still there"))
        assert next(answers(socket)) == (PONG, b"still there")
