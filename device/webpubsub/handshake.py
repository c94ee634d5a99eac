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
    more = ""
    if protocols:
        more = "Sec-WebSocket-Protocol: %s\r\n" % ", ".join(protocols)
    text = (
        "GET %s HTTP/1.1\r\n%sUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %s\r\n\r\n"
    ) % (target, fields(host, headers, more), key.decode())
    accept = b2a_base64(sha1(key + _GUID).digest()).strip()
    return text.encode(), accept


def fields(host, headers, more=""):
    """The fields of a request: Host, the caller's if there is one; `more`, a line; and headers.

    host, headers: as for `request`. Raises ValueError.
    """
    lines = 2 if more else 1
    for name, value in headers.items() if hasattr(headers, "items") else headers or ():
        if name.lower() == "host":  # a second one would be refused (RFC 9112, section 3.2)
            host = value
        else:
            lines += 1
            more += "%s: %s\r\n" % (name, value)
    more = "Host: %s\r\n%s" % (host, more)
    if more.count("\r") != lines or more.count("\n") != lines:
        raise ValueError("a header or subprotocol must not hold a line break")
    return more
