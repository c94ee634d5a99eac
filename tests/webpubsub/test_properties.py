"""Properties of the core, on CPython: against Python's own codecs and an independent decoder."""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Iterator

from hypothesis import given, settings
from hypothesis import strategies as st
from webpubsub.access_url import quote, with_query
from webpubsub.closing import close_payload, parse_close
from webpubsub.errors import ProtocolError
from webpubsub.frames import (
    BINARY,
    PAUSE,
    TEXT,
    Receiver,
    Transmitter,
)
from webpubsub.json_protocol import decode, send_to_group
from webpubsub.kernels import utf8_check
from webpubsub.url import parse_url

# Bytes that are nearly UTF-8: complete characters, their parts, and what must never be there.
NEARLY_UTF8 = st.lists(
    st.one_of(
        st.text(max_size=3).map(lambda text: text.encode("utf-8", "replace")),
        st.sampled_from(
            [b"\x80", b"\xc0\x80", b"\xe0\x80", b"\xed\xa0", b"\xf0\x80", b"\xf4\x90", b"\xe2\x98"]
        ),
        st.binary(max_size=2),
    )
).map(b"".join)


@given(NEARLY_UTF8, st.lists(st.integers(0, 40), max_size=4))
@settings(max_examples=300)
def test_utf8_is_as_strict_as_python(data: bytes, cuts: list[int]) -> None:
    state, at = 0, 0
    for cut in sorted(min(cut, len(data)) for cut in (*cuts, len(data))):
        state = utf8_check(data, at, cut, state)
        at = cut
    try:
        data.decode("utf-8")
        reason = None
    except UnicodeDecodeError as error:
        reason = error.reason
    assert (state == 0) == (reason is None)
    # Cut short is not the same as never.
    assert (state == 1) == (reason not in (None, "unexpected end of data"))


def server_frame(opcode: int, payload: bytes, final: bool) -> bytes:
    size = len(payload)
    head = bytes([(0x80 if final else 0) | opcode])
    if size < 126:
        return head + bytes([size]) + payload
    if size < 65536:
        return head + b"\x7e" + size.to_bytes(2, "big") + payload
    return head + b"\x7f" + size.to_bytes(8, "big") + payload


MESSAGES = st.lists(
    st.tuples(
        st.sampled_from([TEXT, BINARY]),
        st.one_of(st.text(max_size=400), st.text(min_size=300, max_size=900)),
        st.lists(st.integers(0, 900), max_size=3),
    ),
    max_size=5,
)


class Source:
    """A connection that gives at most `step` bytes at a time."""

    def __init__(self, data: bytes, step: int) -> None:
        self.data, self.step = data, step

    def read(self, view: memoryview) -> int | None:
        count = min(len(view), self.step, len(self.data))
        view[:count] = self.data[:count]
        self.data = self.data[count:]
        return count or None


def received(receiver: Receiver, source: Source) -> Iterator[tuple[int, bytes]]:
    """The opcodes and payloads of all messages."""
    while True:
        opcode = receiver.next(source.read)
        if opcode and opcode != PAUSE:
            yield opcode, bytes(receiver.view())
        elif not opcode and not source.data:
            return


@given(MESSAGES, st.integers(1, 700), st.sampled_from([256, 1024]))
@settings(max_examples=150, deadline=None)
def test_messages_in_any_fragments_and_any_pieces(messages, step: int, buffer_size: int) -> None:
    stream, expected = b"", []
    for opcode, text, cuts in messages:
        data = text.encode()
        bounds = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
        for number in range(len(bounds) - 1):
            part = data[bounds[number] : bounds[number + 1]]
            stream += server_frame(0 if number else opcode, part, number == len(bounds) - 2)
            stream += server_frame(9, b"p", True)
        expected.append((opcode, data))
    receiver = Receiver(buffer_size, 4096)
    found = [each for each in received(receiver, Source(stream, step)) if each[0] != 9]
    assert found == expected


@given(st.binary(max_size=600))
@settings(max_examples=300)
def test_no_bytes_break_the_receiver(data: bytes) -> None:
    receiver = Receiver(256, 300)
    code = 1002
    try:
        for opcode, payload in received(receiver, Source(data, 600)):
            assert len(payload) <= 300
            if opcode == TEXT:
                payload.decode("utf-8")
    except ProtocolError as error:
        code = error.code
    assert code in (1002, 1007, 1009)


@given(st.binary(max_size=3000), st.sampled_from([128, 512, 2048]))
def test_sent_frames_by_the_definition(payload: bytes, room: int) -> None:
    transmitter = Transmitter(room)
    data = bytearray()

    def write(buffer: bytearray, start: int, count: int) -> int:
        data.extend(buffer[start : start + count])
        return count

    assert transmitter.send(BINARY, payload, len(payload), write)
    size, at = data[1] & 127, 2
    if size == 126:
        size, at = int.from_bytes(data[2:4], "big"), 4
    key, body = data[at : at + 4], data[at + 4 :]
    assert size == len(payload)
    assert bytes(byte ^ key[i % 4] for i, byte in enumerate(body)) == payload


@given(st.text(max_size=200))
def test_close_reasons(reason: str) -> None:
    code, cut = parse_close(close_payload(1000, reason))
    assert code == 1000
    assert reason.startswith(cut)
    assert cut == reason or len(cut.encode()) > 119


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda children: (
        st.lists(children, max_size=3) | st.dictionaries(st.text(max_size=5), children, max_size=3)
    ),
    max_leaves=8,
)


@given(st.text(min_size=1, max_size=20), st.one_of(JSON, st.text(), st.binary(max_size=80)))
def test_requests_are_json_and_say_what_was_meant(group: str, content) -> None:
    frame = json.loads(send_to_group(group, content, None, False, 7))
    assert (frame["type"], frame["group"], frame["ackId"]) == ("sendToGroup", group, 7)
    if isinstance(content, bytes):
        assert frame["dataType"] == "binary"
        assert b64decode(frame["data"], validate=True) == content
    else:
        assert frame["dataType"] == ("text" if isinstance(content, str) else "json")
        assert frame["data"] == content


@given(st.one_of(st.binary(max_size=100), JSON.map(lambda value: json.dumps(value).encode())))
def test_no_frame_breaks_the_decoder(data: bytes) -> None:
    for escaped in (False, True):
        code = 1007
        try:
            decode(data, escaped)
        except ProtocolError as error:
            code = error.code
        assert code == 1007


@given(st.text(max_size=30), st.text(max_size=30))
def test_queries_survive(name: str, value: str) -> None:
    url = with_query("wss://host/p", [(name, value)])
    assert parse_url(url) == (True, "host", 443, f"/p?{quote(name)}={quote(value)}")
