"""The parts without I/O: patterns, permissions, JSON members, frames."""

from __future__ import annotations

import json
import re
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from localhub.errors import ProtocolError, RoleError
from localhub.hub.patterns import GroupPattern
from localhub.hub.permissions import Permissions
from localhub.names import is_event_name, is_group_name, is_hub_name
from localhub.protocol.frames import (
    FrameReader,
    decode_close,
    encode_close,
    encode_frame,
)
from localhub.protocol.json_members import check_json, parse_members

# A loaded machine is no reason to fail.
patient = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

# -- patterns -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pattern", "yes", "no"),
    [
        ("site1-*", ["site1-a", "site1-"], ["site1.a", "site1-a.b", "xsite1-a"]),
        ("site1.*", ["site1.bay"], ["site1.bay.2", "site1"]),
        ("site1.**", ["site1.bay.2", "site1."], ["site2.x"]),
        ("bay.?1", ["bay.a1", "bay.é1"], ["bay.1", "bay.a.1", "bay..1"]),
        (r"a\*b\?\\", [r"a*b?\\"[:-1]], ["axb?\\"]),
        ("**", ["", "a.b", "\n"], []),
        ("*.*", ["a.b", "."], ["a", "a.b.c"]),
        ("***", ["a.b", ""], []),
    ],
)
def test_group_patterns(pattern, yes, no):
    compiled = GroupPattern(pattern)
    assert all(compiled.matches(group) for group in yes)
    assert not any(compiled.matches(group) for group in no)


@pytest.mark.parametrize("pattern", ["", "a\\", "a\\b", "******", "*a*a*a*a**", "x" * 1025])
def test_malformed_patterns(pattern):
    with pytest.raises(RoleError):
        GroupPattern(pattern)


_ELEMENTS = {"**": ".*", "*": "[^.]*", "?": "[^.]", "\\*": r"\*", "\\?": r"\?", "\\\\": r"\\"}
_ELEMENTS.update({letter: re.escape(letter) for letter in "ab."})


@patient
@given(st.lists(st.sampled_from(sorted(_ELEMENTS)), min_size=1, max_size=8), st.text("ab.*?\\"))
def test_patterns_match_what_the_equal_regular_expression_matches(elements, group):
    text = "".join(elements)
    stars = text.replace("\\\\", "").replace("\\*", "").count("*")
    if stars > 5:
        with pytest.raises(RoleError):
            GroupPattern(text)
        return
    # `*` beside `*` reads as `**`, so the expression is made from the complete text.
    parts = re.findall(r"\*\*|\\.|.", text)
    expression = "".join(_ELEMENTS[part] for part in parts)
    expected = re.fullmatch(expression, group, re.DOTALL) is not None
    assert GroupPattern(text).matches(group) == expected


def test_a_hostile_group_name_costs_no_time():
    pattern = GroupPattern("*a*a*a*a*b")
    start = time.process_time()
    assert not pattern.matches("a" * 1024)
    assert time.process_time() - start < 1


# -- permissions ----------------------------------------------------------------------------


def test_roles():
    rights = Permissions(
        [
            "webpubsub.joinLeaveGroup",
            "webpubsub.sendToGroup.a.b",
            "webpubsub.sendToGroup.",
            "webpubsub.sendToGroups",
            "webpubsub.SendToGroup",
            "webpubsub.sendToGroups.s-*",
            "unknown",
        ]
    )
    assert rights.may_join("anything")
    assert rights.may_send("a.b")
    assert rights.may_send("s-1")
    assert not rights.may_send("a")
    assert not rights.may_send("s.1")
    assert rights.has("joinLeaveGroup", None)
    assert not rights.has("sendToGroup", None)


def test_limits_of_roles():
    thousand = [f"webpubsub.sendToGroup.{number}" for number in range(1000)]
    assert Permissions([*thousand, thousand[0]]).may_send("999")
    with pytest.raises(RoleError):
        Permissions([*thousand, "webpubsub.sendToGroup.more"])
    with pytest.raises(RoleError):
        Permissions([f"webpubsub.joinLeaveGroups.{number}*" for number in range(11)])


def test_a_revocation_beats_every_role_until_the_next_grant():
    rights = Permissions(["webpubsub.sendToGroup", "webpubsub.sendToGroups.a*"])
    rights.revoke("sendToGroup", "a1")
    assert not rights.may_send("a1")
    assert rights.may_send("a2")
    rights.grant("sendToGroup", "a1")
    assert rights.may_send("a1")
    rights.revoke("sendToGroup", None)
    assert not rights.may_send("a2")


@pytest.mark.parametrize(
    ("check", "good", "bad"),
    [
        (is_hub_name, ["a", "A1_`,.[]", "a" * 128], ["", "1", "_a", "a-b", "a" * 129, "é", "a\n"]),
        (is_event_name, ["a", "A.b_c-1", "a" * 128], ["", "1a", "a b", "a" * 129, "ſ", "a\n"]),
        (is_group_name, [" a ", "é" * 1024, "."], ["", " \t\n", "x" * 1025]),
    ],
)
def test_names(check, good, bad):
    assert all(check(name) for name in good)
    assert not any(check(name) for name in bad)


# -- JSON -----------------------------------------------------------------------------------

_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=9),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=5,
)


@patient
@given(
    st.dictionaries(st.text(max_size=9), _values, max_size=5),
    st.sampled_from([None, 0, 2]),
    st.booleans(),
)
def test_members_are_those_that_json_reads(content, indent, ascii_only):
    try:
        text = json.dumps(content, indent=indent, ensure_ascii=ascii_only, allow_nan=False)
        payload = text.encode()
    except (ValueError, UnicodeEncodeError):
        return
    members = parse_members(payload)
    for name, value in json.loads(payload).items():
        assert members.has(name) == (value is not None)
        if value is not None:
            raw = members.raw(name)
            assert json.loads(raw) == value
            assert raw in payload


