"""A credential that asks an application server for the client access URL, over HTTPS."""

import asyncio
import json

from .compat import const
from .credentials import refuse_open_line
from .errors import DeadlineError, HandshakeError, ProtocolError, TransportError
from .frames import Receiver
from .stream import default_tls_context, open_stream
from .url import host_header, is_loopback, parse_url

_BUFFER = const(1024)
# The whole head of an answer, in bytes.
_HEAD = const(8192)
# How much of a refusal's body is worth showing.
_REASON = const(160)


class Negotiate:
    """Ask `url` for a client access URL before each new connection; a recovery needs none.

    The application server answers a GET with `{"url": "wss://..."}`. url: https, or http to this
    machine itself. headers: a dict of str, such as {"Authorization": "Bearer " + key}; secrets are
    not shown anywhere. ssl: an SSL context, see webpubsub.tls (CPython: None verifies with the
    system's CA store). timeout: seconds for the whole exchange. max_size: largest body of an
    answer, in bytes. allow_insecure: take http:// to another machine, and a token for ws://, all
    the same: everybody on the way can read key and token.

    Raises:
        ValueError: the URL or a header is wrong, or https without a context on MicroPython.
    """

    def __init__(
        self, url, headers=None, ssl=None, timeout=30, max_size=8192, allow_insecure=False
    ):
        secure, host, port, target = parse_url(url)
        if not secure and not allow_insecure and not is_loopback(host):
            raise ValueError("a key over http:// can be read by others: use https://")
        lines = [
            "GET %s HTTP/1.1" % target,
            "Host: " + host_header(secure, host, port),
            "Accept: application/json",
            "Connection: close",
        ]
        for name, value in (headers or {}).items():
            lines.append("%s: %s" % (name, value))
        for line in lines:
            if "\r" in line or "\n" in line:
                raise ValueError("a header must not hold a line break")
        self._request = ("\r\n".join(lines) + "\r\n\r\n").encode()
        self._secrets = [value.split(" ")[-1] for value in (headers or {}).values()]
        self._ssl = (ssl or default_tls_context()) if secure else None
        self._host = host
        self._port = port
        self._timeout = timeout
        self._max = max_size
        self._allow_insecure = allow_insecure

    async def url(self):
        """The URL for a new connection: a secret.

        Raises:
            HandshakeError: the server refused; `.status` is its HTTP status, `.retry_after` the
                seconds that it asked to wait. Or its answer is of no use.
            DeadlineError: it did not answer in time.
            TransportError: it could not be reached, or TLS failed.
        """
        answer = _Answer(self._max)
        try:
            await asyncio.wait_for(self._exchange(answer), self._timeout)
        except asyncio.TimeoutError:
            if not answer.refused:
                raise DeadlineError("no answer from %s within %s s" % (self._host, self._timeout))
        if answer.status != 200:
            raise self._refusal(answer)
        return self._url(answer)

    async def _exchange(self, answer):
        stream = None
        try:
            stream = await open_stream(self._host, self._port, self._ssl)
            request, done = self._request, 0
            while done < len(request):
                count = stream.write_now(request, done, len(request) - done)
                done += count or 0
                if not count:
                    await stream.writable()
            stream.established()
            receiver = Receiver(_BUFFER, _BUFFER)
            while not answer.take(receiver):
                count = stream.read_now(receiver.space())
                if count:
                    receiver.filled(count)
                elif count == 0:
                    answer.end()
                    break
                else:
                    await stream.readable()
        except TransportError:
            raise
        except ProtocolError as error:
            raise HandshakeError(str(error), answer.status)
        except (OSError, ValueError) as error:
            # A certificate that does not verify is a ValueError in MicroPython.
            text = " ".join(str(error).split())
            what = "TLS" if self._ssl else "TCP"
            raise TransportError("%s with %s failed: %s" % (what, self._host, text))
        finally:
            if stream:
                stream.close()

    def _refusal(self, answer):
        reason = answer.text()[:_REASON].strip()
        # A page of HTML explains nothing, and nobody is to see a secret that the server echoes.
        if reason.startswith("<") or any(part and part in reason for part in self._secrets):
            reason = ""
        text = "%s refused to negotiate with HTTP %d" % (self._host, answer.status)
        if reason:
            text += ": " + reason
        return HandshakeError(text, answer.status, reason, answer.retry_after)

    def _url(self, answer):
        wrong = "no JSON object with a url"
        try:
            content = json.loads(answer.text())
            url = content.get("url") if isinstance(content, dict) else None
            if isinstance(url, str):
                wrong = "a url that is none"
                parse_url(url)
                if not self._allow_insecure and "access_token=" in url:
                    wrong = "a token for ws://, which others can read"
                    refuse_open_line(url)
                return url
        except ValueError:
            pass  # its text could quote the answer, which is a secret
        raise HandshakeError("the answer of %s is %s" % (self._host, wrong), answer.status)


