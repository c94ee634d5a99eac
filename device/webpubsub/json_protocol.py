"""The JSON subprotocols json.webpubsub.azure.v1 and json.reliable.webpubsub.azure.v1.

Requests become bytes, frames become what `decode` names. No I/O, no state.

Parameters of several functions: group, event: a name, str. ack_id: int, or None for no
acknowledgement. content, data_type: see `content`; data_type is json, text or binary. no_echo:
bool, not to the sender itself. Frames are bytes.
"""

import sys
from binascii import a2b_base64, b2a_base64

from .content import data_type_of, dumps, loads
from .errors import ProtocolError
from .frames import TEXT as OPCODE  # noqa: F401 the opcode of all its frames
from .kernels import utf8
from .messages import ACK, CONNECTED, DISCONNECTED, Message

PING = b'{"type":"ping"}'

_MICROPYTHON = sys.implementation.name == "micropython"
_ACK_HEAD = b'{"type":"ack","ackId":'
_ACK_TAIL = b',"success":true}'


def _request(kind, member, name, ack_id, *tail):
    # In one go, for the content may be large.
    if not isinstance(name, str):
        raise TypeError(member + " must be a str")
    head = '{"type":"%s","%s":%s' % (kind, member, dumps(name))
    number = "" if ack_id is None else ',"ackId":%d' % ack_id
    return utf8("".join((head, number) + tail), "content")


def _content(content, data_type):
    # The end of a request, in pieces: its dataType and data members.
    if data_type is None:
        data_type = data_type_of(content)
    quote = ""
    text = isinstance(content, str)
    if data_type == "json" or (data_type == "text" and text):
        content = dumps(content)
    elif data_type == "binary" and not text:
        quote = '"'
        if not _MICROPYTHON:
            content = bytes(memoryview(content))  # in pieces: CPython's encoder would refuse it
        content = b2a_base64(content, newline=False).decode()
    elif data_type in ("text", "binary"):
        raise TypeError("text must be a str, binary bytes-like")
    else:
        raise ValueError("data_type must be json, text or binary")
    return ',"dataType":"', data_type, '","data":', quote, content, quote, "}"


def join_group(group, ack_id):
    """The frame of a joinGroup request."""
    return _request("joinGroup", "group", group, ack_id, "}")


def leave_group(group, ack_id):
    """The frame of a leaveGroup request."""
    return _request("leaveGroup", "group", group, ack_id, "}")


def send_to_group(group, content, data_type, no_echo, ack_id):
    """The frame of a sendToGroup request; raises ValueError or TypeError for wrong content."""
    no_echo = ',"noEcho":true' if no_echo else ""
    content = _content(content, data_type)
    return _request("sendToGroup", "group", group, ack_id, no_echo, *content)


def send_event(event, content, data_type, ack_id):
    """The frame of an event request; raises ValueError or TypeError for wrong content."""
    return _request("event", "event", event, ack_id, *_content(content, data_type))


def sequence_ack(sequence_id):
    """The frame that acknowledges all messages up to `sequence_id`."""
    return b'{"type":"sequenceAck","sequenceId":%d}' % sequence_id


def decode(data, escaped=False):
    """Read one frame of the service.

    data: bytes-like. escaped: whether it may hold an escaped surrogate. Returns a Message; or
    (ACK, ack_id, error name or None, error text);
    (CONNECTED, connection id, user id or None, reconnection token or None);
    (DISCONNECTED, reason); or None for what this version does not know, which is ignored.

    Raises:
        ProtocolError: the frame is not a JSON object, or a member is missing or wrong.
    """
    size = len(data)
    try:
        if size < 64 and data[:22] == _ACK_HEAD and data[size - 16 :] == _ACK_TAIL:
            return ACK, int(bytes(data[22 : size - 16])), None, None
        return _known(loads(data, escaped))
    except (ValueError, KeyError, TypeError, AttributeError, RuntimeError):
        # RuntimeError: nested too deeply for the interpreter's stack.
        raise ProtocolError(1007, "the service sent a frame that is not of the subprotocol")
    except MemoryError:
        raise ProtocolError(1009, "no memory to read a frame of %d bytes" % size)


def _known(frame):
    kind = frame["type"]
    if kind == "message":
        if "stream" in frame and "data" not in frame:
            return None  # the end of a stream; streams are not for this version
        data = frame["data"]
        data_type = frame["dataType"]
        number = frame.get("sequenceId")
        if number is not None:
            number = int(number)
        if data_type == "binary" or data_type == "protobuf":
            data = a2b_base64(data)
        group, sender = frame.get("group"), frame.get("fromUserId")
        return Message(frame["from"], group, data, data_type, sender, number)
    if kind == "ack":
        number = int(frame["ackId"])
        if frame["success"]:
            return ACK, number, None, None
        error = frame.get("error") or {}
        return ACK, number, error.get("name") or "Unknown", error.get("message") or ""
    if kind == "system":
        kind = frame["event"]
        if kind == "connected":
            token = frame.get("reconnectionToken")
            return CONNECTED, frame["connectionId"], frame.get("userId"), token
        if kind == "disconnected":
            return DISCONNECTED, frame.get("message") or ""
    return None
