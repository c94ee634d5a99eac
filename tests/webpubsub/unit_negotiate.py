"""The answer of an application server: taken in pieces, bounded, and checked."""

from checks import equal, raises
from webpubsub.answer import parse
from webpubsub.decision import number
from webpubsub.errors import HandshakeError
from webpubsub.negotiate import Negotiate

URL = "wss://h/client/hubs/a?access_token=head.s3cret.sign"
BODY = '{"url": "' + URL + '"}'


class Answer:
    """What was read, as `parse` sees it; `refused`: enough is there to say why."""

    def __init__(self, data, size):
        self.data = data
        self.status, self.left, self.body, fields = parse(data, size)
        self.retry_after = number(fields or {}, b"retry-after")
        self.refused = self.status not in (0, 200)

    def text(self):
        return str(self.body, "utf-8")


def answered(data, piece=None, size=512, ended=False):
    """Feed an answer in pieces; returns it, and whether it was complete before the end."""
    data = data.encode()
    taken = bytearray()
    answer = Answer(taken, size)
    while data and answer.left:
        count = min(len(data), piece or 256)
        taken.extend(data[:count])
        data = data[count:]
        answer = Answer(taken, size)
    done = not answer.left
    if ended and not done and not answer.refused and answer.left > 0:
        negotiate(max_size=size).url_in(taken)
        raise AssertionError("an answer that was cut short has a URL")
    return answer, done


def head(*fields, status="200 OK"):
    return "\r\n".join(["HTTP/1.1 " + status] + list(fields)) + "\r\n\r\n"  # noqa: RUF005


def negotiate(**options):
    return Negotiate("http://127.0.0.1:1/negotiate", **options)


def url_of(body, **options):
    answer, _ = answered(head(f"Content-Length: {len(body.encode())}") + body)
    return negotiate(**options).url_in(answer.data)


def refusal(answer, **options):
    return raises(HandshakeError, negotiate(**options).url_in, answer.data)


def test_a_length_in_every_split():
    data = head("Content-Type: application/json", f"content-LENGTH: {len(BODY)}") + BODY
    for piece in range(1, len(data) + 1):
        answer, done = answered(data, piece)
        equal((answer.status, answer.text(), done), (200, BODY, True))


def test_chunks_in_every_split():
    middle = len(BODY) // 2
    chunks = "".join(
        f"{len(part):X}{more}\r\n{part}\r\n"
        for part, more in ((BODY[:middle], ";name=value"), (BODY[middle:], ""))
    )
    data = head("Transfer-Encoding: chunked") + chunks + "0\r\n\r\n"
    for piece in range(1, len(data) + 1):
        answer, done = answered(data, piece)
        equal((answer.status, answer.text(), done), (200, BODY, True))


def test_a_body_until_the_end():
    answer, done = answered(head() + BODY, 7, ended=True)
    equal((answer.status, answer.text(), done), (200, BODY, False))


def test_answers_before_the_answer():
    data = head("Link: x", status="103 Early Hints") + head("Content-Length: 2") + "{}"
    answer, done = answered(data)
    equal((answer.status, answer.text(), done), (200, "{}", True))


def test_answers_without_a_body():
    for data in (head("Content-Length: 0"), head(status="204 No Content"), head(status="304")):
        answer, done = answered(data)
        equal((answer.text(), done), ("", True))


def test_answers_that_are_none():
    for data in (
        "rubbish\r\n",
        "HTTP/1.1\r\n",
        "HTTP/1.1 two hundred\r\n",
        "SIP/2.0 200 OK\r\n",
        head("Content-Length: -1"),
        head("Content-Length: ten"),
        head("Transfer-Encoding: chunked") + "xyz\r\n",
        head("Transfer-Encoding: chunked") + "-5\r\n",
    ):
        raises(HandshakeError, answered, data)


def test_answers_that_are_cut_short():
    chunked = head("Transfer-Encoding: chunked")
    for data in (
        "",
        "HTTP/1.1 200",
        "HTTP/1.1 200 OK\r\nContent-",
        head("Content-Length: 10") + "{}",
        chunked,
        chunked + "5\r\n{",
        chunked + "2\r\n{}",
        chunked + "2\r\n{}\r\n",
    ):
        raises(HandshakeError, answered, data, ended=True)


def test_answers_that_are_too_long():
    """They are refused before they are there."""
    raises(HandshakeError, answered, head("Content-Length: 513") + "x")
    raises(HandshakeError, answered, head("Transfer-Encoding: chunked") + "FFFFFFF\r\nx")
    raises(HandshakeError, answered, head() + "x" * 513)
    raises(HandshakeError, answered, "HTTP/1.1 200 OK\r\n" + "a: b\r\n" * 3000)
    answer, done = answered(head("Content-Length: 512") + "x" * 512)
    equal((len(answer.text()), done), (512, True))


