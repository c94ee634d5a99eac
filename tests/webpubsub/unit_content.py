"""What may leave the device: JSON and UTF-8 as others read them, or an error before it is sent."""

import json
import sys
from collections import OrderedDict, namedtuple

import webpubsub.json_protocol as json_protocol
import webpubsub.protobuf_protocol as protobuf_protocol
from checks import equal, raises
from webpubsub.content import dumps
from webpubsub.kernels import utf8

MICROPYTHON = sys.implementation.name == "micropython"
Reading = namedtuple("Reading", ("kw", "ok"))
EMOJI = "\U0001f600"
# As MicroPython's json makes it of "\ud83d\ude00".
PAIR = "\ud83d\ude00"


class Text(str):
    def __repr__(self):
        return "no JSON"


class Number(int):
    def __repr__(self):
        return "no JSON"


class Items(list):
    def __repr__(self):
        return "no JSON"


class Members(dict):
    def __repr__(self):
        return "no JSON"


def test_subclasses_are_what_they_derive_from():
    for value, text in (
        (Reading(7, True), "[7,true]"),
        ([Reading(7, None)], "[[7,null]]"),
        ({"r": Reading("x", {"a": Reading(1, 2)})}, '{"r":["x",{"a":[1,2]}]}'),
        (Text('a"b'), '"a\\"b"'),
        (Number(5), "5"),
        (Items([1, "x"]), '[1,"x"]'),
        (Members(a=1), '{"a":1}'),
        ({Text("a"): 1}, '{"a":1}'),
        (OrderedDict((("b", 1), ("a", 2))), '{"b":1,"a":2}'),
    ):
        equal(dumps(value), text)


def test_keys_that_json_lacks():
    for key, text in (
        (1, '{"1":2}'),
        (True, '{"true":2}'),
        (False, '{"false":2}'),
        (None, '{"null":2}'),
        (1.5, '{"1.5":2}'),
    ):
        equal(dumps({key: 2}), text)
    for key in ((1, "a"), b"a", Reading(1, 2), frozenset()):
        assert "key" in str(raises(TypeError, dumps, {key: 2}))
        raises(TypeError, dumps, [{"a": {key: 2}}])
    raises(ValueError, dumps, {float("nan"): 2})


def test_the_place_is_named():
    for value, place in (
        ({"a": [1, {2}]}, "content['a'][1] is a set"),
        ({"a": {"b": b"x"}}, "content['a']['b'] is a bytes"),
        ([0, {"kw": float("nan")}], "content[1]['kw'] is nan"),
        (float("inf"), "content is inf"),
        (Reading(1, -float("inf")), "content[1] is -inf"),
    ):
        kind = ValueError if "n" in place[-3:] and "is a" not in place else TypeError
        assert place in str(raises(kind, dumps, value)), place


def test_what_holds_itself():
    value = []
    value.append(value)
    assert "nested" in str(raises(ValueError, dumps, value))
    value = {}
    value["a"] = (value,)
    raises(ValueError, dumps, value)


def test_what_is_nested_too_deeply():
    value = 1
    for _ in range(3000):
        value = [value]
    raises(ValueError, dumps, value)


def test_halves_of_surrogate_pairs():
    for text, result in (
        ("", ""),
        ("plain", "plain"),
        ("grüße 充电 " + EMOJI, "grüße 充电 " + EMOJI),
        (PAIR, EMOJI),
        ("a" + PAIR + PAIR + "z", "a" + EMOJI + EMOJI + "z"),
        ("a\ud83d", "a\ufffd"),
        ("\ude00z", "\ufffdz"),
        ("\ude00\ud83d", "\ufffd\ufffd"),
        ("\ud83d\ud83d\ude00", "\ufffd" + EMOJI),
        ("\ud800\udc00\udbff\udfff", "\U00010000\U0010ffff"),
        ("\ud7ff\ue000 \ud83d x", "\ud7ff\ue000 \ufffd x"),
    ):
        equal(utf8(text, "text"), result.encode())


def test_text_that_is_none():
    for value in (5, None, b"x", ["x"]):
        assert "reason must be a str" in str(raises(TypeError, utf8, value, "reason"))


if MICROPYTHON:

    def test_text_that_micropython_lets_through():
        # An overlong form, as Java writes NUL, and what is above the last plane.
        for data in (b"\xc0\x80", b"\xf4\x90\x80\x80"):
            assert "UTF-8" in str(raises(ValueError, utf8, str(data, "utf-8"), "text"))


def all_of(codec, text):
    """The requests with a text in each place where one can be."""
    return (
        codec.join_group(text, 1),
        codec.leave_group(text, 1),
        codec.send_to_group(text, "x", None, False, 1),
        codec.send_to_group("g", text, None, False, 1),
        codec.send_to_group("g", [{text: text}], None, False, 1),
        codec.send_event(text, "x", None, 1),
        codec.send_event("e", text, None, 1),
        codec.send_event("e", {"a": Reading(text, 1)}, None, 1),
    )


def test_every_place_of_a_request():
    for codec in (json_protocol, protobuf_protocol):
        for frame in all_of(codec, "a" + PAIR):
            assert ("a" + EMOJI).encode() in frame, frame
            if codec is json_protocol:
                json.loads(frame)
        for frame in all_of(codec, "a\ud83d"):
            assert "a\ufffd".encode() in frame, frame


def test_names_that_are_none():
    for codec in (json_protocol, protobuf_protocol):
        for name in (5, None, b"g", ["g"]):
            assert "group" in str(raises(TypeError, codec.join_group, name, 1))
            assert "event" in str(raises(TypeError, codec.send_event, name, 1, None, 1))


def test_names_of_a_derived_class():
    for codec in (json_protocol, protobuf_protocol):
        equal(codec.join_group(Text("g"), 1), codec.join_group("g", 1))


def test_larger_items_go_out_whole():
    from array import array

    samples = array("H", [1000, 2000, 3000])
    data = b"".join(bytes((n & 255, n >> 8)) for n in samples)
    for content in (samples, memoryview(samples)):
        equal(
            json_protocol.send_event("e", content, "binary", 1),
            json_protocol.send_event("e", data, "binary", 1),
        )
        assert data in protobuf_protocol.send_event("e", content, "binary", 1)
    # Its type alone does not say that it is binary.
    raises(TypeError, json_protocol.send_event, "e", samples, None, 1)


if not MICROPYTHON:

    def test_a_view_with_gaps_goes_out_whole():
        view = memoryview(b"abcdef")[::2]
        for codec in (json_protocol, protobuf_protocol):
            equal(
                codec.send_event("e", view, "binary", 1),
                codec.send_event("e", b"ace", "binary", 1),
            )
