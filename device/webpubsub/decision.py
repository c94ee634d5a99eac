"""What an HTTP answer says: that it goes on with WebSocket (RFC 6455, section 4.1), or why not.

Plain functions without state, for `once`.
"""

from .compat import const
from .errors import HandshakeError
from .memory import once

# How many bytes of a refusal's body are worth showing.
_REASON = const(160)


def number(fields, name):
    """A header field as a number; None when it is not there, or none.

    fields: dict of bytes, names in lower case. name: the one to read."""
    value = fields.get(name, b"")
    return int(value) if value.isdigit() else None


def reason_of(body):
    """What the body of a refusal says for people, in one line; nothing if that is no text.

    body: bytes, its beginning."""
    body = body[:_REASON]
    for _ in range(4):
        try:
            text = " ".join(str(body, "utf-8").split())
            return "" if text[:1] == "<" else text  # a page of HTML explains nothing
        except UnicodeError:
            body = body[:-1]  # it may be cut within a character
    return ""


def refusal(status, fields, reason, what="the server refused the connection"):
    """The error for an answer that is not what was asked for; it says where a redirect leads.

    status: the HTTP status, int. fields: dict of bytes, names in lower case. reason: str, from
    the body. what: beginning of the text."""
    text = "%s with HTTP %d" % (what, status)
    where = fields.get(b"location", b"") if status // 100 == 3 else b""
    # Without its query, which often is that of the request, with secrets.
    where = where and reason_of(b"moved to " + where.partition(b"#")[0].partition(b"?")[0])
    for part in (reason, where):
        if part:
            text += ": " + part
    pause = number(fields, b"retry-after")
    if pause is None and b"retry-after" in fields:
        pause = once("webpubsub.http_date").seconds_until(fields, b"retry-after")
    return HandshakeError(text, status, reason or where or "", pause)


def protocol_of(fields, accept, protocols):
    """Check an answer of status 101 against RFC 6455, section 4.1, items 2 to 6.

    accept: the Sec-WebSocket-Accept that belongs to the request. protocols: what was offered.
    Returns the subprotocol that the server chose, or None.

    Raises:
        HandshakeError: a wrong answer.

    fields: header fields of the answer, a dict of bytes, names in lower case.
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
