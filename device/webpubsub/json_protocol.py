"""The JSON subprotocols json.webpubsub.azure.v1 and json.reliable.webpubsub.azure.v1.

Requests become bytes, frames become what `decode` names. No I/O, no state.
"""

import json
import sys

try:
    from binascii import a2b_base64, b2a_base64
except ImportError:  # MicroPython before 1.21
    from ubinascii import a2b_base64, b2a_base64

from .errors import ProtocolError
from .messages import ACK, CONNECTED, DISCONNECTED, Message

PING = b'{"type":"ping"}'

_COMPACT = (",", ":")
_ACK_HEAD = b'{"type":"ack","ackId":'
_ACK_TAIL = b',"success":true}'
_MICROPYTHON = sys.implementation.name == "micropython"


def _dumps(value):
    if not _MICROPYTHON:
        return json.dumps(value, separators=_COMPACT, allow_nan=False)
    return json.dumps(value, separators=_COMPACT)


def _check(value):
    # MicroPython writes whatever it is given; the service would close the connection for it.
    if isinstance(value, dict):
        for key in value:
            _check(value[key])
    elif isinstance(value, (list, tuple)):
        for item in value:
            _check(item)
    elif isinstance(value, float):
        if value - value:
            raise ValueError("nan and inf are not JSON")
    elif value is not None and not isinstance(value, (str, int, bool)):
        raise TypeError("%s is not JSON" % type(value).__name__)


def _content(content, data_type):
    # The dataType and data members of a request, as JSON text.
    if data_type is None:
        data_type = (
            "text"
            if isinstance(content, str)
            else "binary"
            if isinstance(content, (bytes, bytearray, memoryview))
            else "json"
        )
    if data_type == "binary":
        if isinstance(content, str):
            raise TypeError("content of data_type binary must be bytes-like")
        data = '"' + b2a_base64(content).strip().decode() + '"'
    elif data_type == "json":
        if _MICROPYTHON:
            _check(content)
        data = _dumps(content)
    elif data_type != "text":
        raise ValueError("data_type must be json, text or binary")
    elif not isinstance(content, str):
        raise TypeError("content of data_type text must be a str")
    else:
        data = _dumps(content)
    return ',"dataType":"' + data_type + '","data":' + data + "}"


def _ack_member(ack_id):
    return "" if ack_id is None else ',"ackId":%d' % ack_id


def join_group(group, ack_id):
    """The frame of a joinGroup request."""
    return ('{"type":"joinGroup","group":' + _dumps(group) + _ack_member(ack_id) + "}").encode()


def leave_group(group, ack_id):
    """The frame of a leaveGroup request."""
    return ('{"type":"leaveGroup","group":' + _dumps(group) + _ack_member(ack_id) + "}").encode()


def send_to_group(group, content, data_type, no_echo, ack_id):
    """The frame of a sendToGroup request; raises ValueError or TypeError for wrong content."""
    return (
        '{"type":"sendToGroup","group":'
        + _dumps(group)
        + _ack_member(ack_id)
        + (',"noEcho":true' if no_echo else "")
        + _content(content, data_type)
    ).encode()


def send_event(event, content, data_type, ack_id):
    """The frame of an event request; raises ValueError or TypeError for wrong content."""
    return (
        '{"type":"event","event":'
        + _dumps(event)
        + _ack_member(ack_id)
        + _content(content, data_type)
    ).encode()


def sequence_ack(sequence_id):
    """The frame that acknowledges all messages up to `sequence_id`."""
    return b'{"type":"sequenceAck","sequenceId":%d}' % sequence_id


def decode(data, escaped=False):
    """Read one frame of the service.

    data: bytes-like. escaped: whether it may hold an escaped surrogate (see
    `may_hold_surrogate`). Returns a Message; or (ACK, ack_id, error name or None, error text);
    (CONNECTED, connection id, user id or None, reconnection token or None);
    (DISCONNECTED, reason); or None for what this version does not know, which is ignored.

    Raises:
        ProtocolError: the frame is not a JSON object, or a member is missing or wrong.
    """
    size = len(data)
    try:
        if size < 64 and data[:22] == _ACK_HEAD and data[size - 16 :] == _ACK_TAIL:
            return ACK, int(bytes(data[22 : size - 16])), None, None
        if escaped and _MICROPYTHON:
            data = _join_surrogates(bytes(data))
        elif not _MICROPYTHON:
            data = bytes(data)
        frame = json.loads(data)
        return _known(frame)
    except (ValueError, KeyError, TypeError, AttributeError, RuntimeError):
        # RuntimeError: nested too deeply for the interpreter's stack.
        raise ProtocolError(1007, "the service sent a frame that is not of the subprotocol")
    except MemoryError:
        raise ProtocolError(1009, "no memory to read a frame of %d bytes" % size)


def _known(frame):
    kind = frame["type"]
    if kind == "message":
        return _message(frame)
    if kind == "ack":
        if frame["success"]:
            return ACK, int(frame["ackId"]), None, None
        error = frame.get("error") or {}
        return (
            ACK,
            int(frame["ackId"]),
            error.get("name") or "Unknown",
            error.get("message") or "",
        )
    if kind == "system":
        if frame["event"] == "connected":
            return (
                CONNECTED,
                frame["connectionId"],
                frame.get("userId"),
                frame.get("reconnectionToken"),
            )
        if frame["event"] == "disconnected":
            return DISCONNECTED, frame.get("message") or ""
    return None


def _message(frame):
    origin = frame["from"]
    data_type = frame["dataType"]
    data = frame["data"]
    sequence_id = frame.get("sequenceId")
    if data_type == "binary" or data_type == "protobuf":
        data = a2b_base64(data)
    return Message(
        origin,
        frame.get("group"),
        data,
        data_type,
        frame.get("fromUserId"),
        sequence_id if sequence_id is None else int(sequence_id),
    )


def _join_surrogates(data):
    # MicroPython's json makes two characters, and invalid UTF-8, of "\ud83d\ude00". The pair is
    # replaced by what it stands for, unless its backslash is itself escaped.
    out = []
    start = at = 0
    while True:
        at = data.find(b"\\", at)
        if at < 0:
            out.append(data[start:])
            return b"".join(out)
        if data[at + 1 : at + 2] != b"u":
            at += 2
            continue
        high = _hexadecimal(data, at)
        low = _hexadecimal(data, at + 6)
        if 0xD800 <= high < 0xDC00 and 0xDC00 <= low < 0xE000:
            point = 0x10000 + ((high & 0x3FF) << 10) + (low & 0x3FF)
            out.append(data[start:at])
            out.append(chr(point).encode())
            at += 12
            start = at
        elif 0xD800 <= high < 0xE000:
            out.append(data[start:at])
            out.append(b"\\ufffd")  # half a pair is no character
            at += 6
            start = at
        else:
            at += 6


def _hexadecimal(data, at):
    if data[at : at + 2] != b"\\u":
        return 0
    try:
        return int(str(data[at + 2 : at + 6], "utf-8"), 16)
    except ValueError:
        return 0
