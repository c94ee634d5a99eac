"""Reading protobuf from a peer: whatever the bytes are, the only error is ProtocolError."""

from __future__ import annotations

from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.message import DecodeError, Message

from ..errors import ProtocolError
from .frames import INVALID_DATA

# What parsers raise for garbage: the C and the Python implementation differ.
_GARBAGE = (DecodeError, ValueError, RecursionError)


def parse_into(message: Message, data: bytes, complaint: str) -> None:
    """Fill an empty message.

    Raises:
        ProtocolError: 1007 with this complaint; the bytes are no such message.
    """
    try:
        message.ParseFromString(data)
    except _GARBAGE:
        raise ProtocolError(INVALID_DATA, complaint) from None


def check_any(data: bytes) -> None:
    """Check that bytes are a serialised `google.protobuf.Any`.

    Raises:
        ProtocolError: 1007; they are not.
    """
    parse_into(AnyMessage(), data, "data is not a serialised Any")
