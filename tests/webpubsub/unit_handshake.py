"""The opening handshake: what we ask, and what we take for an answer (RFC 6455, section 4)."""

from binascii import a2b_base64, b2a_base64
from hashlib import sha1

from checks import equal, raises
from webpubsub.answer import fields_of
from webpubsub.decision import number, protocol_of
from webpubsub.decision import refusal as refusal_of
from webpubsub.errors import HandshakeError
from webpubsub.handshake import request

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


class Handshake:
    """One opening handshake, from the functions for its two halves."""

    def __init__(self, protocols=()):
        self.protocols = protocols
        self.accept = None

    def request(self, target, host, headers=None):
        found, self.accept = request(host, target, self.protocols, headers)
        return found

    def answer(self, head):
        """Take the head of an answer; returns the announced size of a body."""
        self.status, self.fields = fields_of(head)
        return number(self.fields, b"content-length") or 0

    def result(self, body=""):
        if self.status != 101:
            raise refusal_of(self.status, self.fields, body)
        return protocol_of(self.fields, self.accept, self.protocols)


def fields(request):
    """The head of a request as a list of (lower-case name, value)."""
    lines = request.decode().split("\r\n")
    equal(lines[-2:], ["", ""])
    pairs = []
    for line in lines[1:-2]:
        name, _, value = line.partition(": ")
        pairs.append((name.lower(), value))
    return lines[0], pairs


def accept_of(request):
    key = dict(fields(request)[1])["sec-websocket-key"]
    return b2a_base64(sha1(key.encode() + GUID).digest()).strip().decode()


def answer(handshake, *lines):
    """Give the lines of a head to a handshake; returns the announced size of a body."""
    return handshake.answer("\r\n".join(lines).encode())


def switched(protocols=(), accept=None, extra=(), upgrade="websocket", connection="Upgrade"):
    """The subprotocol of an answer that is right, apart from what the caller changes."""
    handshake = Handshake(protocols)
    right = accept_of(handshake.request("/", "h"))
    lines = ["HTTP/1.1 101 Switching Protocols"]
    if upgrade is not None:
        lines.append("Upgrade: " + upgrade)
    if connection is not None:
        lines.append("Connection: " + connection)
    lines.append("Sec-WebSocket-Accept: " + (right if accept is None else accept))
    lines.extend(extra)
    answer(handshake, *lines)
    return handshake.result()


def wrong(**changes):
    error = raises(HandshakeError, switched, **changes)
    equal(error.status, 101)
    return error


def refusal(*lines, body=""):
    handshake = Handshake()
    answer(handshake, *lines)
    return raises(HandshakeError, handshake.result, body)


def test_the_request():
    line, pairs = fields(Handshake(("a", "b.c")).request("/p?q=1", "host:81"))
    equal(line, "GET /p?q=1 HTTP/1.1")
    head = dict(pairs)
    equal(len(head), len(pairs))
    equal(head["host"], "host:81")
    equal(head["upgrade"], "websocket")
    equal(head["connection"], "Upgrade")
    equal(head["sec-websocket-version"], "13")
    equal(head["sec-websocket-protocol"], "a, b.c")
    equal(len(a2b_base64(head["sec-websocket-key"])), 16)
    assert "sec-websocket-extensions" not in head


def test_no_protocol_no_field():
    _, pairs = fields(Handshake().request("/", "h"))
    assert "sec-websocket-protocol" not in dict(pairs)


def test_every_key_is_new():
    keys = {dict(fields(Handshake().request("/", "h"))[1])["sec-websocket-key"] for _ in range(9)}
    equal(len(keys), 9)


def test_more_headers():
    for more in ({"X-Id": "CP-7"}, [("X-Id", "CP-7")], (("X-Id", "CP-7"),)):
        _, pairs = fields(Handshake().request("/", "h", more))
        assert ("x-id", "CP-7") in pairs
    _, pairs = fields(Handshake().request("/", "h", [("A", "1"), ("A", "2")]))
    equal([value for name, value in pairs if name == "a"], ["1", "2"])


