"""A credential that asks an application server for the client access URL, over HTTPS."""

import asyncio
import json

from .compat import const
from .errors import DeadlineError, HandshakeError, OutOfMemory, TransportError
from .memory import is_room_for_tls, once
from .stream import good_addresses

_BUFFER = const(1024)


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
        fields = tools.host_header(secure, host, port)
        fields = once("webpubsub.handshake").fields(fields, headers)
        self._secrets = [value.split(" ")[-1] for value in (headers or {}).values()]
        self.request = (
            "GET %s HTTP/1.1\r\n%sAccept: application/json\r\nConnection: close\r\n\r\n"
            % (target, fields)
        ).encode()
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
            where = await asyncio.wait_for(self._exchange(data), self._timeout)
        except asyncio.TimeoutError:
            # Of a refusal the beginning is enough.
            if once("webpubsub.answer").parse(data, self._max)[0] in (0, 200):
                raise DeadlineError("no answer from %s within %s s" % (host, self._timeout))
        except TransportError:
            raise
        except (MemoryError, OSError, ValueError) as error:
            # A certificate that does not verify is a ValueError in MicroPython.
            tools = once("webpubsub.strerror")
            if tools.is_shortage(error):
                raise OutOfMemory("no memory for TLS with %s" % host)
            text = tools.error_text(error, self._server[2])
            raise TransportError("the exchange with %s failed: %s" % (host, text))
        url = self.url_in(data)
        good_addresses[where[0]] = where[1]
        return url

    async def _exchange(self, data):
        # Lets `data` grow to an answer, or what there is of it when the connection ends. Returns
        # the address that it came from.
        scarce = stream = None
        try:
            if self._server[2]:
                await once("webpubsub.opening").wait_for_room()
                scarce = not is_room_for_tls()
            stream = await once("webpubsub.sockets").open_stream(*self._server)
            await once("webpubsub.opening").write_first(stream, self.request)
            space = memoryview(bytearray(_BUFFER))
            parse = once("webpubsub.answer").parse
            while parse(data, self._max)[1]:
                count = stream.read_now(space)
                if count:
                    data.extend(space[:count])
                elif count == 0:
                    break
                else:
                    await stream.readable()
            return stream.address
        except (OSError, ValueError) as error:
            # mbedTLS calls a certificate wrong that it has no memory to check.
            if scarce and not isinstance(error, TransportError):
                raise MemoryError
            raise
        finally:
            if stream:
                stream.close()

    def url_in(self, data):
        """The URL in an answer that is over: a secret. Raises HandshakeError, as `url` does.

        data: bytes-like, from the beginning of the answer."""
        host = self._server[0]
        status, left, body, fields = once("webpubsub.answer").parse(data, self._max)
        if status not in (0, 200):
            tools = once("webpubsub.decision")
            what = host + " refused to negotiate"
            error = tools.refusal(status, fields, tools.reason_of(body), what)
            text = str(error)
            # Nobody is to see a secret that is echoed.
            for secret in self._secrets:
                # Nor the beginning of one, where the reason was cut.
                cut = any(secret.startswith(text[at:]) for at in range(len(text) - 3))
                if secret and (cut or secret in text):
                    fields.pop(b"location", None)
                    error = tools.refusal(status, fields, "", what)
            raise error
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
