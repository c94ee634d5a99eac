"""The subprotocols protobuf.webpubsub.azure.v1 and protobuf.reliable.webpubsub.azure.v1.

Requests become bytes, frames become what `decode` names, as in json_protocol. No I/O, no state.
Written by hand and small: of each message there are only the fields that this client knows. They
are written in the order of their numbers, as the protobuf package does.
"""

from .content import data_type_of, dumps, loads
from .errors import ProtocolError
from .frames import BINARY as OPCODE  # noqa: F401 the opcode of all its frames
from .kernels import utf8_check
from .messages import ACK, CONNECTED, DISCONNECTED, Message

PING = b"\x4a\x00"

# The fields of MessageData, from number 1 on.
_TYPES = ("text", "binary", "protobuf", "json")
# Wire types of the fields that messages of the service have, from number 1 on: 0 for a number,
# 2 for what has a length. Fields with higher numbers are unknown here, and skipped.
_LENGTHS = b"\2\2\2"  # DownstreamMessage, SystemMessage and what is in it, ErrorMessage
_ACK = b"\0\0\2"
_DATA = b"\2\2\2\0"
_CONTENT = b"\2\2\2\2"


def _field(tag, number):
    # A tag, and a number or a length as a varint.
    if number >> 64:
        raise ValueError("an id is a whole number from 0 to 2^64 - 1")
    out = bytearray((tag,))
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    out.append(number)
    return out


def _name(text):
    # The first field of most requests; protobuf does not write an empty one.
    text = text.encode()
    return _field(0x0A, len(text)) + text if text else b""


def _ack_id(tag, ack_id):
    return b"" if ack_id is None else _field(tag, ack_id)


def _membership(tag, group, ack_id):
    body = _name(group) + _ack_id(0x10, ack_id)
    return _field(tag, len(body)) + body


def _sending(tag, head, data_tag, content, data_type, tail):
    # A request with a MessageData between `head` and `tail`.
    if data_type is None:
        data_type = data_type_of(content)
    if data_type == "json":
        content = dumps(content).encode()
    elif data_type not in _TYPES:
        raise ValueError("data_type must be json, text, binary or protobuf")
    elif (data_type == "text") != isinstance(content, str):
        raise TypeError("content of data_type text must be a str, of others bytes-like")
    elif data_type == "text":
        content = content.encode()
    elif not isinstance(content, (bytes, bytearray)):
        content = bytes(memoryview(content))
    size = len(content)
    data = _field(8 * _TYPES.index(data_type) + 10, size)
    head += _field(data_tag, len(data) + size) + data
    head = _field(tag, len(head) + size + len(tail)) + head
    # One allocation of the final size: a frame may take a good part of the heap.
    frame = bytearray(len(head) + size + len(tail))
    frame[: len(head)] = head
    frame[len(head) : len(head) + size] = content
    frame[len(head) + size :] = tail
    return frame


def join_group(group, ack_id):
    """The frame of a joinGroup request."""
    return _membership(0x32, group, ack_id)


def leave_group(group, ack_id):
    """The frame of a leaveGroup request."""
    return _membership(0x3A, group, ack_id)


def send_to_group(group, content, data_type, no_echo, ack_id):
    """The frame of a sendToGroup request; raises ValueError or TypeError for wrong content.

    Content of data_type protobuf is a serialised google.protobuf.Any.
    """
    head = _name(group) + _ack_id(0x10, ack_id)
    return _sending(0x0A, head, 0x1A, content, data_type, b"\x20\x01" if no_echo else b"")


def send_event(event, content, data_type, ack_id):
    """The frame of an event request; as `send_to_group`."""
    return _sending(0x2A, _name(event), 0x12, content, data_type, _ack_id(0x18, ack_id))


def sequence_ack(sequence_id):
    """The frame that acknowledges all messages up to `sequence_id`."""
    number = _field(0x08, sequence_id)
    return _field(0x42, len(number)) + number


def decode(data, escaped=False):
    """Read one frame of the service; arguments and result as in json_protocol.

    A message has no from_user_id: protobuf has no field for it. One whose content is of a kind
    that this version does not know is ignored, too.

    Raises:
        ProtocolError: the frame is not a DownstreamMessage, or a field is of the wrong kind.
    """
    try:
        return _known(_fields(memoryview(data), _LENGTHS), escaped)
    except (ValueError, LookupError, TypeError, AttributeError, RuntimeError):
        # Most of them are only json's, RuntimeError for text that is nested too deeply.
        raise ProtocolError(1007, "the service sent a frame that is not of the subprotocol")
    except MemoryError:
        raise ProtocolError(1009, "no memory to read a frame of %d bytes" % len(data))


def _fields(data, kinds):
    # The known fields of a message by number: ints, and memoryviews. The last of equals counts.
    fields = {}
    at, end, known = 0, len(data), len(kinds)
    while at < end:
        # Nearly all varints here are of one byte, and need no call that makes a tuple.
        tag = data[at]
        at += 1
        if tag > 127:
            tag, at = _varint(data, at - 1)
            if tag >> 32:
                raise ValueError
        kind = tag & 7
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
        number = tag >> 3
        if number <= known:
            if not number or kinds[number - 1] != kind:
                raise ValueError
            fields[number] = value
    if at != end:
        raise ValueError
    return fields


def _varint(data, at):
    # A number of at most 64 bits, and where it ends. IndexError: it does not.
    number = shift = 0
    while True:
        byte = data[at]
        at += 1
        number |= (byte & 127) << shift
        if byte < 128:
            break
        shift += 7
        if shift > 63:
            raise ValueError
    if number >> 64:
        raise ValueError
    return number, at


def _utf8(data):
    if utf8_check(data, 0, len(data), 0):
        raise ValueError
    return data


def _text(fields, number):
    return str(_utf8(fields.get(number, b"")), "utf-8")


def _known(frame, escaped):
    if 2 in frame:
        return _message(_fields(frame[2], _DATA), escaped)
    if 1 in frame:
        ack = _fields(frame[1], _ACK)
        if ack.get(2):
            return ACK, ack.get(1, 0), None, None
        error = _fields(ack.get(3, b""), _LENGTHS)
        return ACK, ack.get(1, 0), _text(error, 1) or "Unknown", _text(error, 2)
    if 3 in frame:
        system = _fields(frame[3], _LENGTHS)
        if 1 in system:
            hello = _fields(system[1], _LENGTHS)
            return CONNECTED, _text(hello, 1), _text(hello, 2) or None, _text(hello, 3) or None
        if 2 in system:
            return DISCONNECTED, _text(_fields(system[2], _LENGTHS), 2)
    return None


def _message(fields, escaped):
    content = _fields(fields.get(3, b""), _CONTENT)
    if not content:
        return None
    number, data = content.popitem()
    if number == 1:
        data = str(_utf8(data), "utf-8")
    elif number == 4:
        data = loads(_utf8(data), escaped)
    else:
        data = bytes(data)
    group = _text(fields, 2) if 2 in fields else None
    return Message(_text(fields, 1), group, data, _TYPES[number - 1], None, fields.get(4))
