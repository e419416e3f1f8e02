"""Chunks of plain lines, as a runner makes them: see docs/internals/chunk.md."""

import ctypes
import ctypes.util

_xxhash = ctypes.CDLL(ctypes.util.find_library("xxhash"))
_xxhash.XXH3_64bits_withSeed.restype = ctypes.c_uint64
_xxhash.XXH3_64bits_withSeed.argtypes = (ctypes.c_char_p, ctypes.c_size_t, ctypes.c_uint64)

MAGIC = b"RC\x02"
PACKED_AND_REQUIRED = 3
TIMES, KINDS, TEXT = 1, 2, 5
STDOUT_COUNTER, NO_LEVEL_COUNTER = 0, 3


def _varint(number):
    out = b""
    while number >= 0x80:
        out += bytes([number & 0x7F | 0x80])
        number >>= 7
    return out + bytes([number])


def _signed(number):
    return _varint(number << 1 if number >= 0 else (-number << 1) - 1)


def chunk(lines, time_ms=1_700_000_000_000):
    """Lines of stdout, without newlines in them, all of one time."""
    count = len(lines)
    sections = (
        (TIMES, _signed(0) * count),
        (KINDS, b"\0" + _varint(count)),
        (TEXT, b"".join(line.encode() + b"\n" for line in lines)),
    )
    body = b"\0" + _varint(count) + _signed(time_ms) + _varint(0)
    body += _varint(1 << STDOUT_COUNTER | 1 << NO_LEVEL_COUNTER) + _varint(count) * 2
    body += _varint(len(sections))
    body += b"".join(_varint(id << 2 | PACKED_AND_REQUIRED) + _varint(len(data)) for id, data in sections)
    body += b"".join(data for _, data in sections)
    seed = int.from_bytes(MAGIC, "little")
    return MAGIC + _xxhash.XXH3_64bits_withSeed(body, len(body), seed).to_bytes(8, "little") + body
