"""What a conversation was about when it was cut, by the bytes that passed."""

from __future__ import annotations

import json

PHASES = (
    "handshake, new session",
    "handshake, recovery",
    "recovery, before its answer",
    "mid-frame",
    "during ack",
    "idle",
)
NEW, AGAIN, RECOVERY, MID_FRAME, ACK, IDLE = PHASES

_ANSWER = b'{"type":"ack"'
_APPLICATION_DATA = 23  # RFC 5246, section 6.2.1


class Scanner:
    """Divides one direction into items: the HTTP head and complete frames, or TLS records.

    Attributes:
        partial: whether a part of an item has passed.
    """

    def __init__(self, tls: bool) -> None:
        self._buffer = bytearray()
        self._tls = tls
        self._in_head = not tls

    @property
    def partial(self) -> bool:
        return bool(self._buffer)

    @property
    def begun(self) -> bytes:
        """What has passed of the item that is not complete."""
        return bytes(self._buffer)

    def feed(self, data: bytes) -> list[bytes]:
        """Take in what passed; the items that are complete now."""
        self._buffer += data
        items = []
        while (length := self._length()) is not None and length <= len(self._buffer):
            items.append(bytes(self._buffer[:length]))
            del self._buffer[:length]
            self._in_head = False
        return items

    def _length(self) -> int | None:
        # Of the first item; None when too little of it is known.
        buffer = self._buffer
        if self._tls:
            return 5 + int.from_bytes(buffer[3:5], "big") if len(buffer) >= 5 else None
        if self._in_head:
            end = buffer.find(b"\r\n\r\n")
            return end + 4 if end >= 0 else None
        header = _header_length(buffer)
        return header and header + _payload_length(buffer)


def _header_length(frame: bytes | bytearray) -> int | None:
    if len(frame) < 2:
        return None
    length = 2 + {126: 2, 127: 8}.get(frame[1] & 127, 0) + (4 if frame[1] & 128 else 0)
    return length if len(frame) >= length else None


def _payload_length(frame: bytes | bytearray) -> int:
    short = frame[1] & 127
    if short < 126:
        return short
    return int.from_bytes(frame[2 : 4 if short == 126 else 10], "big")


def payload(frame: bytes) -> bytes:
    """The payload of a complete WebSocket frame (RFC 6455, section 5.2), unmasked."""
    start = _header_length(frame)
    assert start is not None
    if not frame[1] & 128:
        return frame[start:]
    mask = frame[start - 4 : start]
    return bytes(byte ^ mask[at & 3] for at, byte in enumerate(frame[start:]))


class Conversation:
    """Follows both directions of one connection.

    TLS hides the frames, so there the records stand for them: an application record of the
    service's that has passed ends the handshake (which is not encrypted in TLS 1.2), the next one
    is the answer to the recovery, and one of the device's waits for its answer.

    Args:
        tls: whether TLS passes.
        retained: whether the service keeps a session of the device, so that this is a recovery.

    Attributes:
        retained: as given.
    """

    def __init__(self, tls: bool, retained: bool) -> None:
        self.retained = retained
        self._tls = tls
        self._up = Scanner(tls)
        self._down = Scanner(tls)
        self._downs = 0  # heads, frames or application records that came down
        self._unanswered: set[object] = set()

    def feed(self, data: bytes, up: bool) -> None:
        """Take in what was passed on."""
        for item in (self._up if up else self._down).feed(data):
            if self._tls and item[0] != _APPLICATION_DATA:
                continue
            if up:
                self._asked(item)
            else:
                self._downs += 1
                self._answered(item)

    def _asked(self, item: bytes) -> None:
        if self._tls:
            self._unanswered.add("record")
        elif self._downs:
            self._unanswered.add(_message(item).get("ackId"))
            self._unanswered.discard(None)

    def _answered(self, item: bytes) -> None:
        if self._tls:
            self._unanswered.clear()
        elif self._downs > 1 and (message := _message(item)).get("type") == "ack":
            self._unanswered.discard(message["ackId"])

    @property
    def opened(self) -> bool:
        """Whether the handshake is over."""
        return self._downs > 0

    @property
    def answer_due(self) -> bool:
        """Whether a request of the device's has no answer yet."""
        return self.opened and bool(self._unanswered)

    @property
    def phase(self) -> str:
        """One of PHASES."""
        if not self.opened:
            return AGAIN if self.retained else NEW
        if self._downs == 1:
            return RECOVERY if self.retained else NEW
        if self._up.partial or (self._down.partial and not self._in_an_answer()):
            return MID_FRAME
        return ACK if self._unanswered else IDLE

    def _in_an_answer(self) -> bool:
        # Whether what came down in part may be the answer that is due.
        if not self._unanswered or self._tls:
            return bool(self._unanswered)
        begun = self._down.begun
        length = _header_length(begun)
        if length is None:
            return True
        return begun[length:].startswith(_ANSWER[: len(begun) - length])


def _message(frame: bytes) -> dict[str, object]:
    if frame[0] & 15 != 1:
        return {}
    message = json.loads(payload(frame))
    assert isinstance(message, dict)
    return message
