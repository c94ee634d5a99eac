"""The opening handshake (RFC 6455 section 4.2): checks and negotiation, without I/O."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from dataclasses import dataclass

from multidict import CIMultiDictProxy, MultiMapping

from ..names import is_group_name
from ..protocol.codec import Codec
from ..protocol.simple_codec import SimpleCodec
from ..protocol.subprotocols import NAMES, find_codec

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_SIMPLE_MODES = ("sendevent", "sendtogroup")


class Refused(Exception):
    """The upgrade is refused with an HTTP status; the text goes into the body."""

    def __init__(self, status: int, text: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(text)
        self.status = status
        self.headers = headers


@dataclass(frozen=True, slots=True)
class Negotiated:
    """What comes of the subprotocols that a client offers.

    Attributes:
        codec: the protocol to speak.
        name: subprotocol to echo, as the client spelled it; None to echo none.
    """

    codec: Codec
    name: str | None


def check_upgrade(headers: CIMultiDictProxy[str]) -> str:
    """Check a WebSocket request (RFC 6455 section 4.2.1).

    Returns:
        The value of Sec-WebSocket-Accept.

    Raises:
        Refused: 400 or 426.
    """
    connection = [part.strip().lower() for part in headers.get("Connection", "").split(",")]
    if headers.get("Upgrade", "").strip().lower() != "websocket" or "upgrade" not in connection:
        raise Refused(400, "This is a WebSocket endpoint: send an upgrade request.")
    if headers.get("Sec-WebSocket-Version", "").strip() != "13":
        raise Refused(400, "Sec-WebSocket-Version must be 13.")
    key = headers.get("Sec-WebSocket-Key", "").strip()
    try:
        if len(base64.b64decode(key.encode("ascii"), validate=True)) != 16:
            raise ValueError
    except (binascii.Error, ValueError):
        raise Refused(400, "Sec-WebSocket-Key must be 16 bytes in base64.") from None
    return base64.b64encode(hashlib.sha1(key.encode() + _GUID).digest()).decode()


def offered_subprotocols(headers: CIMultiDictProxy[str]) -> list[str]:
    """What the client offers, in its order, over all header lines.

    Raises:
        Refused: 400 for what is no token (RFC 9110 section 5.6.2).
    """
    lines = headers.getall("Sec-WebSocket-Protocol", [])
    names = [name.strip() for line in lines for name in line.split(",") if name.strip()]
    if not all(_TOKEN.fullmatch(name) for name in names):
        raise Refused(400, "Sec-WebSocket-Protocol holds an illegal name.")
    return names


def simple_codec(query: MultiMapping[str]) -> SimpleCodec:
    """The mode of a simple client, from its query.

    Raises:
        Refused: 400 for an unknown mode, an illegal group or value of noEcho.
    """
    # The last value counts, and an empty one is none, as in Azure (Azure/azure-webpubsub#1131,
    # tools/emulator/README.md, "Raw WebSocket events and group sends").
    given = {name.lower(): value for name, value in query.items()}
    mode = given.get("webpubsub_mode", "").lower() or "sendevent"
    if mode not in _SIMPLE_MODES:
        raise Refused(400, "webpubsub_mode must be sendEvent or sendToGroup.")
    if mode == "sendevent":
        return SimpleCodec()
    group = given.get("group", "")
    if not is_group_name(group):
        raise Refused(400, "webpubsub_mode=sendToGroup needs a legal group.")
    no_echo = given.get("noecho", "").lower() or "false"
    if no_echo not in ("true", "false"):
        raise Refused(400, "noEcho must be true or false.")
    return SimpleCodec(group, no_echo=no_echo == "true")


def negotiate(offered: list[str], chosen: str | None, simple: SimpleCodec) -> Negotiated:
    """Negotiate the subprotocol.

    Args:
        offered: what the client offers.
        chosen: what the connect handler answered; None when it leaves that open.
        simple: what to speak with a simple client.

    Raises:
        Refused: 400 for a protocol that exists but is not served; 500 when the handler chose
            one that was not offered.
    """
    if chosen is not None:
        spelled = [name for name in offered if name.lower() == chosen.lower()]
        if not spelled:
            raise Refused(500, "The connect event handler chose a subprotocol not offered.")
        return Negotiated(find_codec(chosen) or simple, spelled[0])
    for name in offered:
        codec = find_codec(name)
        if codec is not None:
            return Negotiated(codec, name)
    if any(name.lower().endswith(".webpubsub.azure.v1") for name in offered):
        served = ", ".join(NAMES)
        raise Refused(400, f"This service does not speak that subprotocol: offer {served}.")
    return Negotiated(simple, None)


def switching_protocols(accept: str, subprotocol: str | None) -> bytes:
    """The head of the 101 answer."""
    lines = [
        "HTTP/1.1 101 Switching Protocols",
        "Upgrade: websocket",
        "Connection: Upgrade",
        f"Sec-WebSocket-Accept: {accept}",
    ]
    if subprotocol is not None:
        lines.append(f"Sec-WebSocket-Protocol: {subprotocol}")
    return "\r\n".join([*lines, "", ""]).encode()