# What comes next in an answer.
_STATUS = const(1)
_FIELD = const(2)
_CONTENT = const(3)
_CHUNK = const(4)
_CHUNK_END = const(5)
_DONE = const(0)


class _Answer:
    # An HTTP answer (RFC 9112) that is put together from what a Receiver holds.
    def __init__(self, max_size):
        self.status = 0
        self.retry_after = None
        self._max = max_size
        self._body = bytearray()
        self._head = 0  # bytes of it so far
        self._left = -1  # bytes of the body, or of its chunk, that are due; -1: until the end
        self._chunked = False
        self._next = _STATUS

    @property
    def refused(self):
        # Whether enough is there to say why the server refused.
        return self.status != 200 and self._next not in (_STATUS, _FIELD)

    def text(self):
        try:
            return str(self._body, "utf-8")
        except UnicodeError:
            return ""

    def take(self, receiver):
        # Takes what is there; True when the answer is complete.
        while self._next:
            if self._next == _CONTENT:
                data = receiver.take(_BUFFER if self._left < 0 else self._left)
                if not data and self._left:
                    return False
                self._content(data)
            else:
                line = receiver.line()
                if line is None:
                    return False
                self._head += len(line)
                if self._head > _HEAD:
                    raise HandshakeError("the head of the answer is too long", self.status)
                self._line(bytes(line))
        return True

    def end(self):
        # The server has closed the connection.
        until_end = self._next == _CONTENT and self._left < 0
        if not until_end and not self.refused:
            raise HandshakeError("the server closed the connection in mid-answer", self.status)

    def _line(self, line):
        if self._next == _FIELD and line:
            self._field(line)
        elif self._next == _FIELD:
            self._head_done()
        elif self._next == _STATUS:
            parts = line.split(None, 2)
            if len(parts) < 2 or parts[0][:7] != b"HTTP/1." or not parts[1].isdigit():
                raise HandshakeError("the server's answer is not HTTP")
            self.status = int(parts[1])
            self._next = _FIELD
        elif self._next == _CHUNK:
            self._chunk(line)
        else:
            self._next = _CHUNK

    def _field(self, line):
        name, _, value = line.partition(b":")
        name = name.strip().lower()
        value = value.strip()
        if name == b"content-length":
            if not value.isdigit():
                raise HandshakeError("the answer has a broken length", self.status)
            self._left = int(value)
        elif name == b"transfer-encoding":
            self._chunked = value.lower() == b"chunked"
        elif name == b"retry-after" and value.isdigit():
            self.retry_after = int(value)

    def _head_done(self):
        if 100 <= self.status < 200:
            self._next = _STATUS  # more is to come (RFC 9110, section 15.2)
        elif self.status in (204, 304):
            self._next = _DONE
        else:
            self._next = _CHUNK if self._chunked else _CONTENT

    def _chunk(self, line):
        try:
            self._left = int(line.partition(b";")[0], 16)
        except ValueError:
            self._left = -1
        if self._left < 0:
            raise HandshakeError("the answer has a broken chunk", self.status)
        self._head = 0
        # The fields behind the last chunk say nothing that is needed here.
        self._next = _CONTENT if self._left else _DONE

    def _content(self, data):
        if self.status == 200 and len(self._body) + max(len(data), self._left) > self._max:
            raise HandshakeError("the answer is too long", self.status)
        self._body.extend(data)
        self._left -= len(data) if self._left > 0 else 0
        if self.status != 200 and len(self._body) >= _REASON:
            self._next = _DONE  # of a refusal the beginning is enough
        elif not self._left:
            self._next = _CHUNK_END if self._chunked else _DONE
