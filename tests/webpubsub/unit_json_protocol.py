"""The JSON subprotocols: requests byte for byte, frames of the service in every shape."""

from checks import equal, raises
from webpubsub.errors import ProtocolError
from webpubsub.json_protocol import (
    PING,
    decode,
    join_group,
    leave_group,
    send_event,
    send_to_group,
    sequence_ack,
)
from webpubsub.messages import ACK, CONNECTED, DISCONNECTED

EMOJI = "\U0001f600"


def read(text):
    """Decode a frame as the client does it."""
    data = text.encode() if isinstance(text, str) else text
    frame = decode(memoryview(data), data.find(b"\\u") >= 0)
    equal_shape(frame, decode(data, True))
    return frame


def equal_shape(frame, other):
    equal(type(frame), type(other))
    if isinstance(frame, tuple):
        equal(frame, other)


def message(data, data_type="json", more=""):
    head = '{"type":"message","from":"group","group":"g","dataType":"' + data_type
    return read(head + '","data":' + data + more + "}")


def text_message(data):
    return message('"' + data + '"', "text").data


def refused(text):
    data = text.encode() if isinstance(text, str) else text
    for escaped in (False, True):
        equal(raises(ProtocolError, decode, data, escaped).code, 1007)


# requests


def test_requests():
    equal(join_group("bay-7", 1), b'{"type":"joinGroup","group":"bay-7","ackId":1}')
    equal(join_group("g", None), b'{"type":"joinGroup","group":"g"}')
    equal(leave_group("bay-7", 2), b'{"type":"leaveGroup","group":"bay-7","ackId":2}')
    equal(sequence_ack(118), b'{"type":"sequenceAck","sequenceId":118}')
    equal(PING, b'{"type":"ping"}')


def test_sending():
    equal(
        send_to_group("g", {"kw": 7.2}, None, True, 3),
        b'{"type":"sendToGroup","group":"g","ackId":3,"noEcho":true,'
        b'"dataType":"json","data":{"kw":7.2}}',
    )
    equal(
        send_to_group("g", "hi", None, False, None),
        b'{"type":"sendToGroup","group":"g","dataType":"text","data":"hi"}',
    )
    equal(
        send_to_group("g", b"\x00\xff", None, False, 0),
        b'{"type":"sendToGroup","group":"g","ackId":0,"dataType":"binary","data":"AP8="}',
    )
    equal(
        send_event("status", "Available", "text", 4),
        b'{"type":"event","event":"status","ackId":4,"dataType":"text","data":"Available"}',
    )
    equal(
        send_event("e", "a string as JSON", "json", None),
        b'{"type":"event","event":"e","dataType":"json","data":"a string as JSON"}',
    )


def test_ack_ids_are_whole():
    assert b'"ackId":18446744073709551615}' in join_group("g", 18446744073709551615)
    assert b'"ackId":9007199254740993}' in join_group("g", 9007199254740993)


def test_json_values():
    for value, text in (
        ([], b"[]"),
        ([1, -2, 3.5, True, False, None], b"[1,-2,3.5,true,false,null]"),
        (7, b"7"),
        (True, b"true"),
        (None, b"null"),
        ({"a": {"b": [1]}}, b'{"a":{"b":[1]}}'),
        (12345678901234567890, b"12345678901234567890"),
    ):
        assert send_event("e", value, "json", None).endswith(b'"data":' + text + b"}"), value


def test_strings_are_escaped():
    frame = read_own(send_event('e"', 'a"b\\c\n\x01\x7f', None, None))
    equal(frame, {"type": "event", "event": 'e"', "dataType": "text", "data": 'a"b\\c\n\x01\x7f'})
    frame = read_own(join_group('"\\', 1))
    equal(frame["group"], '"\\')


def test_strings_outside_ascii():
    text = "grüße 充电 "
    equal(read_own(send_event("e", text, None, None))["data"], text)
    equal(read_own(send_event("e", {"ü": text}, None, None))["data"], {"ü": text})


def test_an_emoji_is_sent_as_the_service_reads_it():
    frame = send_event("e", EMOJI, None, None)
    assert EMOJI.encode() in frame or b'"\\ud83d\\ude00"' in frame, frame


def read_own(frame):
    import json

    return json.loads(frame)


