"""The JSON subprotocols json.webpubsub.azure.v1 and json.reliable.webpubsub.azure.v1.

Requests become bytes, frames become what `decode` names. No I/O, no state.
"""

from binascii import a2b_base64, b2a_base64

from .content import data_type_of, dumps, loads
from .errors import ProtocolError
from .frames import TEXT as OPCODE  # noqa: F401 the opcode of all its frames
from .messages import ACK, CONNECTED, DISCONNECTED, Message

PING = b'{"type":"ping"}'

_ACK_HEAD = b'{"type":"ack","ackId":'
_ACK_TAIL = b',"success":true}'


def _content(content, data_type):
    # The dataType and data members of a request, as JSON text.
    if data_type is None:
        data_type = data_type_of(content)
    if data_type == "binary":
        if isinstance(content, str):
            raise TypeError("content of data_type binary must be bytes-like")
        data = '"' + b2a_base64(content).strip().decode() + '"'
    elif data_type == "json":
        data = dumps(content)
    elif data_type != "text":
        raise ValueError("data_type must be json, text or binary")
    elif not isinstance(content, str):
        raise TypeError("content of data_type text must be a str")
    else:
        data = dumps(content)
    return ',"dataType":"' + data_type + '","data":' + data + "}"


def _ack_member(ack_id):
    return "" if ack_id is None else ',"ackId":%d' % ack_id


def join_group(group, ack_id):
    """The frame of a joinGroup request."""
    return ('{"type":"joinGroup","group":' + dumps(group) + _ack_member(ack_id) + "}").encode()


def leave_group(group, ack_id):
    """The frame of a leaveGroup request."""
    return ('{"type":"leaveGroup","group":' + dumps(group) + _ack_member(ack_id) + "}").encode()


def send_to_group(group, content, data_type, no_echo, ack_id):
    """The frame of a sendToGroup request; raises ValueError or TypeError for wrong content."""
    return (
        '{"type":"sendToGroup","group":'
        + dumps(group)
        + _ack_member(ack_id)
        + (',"noEcho":true' if no_echo else "")
        + _content(content, data_type)
    ).encode()


def send_event(event, content, data_type, ack_id):
    """The frame of an event request; raises ValueError or TypeError for wrong content."""
    return (
        '{"type":"event","event":'
        + dumps(event)
        + _ack_member(ack_id)
        + _content(content, data_type)
    ).encode()


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
        # The end of a stream may come without data; streams are not for this version.
        return None if "stream" in frame and "data" not in frame else _message(frame)
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
