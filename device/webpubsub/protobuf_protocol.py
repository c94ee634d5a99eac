"""The subprotocols protobuf.webpubsub.azure.v1 and protobuf.reliable.webpubsub.azure.v1.

Requests become bytes, frames become what `decode` names, as in json_protocol. No I/O, no state.
Written by hand and small: of each message there are only the fields that this client knows. They
are written in the order of their numbers, as the protobuf package does.

Parameters of several functions: group, event: a name, str. ack_id: int, or None for no
acknowledgement. content, data_type: see `content`; data_type is json, text, binary or protobuf.
no_echo: bool, not to the sender itself. Frames are bytes.
"""

from .compat import const
from .content import data_type_of, dumps, loads
from .errors import ProtocolError
from .kernels import utf8, utf8_check
from .messages import ACK, CONNECTED, DISCONNECTED, Message

OPCODE = 2  # of all its frames: binary (RFC 6455, section 5.2)
PING = b"\x4a\x00"

# The fields of MessageData, from number 1 on.
_TYPES = const(("text", "binary", "protobuf", "json"))
# What the fields are that messages of the service have, by number: the wire type (0 for a number,
# 2 for what has a length, 7 for field 0, which is none), 8 more for what must be UTF-8, and 16
# more for what becomes a str. Fields with higher numbers are unknown here, and skipped.
_MESSAGES = const(b"\7\2\2\2")  # DownstreamMessage, SystemMessage
_TEXTS = const(b"\7\x1a\x1a\x1a")  # ConnectedMessage, DisconnectedMessage, ErrorMessage
_ACK = const(b"\7\0\0\2")
_DATA = const(b"\7\x1a\x1a\2\0")
_CONTENT = const(b"\7\x1a\2\2\x0a")


def _field(key, number):
    # A key, and a number or a length as a varint.
    if number >> 64:
        raise ValueError("an id is a whole number from 0 to 2^64 - 1")
    out = bytearray((key,))
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    out.append(number)
    return out


def _part(key, body):
    return _field(key, len(body)) + body


def _head(name, ack_id):
    # The first fields of most requests; protobuf does not write an empty name.
    head = _part(0x0A, utf8(name, "group or event")) if name != "" else b""
    return head if ack_id is None else head + _field(0x10, ack_id)


def _sending(key, head, data_tag, content, data_type, tail):
    # A request with a MessageData between `head` and `tail`.
    if data_type is None:
        data_type = data_type_of(content)
    if data_type not in _TYPES:
        raise ValueError("data_type must be json, text, binary or protobuf")
    if data_type == "json":
        content = dumps(content)
    elif (data_type == "text") != isinstance(content, str):
        raise TypeError("content of data_type text must be a str, of others bytes-like")
    if isinstance(content, str):
        content = utf8(content, "content")
    elif not isinstance(content, bytes):
        content = bytes(memoryview(content))
    size = len(content)
    data = _field(8 * _TYPES.index(data_type) + 10, size)
    head += _field(data_tag, len(data) + size) + data
    head = _field(key, len(head) + size + len(tail)) + head
    # One allocation of the final size: a frame may take a good part of the heap.
    return b"".join((bytes(head), content, bytes(tail)))


def join_group(group, ack_id):
    """The frame of a joinGroup request."""
    return _part(0x32, _head(group, ack_id))


def leave_group(group, ack_id):
    """The frame of a leaveGroup request."""
    return _part(0x3A, _head(group, ack_id))


def send_to_group(group, content, data_type, no_echo, ack_id):
    """The frame of a sendToGroup request; raises ValueError or TypeError for wrong content.

    Content of data_type protobuf is a serialised google.protobuf.Any.
    """
    tail = b"\x20\x01" if no_echo else b""
    return _sending(0x0A, _head(group, ack_id), 0x1A, content, data_type, tail)


def send_event(event, content, data_type, ack_id):
    """The frame of an event request; as `send_to_group`."""
    tail = b"" if ack_id is None else _field(0x18, ack_id)
    return _sending(0x2A, _head(event, None), 0x12, content, data_type, tail)


def sequence_ack(sequence_id):
    """The frame that acknowledges all messages up to `sequence_id`."""
    return _part(0x42, _field(0x08, sequence_id))


def decode(data, escaped=False):
    """Read one frame of the service; arguments and result as in json_protocol.

    A message has no from_user_id: protobuf has no field for it. One whose content is of a kind
    that this version does not know is ignored, too.

    Raises:
        ProtocolError: the frame is not a DownstreamMessage, or a field is of the wrong kind.

    data: bytes-like. escaped: of no use here, for the same call as in json_protocol.
    """
    try:
        fields = _fields(memoryview(data), _MESSAGES)
        if 2 in fields:
            return _message(_fields(fields[2], _DATA), escaped)
        if 1 in fields:
            fields = _fields(fields[1], _ACK)
            name = text = None
            if not fields.get(2):
                error = _fields(fields.get(3, b""), _TEXTS)
                name, text = error.get(1) or "Unknown", error.get(2, "")
            return ACK, fields.get(1, 0), name, text
        fields = _fields(fields.get(3, b""), _MESSAGES)
        if 1 in fields:
            fields = _fields(fields[1], _TEXTS)
            return CONNECTED, fields.get(1, ""), fields.get(2) or None, fields.get(3) or None
        if 2 in fields:
            return DISCONNECTED, _fields(fields[2], _TEXTS).get(2, "")
        return None
    except (ValueError, LookupError, TypeError, AttributeError, RuntimeError):
        # Most of them are only json's, RuntimeError for text that is nested too deeply.
        raise ProtocolError(1007, "the service sent a frame that is not of the subprotocol")
    except MemoryError:
        raise ProtocolError(1009, "no memory to read a frame of %d bytes" % len(data))


def _fields(data, kinds):
    # The known fields of a message by number: ints, strs, memoryviews. The last of equals counts.
    fields = {}
    at, end, known = 0, len(data), len(kinds)
    while at < end:
        # Nearly all varints here are of one byte, and need no call that makes a tuple.
        key = data[at]
        at += 1
        if key > 127:
            key, at = _varint(data, at - 1)
            if key >> 32:
                raise ValueError
        kind = key & 7
        value = None
        if kind == 2:
            size = data[at]
            at += 1
            if size > 127:
                size, at = _varint(data, at - 1)
            if size > end - at:
                raise ValueError
            value = data[at : at + size]
            at += size
        elif kind == 0:
            value, at = _varint(data, at)
        elif kind == 1:
            at += 8
        elif kind == 5:
            at += 4
        else:  # groups, which no proto3 message has, and what is not defined
            raise ValueError
        number = key >> 3
        if number < known:
            wanted = kinds[number]
            if wanted & 7 != kind or (wanted & 8 and utf8_check(value, 0, len(value), 0)):
                raise ValueError
            if wanted & 16:
                value = str(value, "utf-8")
            fields[number] = value
    if at != end:
        raise ValueError
    return fields


def _varint(data, at):
    # A number of at most 64 bits, and where it ends. IndexError: it does not.
    number = shift = 0
    byte = 128
    while byte > 127:
        byte = data[at]
        at += 1
        number |= (byte & 127) << shift
        shift += 7
        if number >> 64 or shift > 70:
            raise ValueError
    return number, at


def _message(fields, escaped):
    content = _fields(fields.get(3, b""), _CONTENT)
    if not content:
        return None
    number, data = content.popitem()
    if number == 4:
        data = loads(data, escaped)
    elif number > 1:
        data = bytes(data)
    data_type = _TYPES[number - 1]
    return Message(fields.get(1, ""), fields.get(2), data, data_type, None, fields.get(4))