def test_bytes_likes():
    for content in (b"\x01\x02\x03", bytearray(b"\x01\x02\x03"), memoryview(b"\x01\x02\x03")):
        assert send_event("e", content, None, None).endswith(b'"dataType":"binary","data":"AQID"}')
    # Long ones stay on one line.
    assert b"\\n" not in send_event("e", bytes(300), None, None)
    assert b"\n" not in send_event("e", bytes(300), None, None)


def test_content_that_does_not_fit():
    raises(TypeError, send_event, "e", 5, "text", None)
    raises(TypeError, send_event, "e", b"x", "text", None)
    raises(TypeError, send_event, "e", 5, "binary", None)
    raises(TypeError, send_event, "e", {}, "binary", None)
    raises(TypeError, send_event, "e", "text", "binary", None)
    raises(ValueError, send_event, "e", "x", "protobuf", None)
    raises(ValueError, send_event, "e", "x", "", None)


def test_what_json_cannot_say():
    # The service would close the connection, and take the requests of others along.
    for content in ({1, 2}, object(), {"a": b"x"}, [object()], {"a": {"b": [{3}]}}):
        raises(TypeError, send_event, "e", content, "json", None)
    for content in (float("nan"), float("inf"), -float("inf"), [1, {"a": float("nan")}]):
        raises(ValueError, send_event, "e", content, "json", None)
    # Letters alone do no harm.
    send_event("e", {"information": "nan inf"}, None, None)


# frames of the service


def test_acks():
    equal(read('{"type":"ack","ackId":3,"success":true}'), (ACK, 3, None, None))
    equal(read('{"type":"ack","ackId":0,"success":true}'), (ACK, 0, None, None))
    equal(
        read('{"type":"ack","ackId":18446744073709551615,"success":true}'),
        (ACK, 18446744073709551615, None, None),
    )
    # Another order, spaces, more members.
    equal(
        read(' { "success" : true, "ackId" : 3, "type" : "ack", "x": 1 } '), (ACK, 3, None, None)
    )
    equal(
        read(
            '{"type":"ack","ackId":3,"success":false,'
            '"error":{"name":"Forbidden","message":"no right"}}'
        ),
        (ACK, 3, "Forbidden", "no right"),
    )


def test_acks_with_half_an_error():
    equal(read('{"type":"ack","ackId":3,"success":false}'), (ACK, 3, "Unknown", ""))
    equal(read('{"type":"ack","ackId":3,"success":false,"error":null}'), (ACK, 3, "Unknown", ""))
    equal(read('{"type":"ack","ackId":3,"success":false,"error":{"name":"X"}}'), (ACK, 3, "X", ""))


def test_acks_that_are_none():
    for text in (
        '{"type":"ack"}',
        '{"type":"ack","success":true}',
        '{"type":"ack","ackId":1}',
        '{"type":"ack","ackId":x,"success":true}',
        '{"type":"ack","ackId":,"success":true}',
        '{"type":"ack","ackId":"x","success":true}',
        '{"type":"ack","ackId":null,"success":true}',
        '{"type":"ack","ackId":1,"success":false,"error":"Forbidden"}',
    ):
        refused(text)


def test_system_frames():
    equal(
        read(
            '{"type":"system","event":"connected","userId":"u","connectionId":"c",'
            '"reconnectionToken":"t"}'
        ),
        (CONNECTED, "c", "u", "t"),
    )
    equal(
        read('{"type":"system","event":"connected","userId":null,"connectionId":"c"}'),
        (CONNECTED, "c", None, None),
    )
    equal(read('{"type":"system","event":"disconnected","message":"bye"}'), (DISCONNECTED, "bye"))
    equal(read('{"type":"system","event":"disconnected"}'), (DISCONNECTED, ""))
    equal(read('{"type":"system","event":"somethingNew"}'), None)
    refused('{"type":"system"}')
    refused('{"type":"system","event":"connected"}')


def test_messages():
    found = read(
        '{"type":"message","from":"group","group":"bay","dataType":"text","data":"hi",'
        '"fromUserId":"u2","sequenceId":7}'
    )
    equal(
        (found.kind, found.group, found.data, found.data_type, found.from_user_id),
        ("group", "bay", "hi", "text", "u2"),
    )
    equal(found.sequence_id, 7)
    found = read('{"type":"message","from":"server","dataType":"json","data":{"a":[1,null]}}')
    equal((found.kind, found.group, found.data), ("server", None, {"a": [1, None]}))
    equal((found.from_user_id, found.sequence_id), (None, None))


