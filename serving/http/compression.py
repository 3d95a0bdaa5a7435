"""Request bodies made smaller by their senders: gzip, deflate and zstd, with a bound on what comes out."""

from __future__ import annotations

import zlib

import zstandard

from features.errors import InputError
from serving.submission import TooLarge

_ZSTD_WINDOW = 1 << 23
"""Memory a zstd frame may ask for: what RFC 8878 section 3.1.1.1.2 recommends that decoders support."""
_STEP = 1 << 20
_FRAMES = 128
"""Gzip members and zstd frames in one body; each costs a start, however little it holds."""

ENCODINGS = ("identity", "gzip", "deflate", "zstd")


class UnknownEncoding(InputError):
    """A Content-Encoding that is not understood."""


def decompressed(body: bytes, encoding: str, limit: int) -> bytes:
    """The plain bytes of a body; at no time are more than `limit` and one step of them in memory.

    Raises
    ------
    TooLarge
        If more than `limit` bytes come out.
    UnknownEncoding
        If the encoding is none of ENCODINGS (several encodings upon one another are not accepted).
    InputError
        If the body is damaged or cut off.
    """
    name = encoding.strip().lower()
    if name in ("", "identity"):
        plain = body
    elif name in ("gzip", "x-gzip"):
        plain = _inflated(body, 31, limit)
    elif name == "deflate":
        # RFC 9110 8.4.1.2 means zlib's format; some send the bare stream under that name
        plain = _inflated(body, 15 if body[:1] and body[0] & 0x0F == 8 else -15, limit)
    elif name == "zstd":
        plain = _zstd(body, limit)
    else:
        raise UnknownEncoding(
            f"Content-Encoding {encoding[:40]!r} is not supported: use one of {', '.join(ENCODINGS)}"
        )
    if len(plain) > limit:
        raise _too_large(limit)
    return plain


def _too_large(limit: int) -> TooLarge:
    return TooLarge(f"decompressed_bytes: the body holds more than {limit:,} bytes; send smaller batches")


def _inflated(body: bytes, wbits: int, limit: int) -> bytes:
    parts: list[bytes] = []
    total = 0
    rest = body
    for _ in range(_FRAMES):
        inflater = zlib.decompressobj(wbits)
        try:
            while not inflater.eof:
                part = inflater.decompress(rest, _STEP)
                total += len(part)
                if total > limit:
                    raise _too_large(limit)
                parts.append(part)
                rest = inflater.unconsumed_tail
                if not part and not rest and not inflater.eof:
                    raise InputError("the compressed body is cut off: send it again")
        except zlib.error as error:
            raise InputError(f"the body is not what Content-Encoding says ({error})") from error
        rest = inflater.unused_data
        # zero bytes may pad a gzip file
        if not rest.strip(b"\x00"):
            return b"".join(parts)
    raise TooLarge(f"frames: a body of more than {_FRAMES:,} compressed members")


def _zstd(body: bytes, limit: int) -> bytes:
    try:
        # The first pass only measures, a step at a time: four bytes can ask for 128 KiB. It does not notice a
        # body that is cut off; the second one does, frame by frame.
        decompressor = zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW)
        total = 0
        with decompressor.stream_reader(body, read_across_frames=True) as reader:
            while step := reader.read(_STEP):
                total += len(step)
                if total > limit:
                    raise _too_large(limit)
        parts: list[bytes] = []
        rest = body
        for _ in range(_FRAMES):
            frame = decompressor.decompressobj()
            parts.append(frame.decompress(rest))
            if not frame.eof:
                raise InputError("the compressed body is cut off: send it again")
            rest = frame.unused_data
            if not rest:
                return b"".join(parts)
    except zstandard.ZstdError as error:
        raise InputError(f"the body is not what Content-Encoding says ({error})") from error
    raise TooLarge(f"frames: a body of more than {_FRAMES:,} compressed frames")
