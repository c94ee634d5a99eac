"""The client's opening handshake (RFC 6455, section 4.1): a request, its answer by lines."""

import os
from binascii import b2a_base64
from hashlib import sha1

from .errors import HandshakeError

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


def _base64(data):
    return b2a_base64(data).strip().decode()


def _refuse_breaks(text):
    if "\r" in text or "\n" in text:
        raise ValueError("a header or subprotocol must not hold a line break")
    return text


class Handshake:
    """One opening handshake.

    `request(...)` gives the bytes to send. Then each line of the answer goes into `line()`,
    until that returns True: the head is complete, and `result()` checks it.
    """

    def __init__(self, protocols=()):
        self._key = _base64(os.urandom(16))
        self._protocols = protocols
        self.status = 0
        self.protocol = None  # the subprotocol that the server chose, or None
        self.length = 0  # announced length of the body, for a refusal
        self._retry_after = None
        self._upgrade = self._connection = self._extension = False
        self._accept = ""

    def request(self, target, host, headers=None):
        """The request's bytes; `headers` are (name, value) pairs or a dict, str to str."""
        lines = [
            "GET %s HTTP/1.1" % target,
            "Host: " + host,
            "Upgrade: websocket",
            "Connection: Upgrade",
            "Sec-WebSocket-Key: " + self._key,
            "Sec-WebSocket-Version: 13",
        ]
        if self._protocols:
            lines.append("Sec-WebSocket-Protocol: " + _refuse_breaks(", ".join(self._protocols)))
        if headers:
            pairs = headers.items() if hasattr(headers, "items") else headers
            for name, value in pairs:
                lines.append("%s: %s" % (_refuse_breaks(name), _refuse_breaks(value)))
        lines.append("\r\n")
        return "\r\n".join(lines).encode()

    def line(self, raw):
        """Take one line of the answer, without its line break; True when the head is complete.

        Raises:
            HandshakeError: this is not HTTP.
        """
        try:
            text = str(raw, "utf-8")
        except UnicodeError:
            text = ""  # a field that is not text is not one of ours
        if not self.status:
            parts = text.split(" ", 2)
            if len(parts) < 2 or not parts[0].startswith("HTTP/1.") or not parts[1].isdigit():
                raise HandshakeError("the server's answer is not HTTP")
            self.status = int(parts[1])
            return False
        if not raw:
            return True
        name, _, value = text.partition(":")
        name = name.strip().lower()
        value = value.strip()
        if name == "upgrade":
            self._upgrade = value.lower() == "websocket"
        elif name == "connection":
            self._connection = "upgrade" in [part.strip() for part in value.lower().split(",")]
        elif name == "sec-websocket-accept":
            self._accept = value
        elif name == "sec-websocket-protocol":
            # Two lines would be two choices: neither is the one that was offered.
            self.protocol = value if self.protocol is None else self.protocol + ", " + value
        elif name == "sec-websocket-extensions":
            self._extension = bool(value)
        elif name == "content-length":
            self.length = int(value) if value.isdigit() else 0
        elif name == "retry-after":
            self._retry_after = int(value) if value.isdigit() else None
        return False

    def result(self, body=""):
        """Check the complete head against RFC 6455, section 4.1, items 1 to 6.

        Raises:
            HandshakeError: refused (with the server's `body` as reason), or a wrong answer.
        """
        if self.status != 101:
            text = "the server refused the connection with HTTP %d" % self.status
            if body:
                text += ": " + body
            raise HandshakeError(text, self.status, body, self._retry_after)
        wrong = None
        if not self._upgrade or not self._connection:
            wrong = "no upgrade to WebSocket"
        elif self._accept != _base64(sha1(self._key.encode() + _GUID).digest()):
            wrong = "wrong Sec-WebSocket-Accept"
        elif self._extension:
            wrong = "an extension that was not offered"
        elif self.protocol is not None and self.protocol.lower() not in [
            offered.lower() for offered in self._protocols
        ]:
            wrong = "a subprotocol that was not offered"
        if wrong:
            raise HandshakeError("the server's answer to the upgrade is wrong: " + wrong, 101)