def test_refusals():
    data = head("Retry-After: 17", "Content-Length: 5", status="429 Too Many") + "wait\n"
    answer, done = answered(data)
    equal((answer.status, answer.retry_after, done), (429, 17, True))
    error = refusal(answer)
    equal((error.status, error.reason, error.retry_after), (429, "wait", 17))
    equal(str(error), "127.0.0.1 refused to negotiate with HTTP 429: wait")
    answer, _ = answered(head("Retry-After: Mon, 23 Nov", status="503"), ended=True)
    equal((answer.status, answer.retry_after), (503, None))


def test_of_a_long_refusal_the_beginning_is_shown():
    data = head("Content-Length: 90000", status="502 Bad Gateway") + "x" * 5000
    answer, done = answered(data)
    equal((answer.status, done), (502, True))
    equal(len(refusal(answer).reason), 160)


def test_a_refusal_that_is_cut_short_still_counts():
    for data in (head("Content-Length: 9", status="403") + "n", head(status="401")):
        answer, _ = answered(data, ended=True)
        assert answer.refused
    assert not answered("HTTP/1.1 401 No\r\nContent-")[0].refused


def test_a_refusal_shows_no_page_and_no_secret():
    for body in ("<html>no</html>", "wrong key s3cret!", "Authorization: Bearer s3cret"):
        answer, _ = answered(head(f"Content-Length: {len(body)}", status="401 No") + body)
        error = refusal(answer, headers={"Authorization": "Bearer s3cret"})
        equal(str(error), "127.0.0.1 refused to negotiate with HTTP 401")
    # A secret that is cut off with the rest of a long reason.
    body = "x" * 140 + " Bearer s3cret-of-more-than-a-few-letters"
    answer, _ = answered(head(f"Content-Length: {len(body)}", status="401 No") + body)
    headers = {"Authorization": "Bearer s3cret-of-more-than-a-few-letters"}
    equal(refusal(answer, headers=headers).reason, "")
    answer, _ = answered(head("Content-Length: 5", status="401 No") + "a < b")
    equal(refusal(answer, headers={"X-Empty": ""}).reason, "a < b")


def test_the_url():
    equal(url_of(BODY), URL)
    loopback = "ws://127.0.0.1:7/client/hubs/a?access_token=x.y.z"
    equal(url_of('{"more": [1], "url": "' + loopback + '"}'), loopback)
    equal(url_of('{"url": "ws://h/client?hub=a"}'), "ws://h/client?hub=a")


def test_urls_that_are_none():
    for body in (
        "",
        "s3cret",
        "[]",
        '"wss://h/s3cret"',
        "{}",
        '{"url": null}',
        '{"url": 7}',
        '{"url": ""}',
        '{"url": "h/s3cret"}',
        '{"url": "ftp://h/?access_token=s3cret"}',
        '{"url": "wss://h/ s3cret"}',
        '{"url": "ws://h/?access_token=s3cret"}',
        '{"Url": "wss://h/s3cret"}',
    ):
        error = raises(HandshakeError, url_of, body)
        assert "s3cret" not in str(error), error
        equal(error.status, 200)
    open_line = "ws://h/client/hubs/a?access_token=x.y.z"
    equal(url_of('{"url": "' + open_line + '"}', allow_insecure=True), open_line)


def test_where_it_may_ask():
    for url in ("http://h/negotiate", "ws://10.0.0.1/n", "http://127.0.0.1.example.com/"):
        error = raises(ValueError, Negotiate, url)
        assert "https://" in str(error)
        Negotiate(url, allow_insecure=True)
    for url in ("", "h/negotiate", "https://", "https://u:p@h/", "http://localhost/ x"):
        raises(ValueError, Negotiate, url)
    for url in ("http://localhost:8081/negotiate", "http://[::1]:8081/negotiate?id=CP-7"):
        Negotiate(url)


def test_the_request():
    one = Negotiate("http://localhost:81/negotiate?id=7", headers={"X-Key": "s3cret", "A": "b c"})
    lines = one.request.decode().split("\r\n")
    equal(lines[:2], ["GET /negotiate?id=7 HTTP/1.1", "Host: localhost:81"])
    assert "X-Key: s3cret" in lines
    assert "A: b c" in lines
    equal(lines[-2:], ["", ""])
    assert "s3cret" not in repr(one) + str(one)
    for name, value in (("a\n", "b"), ("a", "b\r\nc: d")):
        raises(ValueError, negotiate, headers={name: value})


def test_interim_answers_without_end():
    interim = head(status="100 Continue")
    equal(answered(interim * 3 + head("Content-Length: 2") + "{}")[0].text(), "{}")
    equal(parse(bytearray(interim * 300, "utf-8"), 512)[:2], (0, 1))
    raises(HandshakeError, parse, bytearray(interim * 400, "utf-8"), 512)
