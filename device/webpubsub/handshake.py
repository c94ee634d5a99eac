"""The client's opening handshake (RFC 6455, section 4.1): a request, and a look at the answer."""

import os
from binascii import b2a_base64
from hashlib import sha1

from .compat import const
from .errors import HandshakeError

_GUID = const(b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11")


def _line(name, value):
    for text in (name, value):
        if "\r" in text or "\n" in text:
            raise ValueError("a header or subprotocol must not hold a line break")
    return "%s: %s\r\n" % (name, value)


class Handshake:
    """One opening handshake.

    `request(...)` gives the bytes to send, `answer(...)` takes the head of what comes back, and
    `result(...)` checks it.
    """

    def __init__(self, protocols=()):
        self._key = b2a_base64(os.urandom(16)).strip()
        self._protocols = protocols
        self._fields = {}
        self.status = 0

    def request(self, target, host, headers=None):
        """The request's bytes; `headers` are (name, value) pairs or a dict, str to str."""
        text = (
            "GET %s HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %s\r\n"
        ) % (target, host, self._key.decode())
        if self._protocols:
            text += _line("Sec-WebSocket-Protocol", ", ".join(self._protocols))
        if headers:
            for pair in headers.items() if hasattr(headers, "items") else headers:
                text += _line(*pair)
        return (text + "\r\n").encode()

    def answer(self, head):
        """Take the head of the answer, bytes without the empty line.

        Returns how many bytes of a body are announced.

        Raises:
            HandshakeError: this is not HTTP.
        """
        lines = bytes(head).split(b"\r\n")
        status = lines[0].split(b" ", 2)
        if len(status) < 2 or not status[0].startswith(b"HTTP/1.") or not status[1].isdigit():
            raise HandshakeError("the server's answer is not HTTP")
        self.status = int(status[1])
        fields = self._fields
        for line in lines[1:]:
            name, _, value = line.partition(b":")
            name = name.strip().lower()
            value = value.strip()
            # RFC 9110, section 5.2. Of two subprotocols this makes one that was not offered.
            fields[name] = fields[name] + b", " + value if name in fields else value
        return self._number(b"content-length") or 0

    def _number(self, name):
        value = self._fields.get(name, b"")
        return int(value) if value.isdigit() else None

    def result(self, body=""):
        """Check the answer against RFC 6455, section 4.1, items 1 to 6.

        Returns the subprotocol that the server chose, or None.

        Raises:
            HandshakeError: refused (with the server's `body` as reason), or a wrong answer.
        """
        if self.status != 101:
            text = "the server refused the connection with HTTP %d" % self.status
            if body:
                text += ": " + body
            raise HandshakeError(text, self.status, body, self._number(b"retry-after"))
        fields = self._fields
        protocol = fields.get(b"sec-websocket-protocol")
        tokens = [token.strip() for token in fields.get(b"connection", b"").lower().split(b",")]
        wrong = None
        if fields.get(b"upgrade", b"").lower() != b"websocket" or b"upgrade" not in tokens:
            wrong = "no upgrade to WebSocket"
        elif (
            fields.get(b"sec-websocket-accept")
            != b2a_base64(sha1(self._key + _GUID).digest()).strip()
        ):
            wrong = "wrong Sec-WebSocket-Accept"
        elif fields.get(b"sec-websocket-extensions"):
            wrong = "an extension that was not offered"
        elif protocol is not None and protocol.lower() not in [
            offered.lower().encode() for offered in self._protocols
        ]:
            wrong = "a subprotocol that was not offered"
        if wrong:
            raise HandshakeError("the server's answer to the upgrade is wrong: " + wrong, 101)
        return protocol and protocol.decode()