@pytest.mark.parametrize(
    ("text", "name", "raw"),
    [
        ('{":": [1]}', ":", b"[1]"),
        ('{"k":"v", ", ":1}', ", ", b"1"),
        ('{", ":1, "k":"v"}', ", ", b"1"),
        ('{"a":":", ":":2}', ":", b"2"),
        ('{"x":"data", "data":3}', "data", b"3"),
        ('{"x":{"data":1}, "data":3}', "data", b"3"),
        ('{"data":1, "data":3}', "data", b"3"),
        ('{"x":"\\"data\\":1", "data":3}', "data", b"3"),
        ('{"d\\u0061ta":3, "x":"data"}', "data", b"3"),
        ('{"": 4}', "", b"4"),
    ],
)
def test_the_text_of_a_member(text, name, raw):
    assert parse_members(text.encode()).raw(name) == raw


@patient
@given(st.binary() | st.text('{}[]":,\\u0123456789.eE+-truefalsn \n').map(str.encode))
def test_what_json_refuses_is_refused(payload):
    def refuse(name):
        raise ValueError(name)

    try:
        content = json.loads(payload.decode(), parse_constant=refuse)
    except (ValueError, RecursionError):
        content = None
        for read in (parse_members, check_json):
            with pytest.raises(ProtocolError) as error:
                read(payload)
            assert error.value.code == 1007
    else:
        check_json(payload)
    if isinstance(content, dict):
        parse_members(payload)
    else:
        with pytest.raises(ProtocolError):
            parse_members(payload)


def test_a_name_that_occurs_twice_counts_once():
    members = parse_members(b'{"a":1,"a":"x"}')
    assert members.string("a") == "x"
    assert members.raw("a") == b'"x"'


def test_text_of_a_member_is_not_that_of_others_alike():
    text = b' { "data\\"" : 1 , "x" : {"data" : 2} , "d\\u0061ta" :\t[1.0, "}"] , "y":"data"}\n'
    assert parse_members(text).raw("data") == b'[1.0, "}"]'
    for text in (b'{"a":"data","data":1.0}', b'{"a":{"data":2},"data" : 1.0 }', b'{"data":1.0}'):
        assert parse_members(text).raw("data") == b"1.0"


# -- frames ---------------------------------------------------------------------------------


def _masked(opcode: int, payload: bytes, key: bytes, *, final: bool = True) -> bytes:
    unmasked = bytearray(encode_frame(opcode, payload))
    header = len(unmasked) - len(payload)
    unmasked[1] |= 0x80
    if not final:
        unmasked[0] &= 0x7F
    body = bytes(byte ^ key[at & 3] for at, byte in enumerate(payload))
    return bytes(unmasked[:header]) + key + body


_sizes = st.sampled_from([0, 1, 125, 126, 127, 65535, 65536]) | st.integers(0, 300)


@patient
@given(
    st.lists(st.tuples(st.booleans(), _sizes, st.integers(1, 3)), max_size=5),
    st.binary(min_size=4, max_size=4),
    st.lists(st.integers(1, 70000), max_size=12),
)
def test_frames_survive_any_way_of_cutting_them(messages, key, cuts):
    stream, expected = b"", []
    for text, size, fragments in messages:
        payload = (b"0123456789" * (size // 10 + 1))[:size]
        opcode = 1 if text else 2
        step = size // fragments + 1
        parts = [payload[at : at + step] for at in range(0, max(size, 1), step)] or [b""]
        for at, part in enumerate(parts):
            stream += _masked(opcode if at == 0 else 0, part, key, final=at == len(parts) - 1)
            if at < len(parts) - 1:
                stream += _masked(9, b"!", key)
                expected.append((9, b"!"))
        expected.append((opcode, payload))
    reader, received = FrameReader(1 << 20), []
    for cut in cuts:
        received += reader.feed(stream[:cut])
        stream = stream[cut:]
    received += reader.feed(stream)
    assert received == expected


@patient
@given(st.binary(max_size=200))
def test_arbitrary_bytes_give_messages_or_a_protocol_error(data):
    code = None
    try:
        for opcode, payload in FrameReader(100).feed(data):
            assert opcode in (1, 2, 8, 9, 10)
            assert len(payload) <= 125
    except ProtocolError as error:
        code = error.code
    assert code in (None, 1002, 1009)


def test_a_message_has_a_limit_over_all_its_fragments():
    reader = FrameReader(10)
    key = bytes(4)
    assert list(reader.feed(_masked(1, b"x" * 10, key))) == [(1, b"x" * 10)]
    assert list(reader.feed(_masked(1, b"x" * 6, key, final=False))) == []
    with pytest.raises(ProtocolError) as error:
        list(reader.feed(_masked(0, b"x" * 5, key)))
    assert error.value.code == 1009


def test_a_large_frame_byte_by_byte_takes_time_linear_in_its_size():
    frame = _masked(2, bytes(300_000), bytes(4))
    reader = FrameReader(1 << 20)
    start = time.process_time()
    received = []
    for at in range(0, len(frame), 3):
        received += reader.feed(frame[at : at + 3])
    assert received == [(2, bytes(300_000))]
    assert time.process_time() - start < 5


@patient
@given(st.text())
def test_close_reasons_are_cut_at_a_character(reason):
    frame = encode_close(1000, reason)
    assert len(frame) <= 127
    code, text = decode_close(frame[2:])
    assert code == 1000
    assert reason.encode("utf-8", "replace").decode().startswith(text)
