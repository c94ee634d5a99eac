"""RFC 6455 frames of a server: bytes in, messages out; without sockets or a clock.

The service has a reader of its own because aiohttp's accepts unmasked frames of clients, on which
a server has to close the connection (section 5.1). It writes frames itself because a message to a
thousand clients is encoded once, as a complete frame for every transport.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..errors import ProtocolError

CONTINUATION, TEXT, BINARY = 0x0, 0x1, 0x2
CLOSE, PING, PONG = 0x8, 0x9, 0xA

NORMAL = 1000
GOING_AWAY = 1001
PROTOCOL_ERROR = 1002
UNSUPPORTED_DATA = 1003
NO_STATUS = 1005
ABNORMAL = 1006
INVALID_DATA = 1007
POLICY_VIOLATION = 1008
TOO_BIG = 1009
INTERNAL_ERROR = 1011
TRY_AGAIN_LATER = 1013

# Codes below 3000 that a Close frame may have (RFC 6455 section 7.4.1 and the IANA registry): 1004
# is reserved; 1005, 1006 and 1015 are never sent.
_SENDABLE_CODES = frozenset({*range(1000, 1004), *range(1007, 1015)})
_MAX_CONTROL = 125


def frame_header(opcode: int, length: int) -> bytes:
    """The header of an unfragmented, unmasked frame with a payload of `length` bytes."""
    first = 0x80 | opcode
    if length < 126:
        return bytes((first, length))
    if length < 0x10000:
        return bytes((first, 126)) + length.to_bytes(2, "big")
    return bytes((first, 127)) + length.to_bytes(8, "big")


def encode_frame(opcode: int, payload: bytes) -> bytes:
    """One complete, unfragmented frame from the server to a client."""
    return frame_header(opcode, len(payload)) + payload


def encode_close(code: int, reason: str = "") -> bytes:
    """A Close frame; a reason above 123 bytes of UTF-8 is cut at a character."""
    if code in (NO_STATUS, ABNORMAL):
        return encode_frame(CLOSE, b"")
    text = reason.encode("utf-8", "replace")[: _MAX_CONTROL - 2]
    text = text.decode("utf-8", "ignore").encode()
    return encode_frame(CLOSE, code.to_bytes(2, "big") + text)


def is_valid_close_code(code: int) -> bool:
    """Whether a Close frame may carry this code (RFC 6455 section 7.4)."""
    return code in _SENDABLE_CODES or 3000 <= code <= 4999


def decode_close(payload: bytes) -> tuple[int, str]:
    """Code and reason of a Close frame; 1005 when it has none.

    Raises:
        ProtocolError: half a code, an illegal code, or a reason that is not UTF-8.
    """
    if not payload:
        return NO_STATUS, ""
    code = int.from_bytes(payload[:2], "big")
    if len(payload) < 2 or not is_valid_close_code(code):
        raise ProtocolError(PROTOCOL_ERROR, "illegal close code")
    try:
        return code, payload[2:].decode()
    except UnicodeDecodeError:
        raise ProtocolError(INVALID_DATA, "the close reason is not UTF-8") from None


def _unmask(payload: bytes, key: bytes) -> bytes:
    length = len(payload)
    mask = (key * (length // 4 + 1))[:length]
    unmasked = int.from_bytes(payload, "little") ^ int.from_bytes(mask, "little")
    return unmasked.to_bytes(length, "little")


class FrameReader:
    """Turns what a client sends into messages and control frames.

    Args:
        max_size: largest message in bytes, over all its fragments.
    """

    __slots__ = ("_buffer", "_max_size", "_message", "_needed", "_opcode")

    def __init__(self, max_size: int) -> None:
        self._max_size = max_size
        self._buffer = bytearray()
        # Bytes that the next frame needs at least. Parsing before they are there would be in vain,
        # and cost quadratic time for a large frame that arrives byte by byte.
        self._needed = 2
        self._opcode = 0
        self._message: bytearray | None = None

    @property
    def buffered(self) -> int:
        """Bytes of a message that has been received in part."""
        return len(self._buffer) + (0 if self._message is None else len(self._message))

    def feed(self, data: bytes) -> Iterator[tuple[int, bytes]]:
        """Take received bytes; give opcode and payload of each message that is complete.

        Control frames between fragments are given in their place. Text is not checked for UTF-8
        here; the codecs do that when they decode it.

        Raises:
            ProtocolError: 1002 or 1009; the reader cannot be used any further.
        """
        buffer = self._buffer
        buffer += data
        start = 0
        while len(buffer) - start >= self._needed:
            first, second = buffer[start], buffer[start + 1]
            self._needed = header = self._check_header(first, second)
            if len(buffer) - start < header:
                break
            length = self._payload_length(buffer, start, header)
            self._needed = header + length
            end = start + self._needed
            if len(buffer) < end:
                break
            key = bytes(buffer[start + header - 4 : start + header])
            payload = _unmask(bytes(buffer[start + header : end]), key)
            start = end
            self._needed = 2
            complete = self._assemble(first & 0x0F, bool(first & 0x80), payload)
            if complete is not None:
                yield complete
        del buffer[:start]

    def _check_header(self, first: int, second: int) -> int:
        """Check the first two bytes of a frame; give the size of its header."""
        opcode, length = first & 0x0F, second & 0x7F
        if first & 0x70:
            raise ProtocolError(PROTOCOL_ERROR, "reserved bits are set")
        if not second & 0x80:
            raise ProtocolError(PROTOCOL_ERROR, "client frames must be masked")
        if opcode >= CLOSE:
            if opcode > PONG or not first & 0x80 or length > _MAX_CONTROL:
                raise ProtocolError(PROTOCOL_ERROR, "malformed control frame")
        elif opcode > BINARY:
            raise ProtocolError(PROTOCOL_ERROR, "unknown opcode")
        elif (opcode == CONTINUATION) == (self._message is None):
            raise ProtocolError(PROTOCOL_ERROR, "fragments out of order")
        return 6 if length < 126 else 8 if length == 126 else 14

    def _payload_length(self, buffer: bytearray, start: int, header: int) -> int:
        if header == 6:
            length = buffer[start + 1] & 0x7F
        else:
            length = int.from_bytes(buffer[start + 2 : start + header - 4], "big")
        if length >> 63:
            raise ProtocolError(PROTOCOL_ERROR, "illegal frame length")
        if length + len(self._message or b"") > self._max_size:
            raise ProtocolError(TOO_BIG, f"a message has at most {self._max_size} bytes")
        return length

    def _assemble(self, opcode: int, final: bool, payload: bytes) -> tuple[int, bytes] | None:
        if opcode >= CLOSE:
            return opcode, payload
        if opcode != CONTINUATION:
            if final:
                return opcode, payload
            self._opcode = opcode
            self._message = bytearray(payload)
            return None
        assert self._message is not None
        self._message += payload
        if not final:
            return None
        message = bytes(self._message)
        self._message = None
        return self._opcode, message
