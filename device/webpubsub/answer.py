"""HTTP answers (RFC 9112), to an upgrade and to a negotiation, as far as they have come.

Plain functions without state, for `once`.
"""

from .compat import const
from .errors import HandshakeError

# How many bytes of a refusal's body are worth showing; as in decision.py.
_REASON = const(160)
# All heads of an answer together, in bytes.
_HEAD = const(8192)
_ANY = const(1 << 29)


def parse(data, most):
    """What there is of an answer so far.

    data: a bytearray. most: bytes of the largest body to take of an answer of status 200; 0 when
    any body is a refusal's, of which the beginning is enough.

    Returns (status, left, body, fields). status: 0 while the head is not complete. left: how many
    bytes are due at least, 0 when there is enough, -1 until the end of the connection. body: so
    far; with a status of 101, where in data begins what follows. fields: see `fields_of`.

    Raises:
        HandshakeError: this is not HTTP, too long, or, where a body is wanted, of a broken length.
    """
    status = left = start = 0
    try:
        # Chunks may take as much as what is in them.
        if len(data) > _HEAD + 2 * (most or _REASON):
            raise ValueError
        while status < 200:  # after others of 1xx, more is to come (RFC 9110, section 15.2)
            end = data.find(b"\r\n\r\n", start)
            head = bytes(data[start:] if end < 0 else data[start:end])
            if head[:7] != b"HTTP/1."[: len(head)]:
                raise HandshakeError("the server's answer is not HTTP")
            if len(head) > _HEAD:
                raise ValueError
            if end < 0:
                line, mark, _ = head.partition(b"\r\n")
                if mark:
                    fields_of(line)  # what is wrong from the start need not be waited for
                return 0, 1, b"", None
            status, fields = fields_of(head)
            start = end + 4
            if status == 101:
                return 101, 0, start, fields
        body = bytes(data[start:])
        if status != 200 or not most:
            most = _ANY
        left = -1
        if status in (204, 304):
            left = 0
        elif fields.get(b"transfer-encoding", b"").lower().endswith(b"chunked"):
            body, rest = b"", body
            while left:
                line, mark, rest = rest.partition(b"\r\n")
                if not mark:
                    left = 1
                    break
                # The fields behind the last chunk say nothing that is needed here.
                left = int(line.partition(b";")[0], 16)
                if not 0 <= left <= most - len(body):
                    raise ValueError
                body += rest[:left]
                rest = rest[left + 2 :]
        elif b"content-length" in fields:
            size = int(fields[b"content-length"])
            if not 0 <= size <= most:
                raise ValueError
            body = body[:size]
            left = size - len(body)
        if len(body) > most:
            raise ValueError
    except ValueError:
        if most != _ANY:
            raise HandshakeError("the answer is too long, or has a broken length", status)
        left = 0  # of a refusal the status counts
    if most == _ANY and len(body) >= _REASON:
        left = 0
    if body[:3] == b"\xef\xbb\xbf":  # a byte order mark, which JSON has no place for (RFC 8259)
        body = body[3:]
    return status, left, body, fields


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
