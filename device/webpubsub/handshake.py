"""The client's opening handshake (RFC 6455, section 4.1): the request.

Plain functions without state, for `once`: the request is gone before TLS needs the memory.
"""

import os
from binascii import b2a_base64
from hashlib import sha1

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


def request(host, target, protocols=(), headers=None):
    """Make the request of an opening handshake.

    host, target: the Host field, and path and query. protocols: subprotocols to offer. headers:
    (name, value) pairs or a dict, str to str.

    Returns (request, accept): the bytes to send, and the Sec-WebSocket-Accept that the answer
    must have.

    Raises:
        ValueError: a header or a subprotocol holds a line break.
    """
    key = b2a_base64(os.urandom(16)).strip()
    text = (
        "GET %s HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %s\r\n"
    ) % (target, host, key.decode())
    if protocols:
        text += _line("Sec-WebSocket-Protocol", ", ".join(protocols))
    if headers:
        for pair in headers.items() if hasattr(headers, "items") else headers:
            text += _line(*pair)
    accept = b2a_base64(sha1(key + _GUID).digest()).strip()
    return (text + "\r\n").encode(), accept


def _line(name, value):
    for text in (name, value):
        if "\r" in text or "\n" in text:
            raise ValueError("a header or subprotocol must not hold a line break")
    return "%s: %s\r\n" % (name, value)
