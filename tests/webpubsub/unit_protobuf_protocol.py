"""The protobuf subprotocols: requests byte for byte, frames of the service in every shape."""

import json
from array import array

from checks import equal, raises
from webpubsub.errors import ProtocolError
from webpubsub.messages import ACK, CONNECTED, DISCONNECTED
from webpubsub.protobuf_protocol import (
    OPCODE,
    PING,
    decode,
    join_group,
    leave_group,
    send_event,
    send_to_group,
    sequence_ack,
)

EMOJI = "\U0001f600"
LARGEST = 0xFFFFFFFFFFFFFFFF


def octets(text):
    return bytes([int(octet, 16) for octet in text.split()])


def varint(number):
    out = []
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    out.append(number)
    return bytes(out)


def field(number, value):
    """A field as the wire has it: of an int, or of bytes or text."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    if isinstance(value, str):
        value = value.encode()
    return varint(number << 3 | 2) + varint(len(value)) + value


def read(data, escaped=False):
    """Decode a frame as the client does it, which lends a view."""
    frame = decode(memoryview(data), escaped)
    other = decode(data, escaped)
    equal(type(frame), type(other))
    if isinstance(frame, tuple):
        equal(frame, other)
    return frame


def refused(data):
    equal(raises(ProtocolError, decode, memoryview(data)).code, 1007)
    equal(raises(ProtocolError, decode, bytes(data), True).code, 1007)


def message(content, *more):
    """A message to the group `g` with this MessageData."""
    body = field(1, "group") + field(2, "g") + field(3, content)
    for part in more:
        body += part
    return read(field(2, body))


def frames():
    """One frame of each kind that this version reads."""
    error = field(1, "Forbidden") + field(2, "no right")
    hello = field(1, "c") + field(2, "u") + field(3, "t")
    body = field(1, "group") + field(2, "g") + field(3, field(1, "hi")) + field(4, 300)
    return (
        field(1, field(1, 300) + field(2, 1)),
        field(1, field(1, 3) + field(3, error)),
        field(2, body),
        field(3, field(1, hello)),
        field(3, field(2, field(2, "bye"))),
    )


# requests


def test_the_frames_are_binary():
    equal(OPCODE, 2)


def test_requests():
    equal(join_group("g", 1), octets("32 05 0a 01 67 10 01"))
    equal(join_group("g", None), octets("32 03 0a 01 67"))
    equal(leave_group("g", 2), octets("3a 05 0a 01 67 10 02"))
    equal(sequence_ack(5), octets("42 02 08 05"))
    equal(PING, octets("4a 00"))


def test_sending():
    equal(
        send_to_group("g", "hi", None, True, 3),
        octets("0a 0d 0a 01 67 10 03 1a 04 0a 02 68 69 20 01"),
    )
    equal(
        send_to_group("g", {"a": 1}, None, False, None),
        octets("0a 0e 0a 01 67 1a 09 22 07 7b 22 61 22 3a 31 7d"),
    )
    equal(send_event("e", b"\x01\x02", None, 4), octets("2a 0b 0a 01 65 12 04 12 02 01 02 18 04"))
    equal(
        send_event("e", b"\x0a\x01x", "protobuf", None),
        octets("2a 0a 0a 01 65 12 05 1a 03 0a 01 78"),
    )


def test_an_ack_id_of_0_is_one():
    equal(join_group("g", 0), octets("32 05 0a 01 67 10 00"))
    equal(send_event("e", "", None, 0), octets("2a 09 0a 01 65 12 02 0a 00 18 00"))


def test_ids_are_whole():
    largest = " ff" * 9 + " 01"
    equal(sequence_ack(LARGEST), octets("42 0b 08" + largest))
    equal(join_group("g", 300), octets("32 06 0a 01 67 10 ac 02"))
    equal(leave_group("g", LARGEST), octets("3a 0e 0a 01 67 10" + largest))
    for number in (127, 128, 16383, 16384, 1 << 31, 1 << 32, 1 << 62, 1 << 63):
        equal(sequence_ack(number)[2:], field(1, number))


def test_ids_that_are_none():
    for number in (-1, LARGEST + 1, -LARGEST):
        raises(ValueError, join_group, "g", number)
        raises(ValueError, send_event, "e", "x", None, number)


def test_empty_names_are_not_written():
    equal(join_group("", None), octets("32 00"))
    equal(send_to_group("", "", None, False, None), octets("0a 04 1a 02 0a 00"))


def test_lengths():
    # At the borders of a length of one, two and three bytes, inside and outside.
    for size in (0, 1, 113, 114, 115, 116, 117, 118, 127, 128, 129, 16370, 16383, 16384):
        content = bytes(size)
        body = field(1, "g") + field(3, field(2, content)) + b"\x20\x01"
        equal(send_to_group("g", content, None, True, None), field(1, body))


def test_strings_outside_ascii():
    text = "grüße 充电 " + EMOJI
    equal(join_group(text, None), field(6, field(1, text)))
    equal(send_event("e", text, None, None), field(5, field(1, "e") + field(2, field(1, text))))
    sent = bytes(send_event("e", {"ü": text}, None, None))
    equal(decode_content(sent), {"ü": text})


def decode_content(event):
    """Let the reader see what an event for `e` with JSON holds."""
    import json

    start = event.find(b"{")
    return json.loads(str(event[start:], "utf-8"))


def test_json_values():
    for value, text in (
        ([1, -2, 3.5, True, False, None], "[1,-2,3.5,true,false,null]"),
        (7, "7"),
        (None, "null"),
        ({"a": {"b": [1]}}, '{"a":{"b":[1]}}'),
    ):
        equal(
            send_event("e", value, "json", None),
            field(5, field(1, "e") + field(2, field(4, text))),
        )
    equal(
        send_event("e", "text", "json", None),
        field(5, field(1, "e") + field(2, field(4, '"text"'))),
    )


def test_bytes_likes():
    expected = field(5, field(1, "e") + field(2, field(2, b"\x01\x02\x03\x04")))
    content = b"\x01\x02\x03\x04"
    for like in (content, bytearray(content), memoryview(content), memoryview(b"x" + content)[1:]):
        equal(send_event("e", like, None, None), expected)
    equal(send_event("e", array("B", content), "binary", None), expected)
    # Items wider than a byte: their bytes count, not their number.
    words = array("H", [1, 2, 3])
    equal(
        send_event("e", memoryview(words), None, None),
        field(5, field(1, "e") + field(2, field(2, bytes(words)))),
    )


def test_content_that_does_not_fit():
    for content in (5, b"x", None, {}):
        raises(TypeError, send_event, "e", content, "text", None)
    for content in (5, {}, "text", None, [1]):
        raises(TypeError, send_event, "e", content, "binary", None)
        raises(TypeError, send_event, "e", content, "protobuf", None)
    for data_type in ("", "xml", "Text"):
        raises(ValueError, send_event, "e", "x", data_type, None)


def test_names_that_are_none():
    for name in (5, None, b"g"):
        raises(TypeError, join_group, name, 1)


def test_what_json_cannot_say():
    for content in ({1, 2}, object(), {"a": b"x"}):
        raises(TypeError, send_event, "e", content, "json", None)
    for content in (float("nan"), [1, {"a": float("inf")}]):
        raises(ValueError, send_event, "e", content, "json", None)


# frames of the service


def test_acks():
    equal(read(octets("0a 04 08 01 10 01")), (ACK, 1, None, None))
    # Without a presence of its own, 0 is not written.
    equal(read(octets("0a 02 10 01")), (ACK, 0, None, None))
    equal(read(octets("0a 04 10 01 08 01")), (ACK, 1, None, None))
    equal(read(field(1, field(1, LARGEST) + field(2, 1))), (ACK, LARGEST, None, None))
    error = field(1, "Forbidden") + field(2, "no right: é")
    equal(read(field(1, field(1, 3) + field(3, error))), (ACK, 3, "Forbidden", "no right: é"))


def test_acks_with_half_an_error():
    equal(read(octets("0a 00")), (ACK, 0, "Unknown", ""))
    equal(read(octets("0a 02 08 03")), (ACK, 3, "Unknown", ""))
    equal(read(octets("0a 04 08 03 1a 00")), (ACK, 3, "Unknown", ""))
    equal(read(field(1, field(1, 3) + field(3, field(1, "X")))), (ACK, 3, "X", ""))


def test_system_frames():
    equal(read(octets("1a 09 0a 07 0a 02 63 31 12 01 75")), (CONNECTED, "c1", "u", None))
    equal(read(octets("1a 05 12 03 12 01 78")), (DISCONNECTED, "x"))
    equal(read(octets("1a 02 12 00")), (DISCONNECTED, ""))
    hello = field(1, "c") + field(2, "") + field(3, "t+/=")
    equal(read(field(3, field(1, hello))), (CONNECTED, "c", None, "t+/="))


def test_messages():
    found = read(octets("12 12 0a 05 67 72 6f 75 70 12 01 67 1a 04 0a 02 68 69 20 07"))
    equal((found.kind, found.group, found.data, found.data_type), ("group", "g", "hi", "text"))
    equal((found.from_user_id, found.sequence_id), (None, 7))
    found = read(field(2, field(1, "server") + field(3, field(4, '{"a":[1,null]}'))))
    equal((found.kind, found.group, found.data), ("server", None, {"a": [1, None]}))
    equal((found.data_type, found.sequence_id), ("json", None))
    equal(message(field(1, "x"), field(4, LARGEST)).sequence_id, LARGEST)


def test_data_types():
    for number, data_type, content, data in (
        (1, "text", "grüße " + EMOJI, "grüße " + EMOJI),
        (1, "text", "", ""),
        (2, "binary", b"\x00\xff\x0a", b"\x00\xff\x0a"),
        (2, "binary", b"", b""),
        (3, "protobuf", b"\x0a\x01x", b"\x0a\x01x"),
        (3, "protobuf", b"", b""),
        (4, "json", '"x"', "x"),
        (4, "json", " [] ", []),
        (4, "json", "null", None),
        (4, "json", "18446744073709551616", 18446744073709551616),
    ):
        found = message(field(number, content))
        equal((found.data_type, found.data), (data_type, data))


def test_what_is_handed_on_is_a_copy():
    buffer = bytearray(field(2, field(1, "server") + field(3, field(2, b"abc"))))
    found = decode(memoryview(buffer))
    buffer[:] = bytes(len(buffer))
    equal(found.data, b"abc")


def test_escaped_surrogate_pairs_in_json():
    frame = field(2, field(1, "server") + field(3, field(4, '["\\ud83d\\ude00"]')))
    equal(read(frame, True).data, [EMOJI])


def test_what_is_unknown_is_ignored():
    for data in (
        b"",
        octets("22 00"),  # pong
        field(5, b"\xff\xff"),  # not published
        field(6, field(1, "s") + field(2, 1)),  # stream_ack_message
        field(100, "x"),
        field(9, 5),
        b"\x49" + bytes(8),
        b"\x4d" + bytes(4),
        field(3, b""),
        field(3, field(3, "x")),
        field(2, b""),
        field(2, field(1, "group") + field(2, "g") + field(3, b"")),
        field(2, field(1, "group") + field(2, "g") + field(3, field(5, "later"))),
    ):
        equal(read(data), None)


def test_unknown_fields_are_skipped():
    extras = (
        field(7, "x"),
        field(8, LARGEST),
        field(536870911, 1),
        b"\x39" + bytes(8),
        b"\x3d" + b"\xff" * 4,
    )
    expected = [read(frame) for frame in frames()]
    for extra in extras:
        for at, frame in enumerate(frames()):
            before = expected[at]
            for candidate in (frame + extra, extra + frame):
                after = read(candidate)
                equal(type(after), type(before))
                if isinstance(before, tuple):
                    equal(after, before)
                else:
                    equal(after.data, before.data)
        metadata = field(5, field(1, "k") + field(2, "v"))
        found = message(field(1, "hi"), field(4, 9), metadata, field(6, b"\xff"), extra)
        equal((found.data, found.sequence_id), ("hi", 9))


# garbage


def test_truncated_at_every_byte():
    for frame in frames():
        for size in range(1, len(frame)):
            refused(frame[:size])


def test_wrong_wire_types():
    number, text = 5, "x"
    wide, narrow = bytes(8), bytes(4)
    for data in (
        field(1, number),
        field(2, number),
        field(3, number),
        field(1, field(1, text)),
        field(1, field(2, text)),
        field(1, field(3, number)),
        field(1, field(3, field(1, number))),
        field(2, field(1, number)),
        field(2, field(2, number)),
        field(2, field(3, number)),
        field(2, field(4, text)),
        field(2, field(3, field(1, number))),
        field(2, field(3, field(2, number))),
        field(2, field(3, field(2, LARGEST))),
        field(2, field(3, field(4, number))),
        field(3, field(1, number)),
        field(3, field(1, field(1, number))),
        field(3, field(2, field(2, number))),
        b"\x11" + wide,
        b"\x15" + narrow,
        field(2, b"\x21" + wide),
        field(1, b"\x0d" + narrow),
    ):
        refused(data)


def test_wire_types_that_do_not_exist():
    for kind in (3, 4, 6, 7):
        for number in (1, 2, 9):
            refused(varint(number << 3 | kind))
            refused(varint(number << 3 | kind) + varint(number << 3 | 4))
            refused(field(2, varint(number << 3 | kind)))


def test_lengths_beyond_the_frame():
    for length in (1, 127, 128, 65536, (1 << 31) - 1, 1 << 31, 1 << 32, 1 << 62, LARGEST):
        refused(b"\x12" + varint(length))
        refused(field(2, b"\x0a" + varint(length)))
        refused(field(2, field(3, b"\x12" + varint(length))))
        refused(field(100, b"")[:-1] + varint(length))
    refused(b"\x49" + bytes(7))
    refused(b"\x4d" + bytes(3))


def test_huge_varints():
    # Eleven bytes, and ten whose value is beyond 64 bits.
    for number in (b"\x80" * 10 + b"\x00", b"\xff" * 10 + b"\x01", b"\xff" * 9 + b"\x02"):
        refused(field(1, b"\x08" + number))
        refused(b"\x48" + number)
        refused(b"\x12" + number)
        refused(number)
    refused(b"\xff" * 1000)
    # Longer than needed, but of ten bytes: legal.
    equal(read(field(1, b"\x08\x83" + b"\x80" * 8 + b"\x00\x10\x01")), (ACK, 3, None, None))


def test_field_numbers_that_do_not_exist():
    refused(b"\x02\x00")
    refused(b"\x00\x00")
    refused(varint(1 << 32 | 2) + b"\x00")
    refused(field(2, b"\x02\x00"))


def test_text_that_is_not_utf8():
    for text in (b"\xff", b"\xc0\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"ab\xe2\x82"):
        refused(field(2, field(1, "server") + field(3, field(1, text))))
        refused(field(2, field(1, "server") + field(3, field(4, b'"' + text + b'"'))))
        refused(field(2, field(1, "group") + field(2, text) + field(3, field(1, "x"))))
        refused(field(3, field(1, field(1, text))))
        refused(field(1, field(3, field(1, text))))


def taken_by_the_interpreter(text):
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def test_json_that_is_none():
    for text in ("", " ", "x", "{", '{"a"', "[1,", '"'):
        # MicroPython before 1.26 takes JSON that ends early.
        if text[:1] in ("{", "[") and taken_by_the_interpreter(text):
            continue
        refused(field(2, field(1, "server") + field(3, field(4, text))))


def test_deep_nesting():
    # Messages within messages: only as deep as this version knows them.
    nested = b""
    for _ in range(3000):
        nested = field(2, nested)
    for number in (1, 2, 3, 9):
        try:
            decode(field(number, nested))
        except ProtocolError as error:
            equal(error.code, 1007)
    text = "[" * 3000 + "]" * 3000
    code = 1007
    try:
        decode(field(2, field(1, "server") + field(3, field(4, text))))
    except ProtocolError as error:
        code = error.code
    assert code in (1007, 1009)


def test_every_byte_changed():
    # Whatever comes of it, it is a frame, nothing, or a ProtocolError.
    for frame in frames():
        for at in range(len(frame)):
            for value in (0, 1, 7, 0x0A, 0x12, 0x1B, 0x7F, 0x80, 0xFF):
                changed = bytearray(frame)
                changed[at] = value
                try:
                    decode(memoryview(changed))
                except ProtocolError as error:
                    equal(error.code, 1007)
