"""A credential that asks an application server for the client access URL, over HTTPS."""

import asyncio
import json

from .compat import const
from .errors import DeadlineError, HandshakeError, OutOfMemory, TransportError
from .memory import once

_BUFFER = const(1024)
# The whole head of an answer, in bytes.
_HEAD = const(8192)
# How much of a refusal's body is worth showing.
_REASON = const(160)
_ANY = const(1 << 29)


class Negotiate:
    """Ask `url` for a client access URL before each new session; a recovery needs none.

    The application server answers a GET with `{"url": "wss://..."}`. url: https, or http to this
    machine itself. headers: a dict of str, such as {"Authorization": "Bearer " + key}; secrets are
    not shown anywhere. ssl: an SSL context, see webpubsub.tls (CPython: None verifies with the
    system's CA store). timeout: seconds for the whole exchange. max_size: largest body of an
    answer, in bytes. allow_insecure: take http:// to another machine, and a token for ws://, all
    the same: everybody on the way can read key and token.

    request: what is sent, bytes: a secret, with headers.

    Raises:
        ValueError: the URL or a header is wrong, or https without a context on MicroPython.
    """

    def __init__(
        self, url, headers=None, ssl=None, timeout=30, max_size=8192, allow_insecure=False
    ):
        once("webpubsub.arguments").check(
            "negotiate", url, headers, headers, ssl, timeout, max_size
        )
        tools = once("webpubsub.url")
        secure, host, port, target = tools.parse_url(url)
        access = once("webpubsub.access_url")
        if not secure and not allow_insecure and not access.is_loopback(host):
            raise ValueError("a key over http:// can be read by others: use https://")
        request = "GET %s HTTP/1.1\r\nHost: %s\r\n" % (
            target,
            tools.host_header(secure, host, port),
        )
        self._secrets = []
        for name, value in (headers or {}).items():
            line = "%s: %s" % (name, value)
            if "\r" in line or "\n" in line:
                raise ValueError("a header must not hold a line break")
            request += line + "\r\n"
            self._secrets.append(value.split(" ")[-1])
        request += "Accept: application/json\r\nConnection: close\r\n\r\n"
        self.request = request.encode()
        if not secure:
            ssl = None
        elif ssl is None:
            ssl = once("webpubsub.sockets").default_tls_context()
        self._server = host, port, ssl
        self._timeout = timeout
        self._max = max_size
        self._allow_insecure = allow_insecure

    async def url(self):
        """The URL for a new connection: a secret.

        Raises:
            HandshakeError: the server refused; `.status` is its HTTP status, `.retry_after` the
                seconds that it asked to wait. Or its answer is of no use.
            DeadlineError: it did not answer in time.
            TransportError: it could not be reached, or TLS failed; OutOfMemory, a TransportError,
                for want of memory.
        """
        host = self._server[0]
        data = bytearray()
        try:
            await asyncio.wait_for(self._exchange(data), self._timeout)
        except asyncio.TimeoutError:
            # Of a refusal the beginning is enough.
            if parse_answer(data, self._max)[0] in (0, 200):
                raise DeadlineError("no answer from %s within %s s" % (host, self._timeout))
        except TransportError:
            raise
        except (OSError, ValueError) as error:
            # A certificate that does not verify is a ValueError in MicroPython.
            tools = once("webpubsub.strerror")
            if tools.is_shortage(error):
                raise OutOfMemory("no memory for TLS with %s" % host)
            text = tools.error_text(error, self._server[2])
            raise TransportError("the exchange with %s failed: %s" % (host, text))
        return self.url_in(data)

    async def _exchange(self, data):
        # Lets `data` grow to an answer, or what there is of it when the connection ends.
        stream = await once("webpubsub.sockets").open_stream(*self._server)
        try:
            await once("webpubsub.opening").write_first(stream, self.request)
            space = memoryview(bytearray(_BUFFER))
            while parse_answer(data, self._max)[1]:
                count = stream.read_now(space)
                if count:
                    data.extend(space[:count])
                elif count == 0:
                    break
                else:
                    await stream.readable()
        finally:
            stream.close()

    def url_in(self, data):
        """The URL in an answer that is over: a secret. Raises HandshakeError, as `url` does.

        data: bytes-like, from the beginning of the answer."""
        host = self._server[0]
        status, left, body, pause = parse_answer(data, self._max)
        if status not in (0, 200):
            try:
                reason = str(body, "utf-8")[:_REASON].strip()
            except UnicodeError:
                reason = ""
            # A page of HTML explains nothing, and nobody is to see a secret that is echoed.
            for secret in self._secrets:
                # Nor the beginning of one, where the reason was cut.
                cut = any(secret.startswith(reason[at:]) for at in range(len(reason) - 3))
                if secret and (cut or secret in reason):
                    reason = ""
            if reason[:1] == "<":
                reason = ""
            text = "%s refused to negotiate with HTTP %d" % (host, status)
            raise HandshakeError(text + (reason and ": " + reason), status, reason, pause)
        wrong = "cut off"
        if left <= 0:
            wrong = "no JSON object with a url"
            try:
                url = json.loads(body)["url"]
                wrong = "a url that is none"
                once("webpubsub.url").parse_url(url)
                if not self._allow_insecure and "access_token=" in url:
                    wrong = "a token for ws://, which others can read"
                    once("webpubsub.access_url").refuse_open_line(url)
                return url
            except (ValueError, KeyError, TypeError, AttributeError):
                pass  # its text could quote the answer, which is a secret
        raise HandshakeError("the answer of %s is %s" % (host, wrong), status)


def parse_answer(data, most):
    """What there is of an HTTP answer (RFC 9112), without I/O.

    data: bytes-like, from its beginning. most: bytes of the largest body.

    Returns its status, 0 while the head is not complete; how many bytes are due at least, 0 when
    it is complete, -1 until the end of the connection; its body so far; the seconds for which it
    asks to wait, or None.

    Raises:
        HandshakeError: it is no such answer, or too long.
    """
    status = 0
    try:
        # Chunks may take as much as what is in them.
        if len(data) > _HEAD + 2 * most:
            raise ValueError
        body = bytes(data)
        while status < 200:  # after each of 1xx, more is to come (RFC 9110, section 15.2)
            head, mark, body = body.partition(b"\r\n\r\n")
            lines = head.lower().split(b"\r\n")
            if mark or len(lines) > 1:
                if head[:7] != b"HTTP/1." or not head[9:12].isdigit():
                    raise HandshakeError("the server's answer is not HTTP")
                status = int(head[9:12])
            if len(head) > _HEAD:
                raise ValueError
            if not mark:
                return 0, 1, body, None
        if status != 200:
            most = _ANY
        fields = {}
        for line in lines:
            name, _, value = line.partition(b":")
            fields[name] = value.strip()
        left = -1
        if status in (204, 304):
            left = 0
        elif fields.get(b"transfer-encoding") == b"chunked":
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
        if status != 200 and len(body) >= _REASON:
            left = 0  # of a refusal the beginning is enough
        pause = fields.get(b"retry-after", b"")
        return status, left, body, int(pause) if pause.isdigit() else None
    except ValueError:
        raise HandshakeError("the answer is too long, or has a broken length", status)