def test_data_types():
    equal(message('"AP8="', "binary").data, b"\x00\xff")
    equal(message('"CgU="', "protobuf").data, b"\x0a\x05")
    equal(message('""', "binary").data, b"")
    equal(text_message(""), "")
    for text, value in (("null", None), ("true", True), ("0", 0), ("[]", []), ('"x"', "x")):
        equal(message(text).data, value)


def test_messages_with_members_missing_or_wrong():
    for text in (
        '{"type":"message"}',
        '{"type":"message","dataType":"text","data":"x"}',
        '{"type":"message","from":"group","group":"g","data":"x"}',
        '{"type":"message","from":"group","group":"g","dataType":"text"}',
        '{"type":"message","from":"server","dataType":"binary","data":5}',
        '{"type":"message","from":"server","dataType":"binary","data":null}',
        '{"type":"message","from":"server","dataType":"json","data":1,"sequenceId":"x"}',
        '{"type":"message","from":"server","dataType":"json","data":1,"sequenceId":[]}',
    ):
        refused(text)


def test_what_is_unknown_is_ignored():
    for text in (
        '{"type":"pong"}',
        '{"type":"somethingNew","x":{"y":[1]}}',
        '{"type":"invokeResponse","invocationId":"1","success":true}',
        '{"type":null}',
        '{"type":5}',
    ):
        equal(read(text), None)


def test_frames_that_are_none():
    for text in ("", " ", "x", "[]", "5", "null", '"x"', "{", '{"type"', '{"type":"message",}x'):
        refused(text)
    refused('{"a":1}')
    refused(b'{"type":"ack"} {"type":"ack"}')


def test_large_numbers():
    equal(message("9007199254740993").data, 9007199254740993)
    equal(message("18446744073709551616").data, 18446744073709551616)
    found = message("1", more=',"sequenceId":18446744073709551615')
    equal(found.sequence_id, 18446744073709551615)


def test_the_last_of_equal_keys_counts():
    equal(message('{"a":1,"a":2}').data, {"a": 2})


def test_deep_nesting():
    text = "[" * 30 + "1" + "]" * 30
    value = message(text).data
    for _ in range(30):
        (value,) = value
    equal(value, 1)


def test_nesting_beyond_all_measure():
    # Refused or read, by what the interpreter can take; never a crash.
    depth = 3000
    text = (
        '{"type":"message","from":"server","dataType":"json","data":'
        + "[" * depth
        + "]" * depth
        + "}"
    )
    try:
        decode(text.encode())
        code = 1007
    except ProtocolError as error:
        code = error.code
    assert code in (1007, 1009)


def test_text_outside_ascii():
    equal(text_message("grüße ☃ " + EMOJI), "grüße ☃ " + EMOJI)
    equal(text_message("gr\\u00fc\\u00dfe \\u2603"), "grüße ☃")


def test_escaped_surrogate_pairs():
    for text in ("\\ud83d\\ude00", "\\uD83D\\uDE00", "\\ud83D\\uDe00"):
        equal(text_message(text), EMOJI)
        equal(text_message("a" + text + text + "b"), "a" + EMOJI + EMOJI + "b")
        equal(message('{"' + text + '":["x' + text + '"]}').data, {EMOJI: ["x" + EMOJI]})


def test_escapes_beside_surrogate_pairs():
    equal(text_message("\\\\\\ud83d\\ude00"), "\\" + EMOJI)
    equal(message('"\\"\\ud83d\\ude00\\n"', "text").data, '"' + EMOJI + "\n")
    # An escaped backslash, then letters that only look like an escape.
    equal(text_message("\\\\ud83d\\\\ude00"), "\\ud83d\\ude00")
    equal(text_message("\\u005cud83d"), "\\ud83d")
    equal(text_message("\\ud7ff\\ue000"), "\ud7ff\ue000")
    equal(text_message("\\u0041\\ud83d\\ude00"), "A" + EMOJI)


def test_the_ends_of_the_planes():
    equal(text_message("\\ud800\\udc00"), "\U00010000")
    equal(text_message("\\udbff\\udfff"), "\U0010ffff")


def test_half_a_pair_is_no_crash():
    for text in ("\\ud83d", "\\ude00", "\\ud83dx", "\\ud83d\\u0041", "\\ude00\\ud83d"):
        text_message(text)
