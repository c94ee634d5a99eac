"""HTTP answers to an upgrade: in pieces, after interim ones, and whatever frames their body."""

from checks import equal, raises
from webpubsub.answer import parse
from webpubsub.decision import reason_of, refusal
from webpubsub.errors import HandshakeError

BODY = b"Hub 'h' is not allowed."
SWITCHED = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n"


def refused(*fields, status=403):
    return b"\r\n".join((b"HTTP/1.1 %d No" % status,) + fields) + b"\r\n\r\n"  # noqa: RUF005


def parsed(data):
    return parse(bytearray(data), 0)


def refusal_in(data):
    """The status, what is due, and the reason of an answer."""
    status, left, body, fields = parsed(data)
    error = refusal(status, fields, reason_of(body))
    equal((error.status, error.retry_after), (status, None))
    equal(str(error), f"the server refused the connection with HTTP {status}" + said(error.reason))
    return status, left, error.reason


def said(reason):
    return ": " + reason if reason else ""


def test_what_follows_a_101_is_not_touched():
    for rest in (b"", b"\x81\x02hi", b"\r\n\r\n", b"\xef\xbb\xbf"):
        equal(parsed(SWITCHED + rest)[:3], (101, 0, len(SWITCHED)))


def test_interim_answers_are_passed_over():
    for interim in (
        b"HTTP/1.1 100 Continue\r\n\r\n",
        b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\nUpgrade: x\r\n\r\n",
        b"HTTP/1.1 102\r\nA: b\r\n\r\nHTTP/1.1 199 y\r\n\r\n",
    ):
        data = interim + SWITCHED
        for size in range(len(data)):
            equal(parsed(data[:size])[:2], (0, 1))
        status, left, end, fields = parsed(data + b"rest")
        equal((status, left, end), (101, 0, len(data)))
        equal(fields, {b"upgrade": b"websocket"})
        equal(refusal_in(interim + refused(b"Content-Length: 2") + b"no"), (403, 0, "no"))


def test_the_reason_is_there_whatever_frames_it():
    for data in (
        refused(b"Content-Length: 23") + BODY,
        refused(b"Content-Length: 23") + BODY + b"more",
        refused(b"Transfer-Encoding: chunked") + b"17\r\n" + BODY + b"\r\n0\r\n\r\n",
        # The Content-Length does not count beside chunks (RFC 9112, section 6.3).
        refused(b"Content-Length: 3", b"Transfer-Encoding: gzip, Chunked")
        + b"5;a=b\r\n"
        + BODY[:5]
        + b"\r\n12\r\n"
        + BODY[5:]
        + b"\r\n0\r\nA: b\r\n\r\n",
    ):
        equal(refusal_in(data), (403, 0, BODY.decode()))
    equal(refusal_in(refused() + BODY), (403, -1, BODY.decode()))
    equal(refusal_in(refused(status=200) + BODY), (200, -1, BODY.decode()))


def test_of_a_long_reason_the_beginning_is_enough():
    for fields in ((), (b"Content-Length: 9999999",)):
        equal(refusal_in(refused(*fields) + b"x" * 5000), (403, 0, "x" * 160))
    chunk = refused(b"Transfer-Encoding: chunked") + b"FFFFFF\r\n"
    equal(refusal_in(chunk + b"x" * 159)[:2], (403, 1))
    equal(refusal_in(chunk + b"x" * 160), (403, 0, "x" * 160))


def test_a_reason_that_is_cut_within_a_character():
    for text in ("\u00fc", "\u2603", "\U0001f50b"):
        for shift in range(4):
            complete = "x" * shift + text * 80
            found = refusal_in(refused() + complete.encode())[2]
            assert complete.startswith(found), found
            assert len(found.encode()) > 156, found
    # That what comes last is missing is no reason to keep the rest back, either.
    equal(refusal_in(refused(b"Content-Length: 9") + "stra\u00dfe".encode()[:5])[2], "stra")


def test_reasons_that_are_none():
    for body in (
        b"\x1f\x8b\x08\x00 gzip",
        b"\xff\xfen\x00o\x00",
        b"<html>No</html>",
        b"",
        b" \r\n",
    ):
        equal(refusal_in(refused() + body)[2], "")
    equal(refusal_in(refused() + b"\xef\xbb\xbfone\r\ntwo\r\n")[2], "one two")


def test_a_redirect_says_where_to():
    where = b"Location: https://new.example/client?access_token=s3cret"
    for status in (301, 302, 307, 308):
        equal(
            refusal_in(refused(where, b"Content-Length: 0", status=status)),
            (status, 0, "moved to https://new.example/client"),
        )
    equal(refusal_in(refused(b"Location: /a#s3cret", status=303) + b"<html>")[2], "moved to /a")
    error = refusal(307, {b"location": b"/b"}, "no, thanks")
    equal(error.reason, "no, thanks")
    assert str(error).endswith("HTTP 307: no, thanks: moved to /b"), error
    # It means something else there (RFC 9110, section 10.2.2).
    equal(refusal_in(refused(where, status=403) + b"no")[2], "no")


def test_a_broken_length_does_not_hide_the_status():
    for field in (b"Content-Length: ten", b"Content-Length: -1", b"Content-Length: 2, 3"):
        equal(refusal_in(refused(field) + b"no")[:2], (403, 0))
    equal(refusal_in(refused(b"Transfer-Encoding: chunked") + b"xyz\r\nno")[:2], (403, 0))


def test_what_is_no_answer():
    for data in (
        b"SSH-2.0-x\r\n",
        b"\x15\x03\x01",
        b"HTTQ",
        b"HTTP/2",
        b"\r\n\r\n",
        b"HTTP/1.1\r\n",
    ):
        assert "not HTTP" in str(raises(HandshakeError, parsed, data))
    assert "not HTTP" in str(raises(HandshakeError, parsed, b"HTTP/1.1 100 x\r\n\r\nSSH"))


def test_heads_without_end():
    for size in (8100, 8300):
        data = b"HTTP/1.1 101 x\r\nA: " + bytes(size)
        if size < 8192:
            equal(parsed(data)[:2], (0, 1))
        else:
            for end in (b"", b"\r\n\r\n"):
                assert "too long" in str(raises(HandshakeError, parsed, data + end))
    interim = b"HTTP/1.1 100 x\r\n\r\n"
    assert "too long" in str(raises(HandshakeError, parsed, interim * 500))
