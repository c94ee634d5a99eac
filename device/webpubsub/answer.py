"""The client's opening handshake (RFC 6455, section 4.1): a look at the answer.

Plain functions without state, for `once`.
"""

from .errors import HandshakeError

# How many bytes of a refusal's body are worth showing.
LONGEST_REASON = 160


def chosen(head, body, accept, protocols):
    """The subprotocol of an answer; see `protocol_of`. head: bytes without the empty line.

    body: bytes, the beginning of a refusal's. Raises HandshakeError.

    accept, protocols: as for `protocol_of`.
    """
    status, fields = fields_of(head)
    if status == 101:
        return protocol_of(fields, accept, protocols)
    # A body that is not there as announced is no reason to show.
    length = min(number(fields, b"content-length") or 0, LONGEST_REASON)
    try:
        reason = str(body[:length], "utf-8").strip() if len(body) >= length else ""
    except UnicodeError:
        reason = ""
    raise refusal(status, fields, reason)


def fields_of(head):
    """Take the head of an HTTP answer apart: bytes without the empty line.

    Returns (status, fields): the status as int, the header fields as a dict of bytes, with
    names in lower case.

    Raises:
        HandshakeError: this is not HTTP.
    """
    lines = bytes(head).split(b"\r\n")
    status = lines[0].split(b" ", 2)
    if len(status) < 2 or not status[0].startswith(b"HTTP/1.") or not status[1].isdigit():
        raise HandshakeError("the server's answer is not HTTP")
    fields = {}
    for line in lines[1:]:
        name, _, value = line.partition(b":")
        name = name.strip().lower()
        value = value.strip()
        # RFC 9110, section 5.2. Of two subprotocols this makes one that was not offered.
        fields[name] = fields[name] + b", " + value if name in fields else value
    return int(status[1]), fields


def number(fields, name):
    """A header field as a number; None when it is not there, or none.

    fields: dict of str, names in lower case. name: the one to read."""
    value = fields.get(name, b"")
    return int(value) if value.isdigit() else None


def refusal(status, fields, body):
    """The error for an answer that does not switch protocols; body: str, as the reason.

    status: the HTTP status, int. fields: dict of str, names in lower case."""
    text = "the server refused the connection with HTTP %d" % status
    if body:
        text += ": " + body
    return HandshakeError(text, status, body, number(fields, b"retry-after"))


def protocol_of(fields, accept, protocols):
    """Check an answer of status 101 against RFC 6455, section 4.1, items 2 to 6.

    accept: the Sec-WebSocket-Accept that belongs to the request. protocols: what was offered.
    Returns the subprotocol that the server chose, or None.

    Raises:
        HandshakeError: a wrong answer.

    fields: header fields of the answer, a dict of str, names in lower case.
    """
    protocol = fields.get(b"sec-websocket-protocol")
    tokens = [token.strip() for token in fields.get(b"connection", b"").lower().split(b",")]
    wrong = None
    if fields.get(b"upgrade", b"").lower() != b"websocket" or b"upgrade" not in tokens:
        wrong = "no upgrade to WebSocket"
    elif fields.get(b"sec-websocket-accept") != accept:
        wrong = "wrong Sec-WebSocket-Accept"
    elif fields.get(b"sec-websocket-extensions"):
        wrong = "an extension that was not offered"
    elif protocol is not None and protocol.lower() not in [
        offered.lower().encode() for offered in protocols
    ]:
        wrong = "a subprotocol that was not offered"
    if wrong:
        raise HandshakeError("the server's answer to the upgrade is wrong: " + wrong, 101)
    return protocol and protocol.decode()