def test_headers_cannot_be_smuggled_in():
    for bad in ({"A": "b\r\nEvil: 1"}, {"A\r\nEvil": "1"}, {"A": "b\n"}, {"A": "\r"}):
        raises(ValueError, Handshake().request, "/", "h", bad)
    raises(ValueError, Handshake(("a\r\nEvil: 1",)).request, "/", "h")


def test_the_example_of_the_rfc():
    handshake = Handshake(("chat", "superchat"))
    # Of the key dGhlIHNhbXBsZSBub25jZQ== (RFC 6455, section 1.3).
    handshake.accept = b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
    answer(
        handshake,
        "HTTP/1.1 101 Switching Protocols",
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
        "Sec-WebSocket-Protocol: chat",
    )
    equal(handshake.result(), "chat")


def test_names_and_tokens_in_any_case():
    switched(upgrade="WebSocket", connection="keep-alive, UPGRADE")
    equal(switched(("json.x",), extra=["sec-websocket-PROTOCOL:   JSON.X  "]), "JSON.X")


def test_no_protocol_chosen():
    equal(switched(("a",)), None)


def test_wrong_accept():
    for accept in ("", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", "x"):
        assert "Accept" in str(wrong(accept=accept))


def test_no_upgrade():
    wrong(upgrade=None)
    wrong(upgrade="h2c")
    wrong(connection=None)
    wrong(connection="keep-alive")


def test_protocols_that_were_not_offered():
    wrong(protocols=("a",), extra=["Sec-WebSocket-Protocol: b"])
    wrong(protocols=(), extra=["Sec-WebSocket-Protocol: b"])
    wrong(protocols=("a", "b"), extra=["Sec-WebSocket-Protocol: a, b"])
    wrong(protocols=("a", "b"), extra=["Sec-WebSocket-Protocol: a", "Sec-WebSocket-Protocol: b"])
    wrong(protocols=("a",), extra=["Sec-WebSocket-Protocol:"])


def test_extensions_are_never_offered():
    wrong(extra=["Sec-WebSocket-Extensions: permessage-deflate"])
    switched(extra=["Sec-WebSocket-Extensions:"])


def test_refusals():
    for status in (200, 301, 400, 401, 403, 404, 429, 500, 502, 503):
        error = refusal(f"HTTP/1.1 {status} Whatever", "Content-Length: 4", body="none")
        equal((error.status, error.reason), (status, "none"))
        equal(str(error), f"the server refused the connection with HTTP {status}: none")
        assert isinstance(error, OSError)
    equal(refusal("HTTP/1.1 404").status, 404)


def test_retry_after():
    equal(refusal("HTTP/1.1 429 x", "Retry-After: 7").retry_after, 7)
    equal(
        refusal("HTTP/1.1 429 x", "Retry-After: Wed, 21 Oct 2026 07:28:00 GMT").retry_after, None
    )
    equal(refusal("HTTP/1.1 429 x", "Retry-After: -1").retry_after, None)
    equal(refusal("HTTP/1.1 429 x").retry_after, None)


def test_content_length():
    for text, length in (("12", 12), ("-5", 0), ("x", 0), ("", 0)):
        handshake = Handshake()
        equal(answer(handshake, "HTTP/1.1 500 x", "Content-Length: " + text), length)


def test_this_is_not_http():
    for line in (
        b"",
        b"SSH-2.0-OpenSSH",
        b"HTTP/2 200",
        b"HTTP/1.1",
        b"HTTP/1.1 abc",
        b"\xff\xfe",
    ):
        raises(HandshakeError, Handshake().answer, line)


def test_odd_fields_are_passed_over():
    switched(extra=["no colon at all", ": no name", "X-Latin: \xe9", "Sec-WebSocket-Accepted: y"])
    handshake = Handshake()
    equal(handshake.answer(b"HTTP/1.1 400 x\r\nX: \xff\xfe\r\nContent-Length: 3"), 3)
