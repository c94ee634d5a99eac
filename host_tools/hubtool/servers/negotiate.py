"""A small application server: it checks a device's key and hands out a client access URL.

    GET /negotiate  ->  {"url": "wss://.../client/hubs/chargers?access_token=..."}

The device shows id and key by Basic authentication (RFC 7617), or the key as a bearer token and
the id in the query (`?id=CP-7`). Azure's own examples answer in the same form.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import ipaddress
import math
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from aiohttp import web
from micropython_webpubsub.hosts import ip_address, parse_host

from ..console import printable, say
from ..errors import HubtoolError
from ..secrets import Secret
from ..tokens.maker import TokenMaker
from .negotiate_table import SHORTEST_KEY, Certificate, DeviceKeys, NegotiateTable
from .rate_limit import RateLimit
from .report import BoundedReport, Report
from .running import listening

# Seconds: by then a device has given up; a service that needs longer has trouble.
DEADLINE = 25.0
_RETRY_AFTER = 10
_LARGEST_BODY = 4096
_HEADERS = {"Cache-Control": "no-store"}


def make_app(
    table: NegotiateTable,
    *,
    folder: Path | None = None,
    report: Report = say,
    maker: TokenMaker | None = None,
) -> web.Application:
    """An aiohttp application with the path `/negotiate`.

    Args:
        table: the devices, and where tokens come from.
        folder: where relative paths of secrets start.
        report: gets one line for each request that is answered or refused.
        maker: makes the tokens; as the table says when None.

    Raises:
        HubtoolError: a secret cannot be fetched, or is wrong.
    """
    folder = folder or Path()
    keys = DeviceKeys(table, folder)
    maker = maker or make_maker(table, folder)
    negotiation = _Negotiation(table, keys, maker, report)
    app = web.Application(client_max_size=_LARGEST_BODY)
    app.router.add_get("/negotiate", negotiation.answer, allow_head=False)
    app.router.add_post("/negotiate", negotiation.answer)

    async def close(_: web.Application) -> None:
        maker.close()

    app.on_cleanup.append(close)
    return app


def make_maker(table: NegotiateTable, folder: Path) -> TokenMaker:
    """What makes the tokens: the access key, or Microsoft Entra ID.

    Raises:
        HubtoolError: the connection string is wrong, or azure-identity is not installed.
    """
    if table.connection_string is not None:
        connection_string = table.connection_string.resolve("negotiate.connection_string", folder)
        return TokenMaker.from_connection_string(connection_string, table.hub)
    from ..tokens.entra import token_maker

    return token_maker(table.endpoint or "", table.hub)


class _Refused(Exception):
    """The answer is an HTTP status and one line, with a delay in seconds where it applies."""

    def __init__(self, status: int, text: str, retry_after: float | None = None) -> None:
        super().__init__(text)
        self.status = status
        self.retry_after = retry_after


class _Negotiation:
    def __init__(
        self, table: NegotiateTable, keys: DeviceKeys, maker: TokenMaker, report: Report
    ) -> None:
        self._table = table
        self._keys = keys
        self._maker = maker
        self._report = BoundedReport(report)
        self._requests = RateLimit(table.requests_per_minute)
        self._failures = RateLimit(table.failures_per_minute)

    async def answer(self, request: web.Request) -> web.Response:
        """One request."""
        try:
            url = await self._url(request)
        except _Refused as refusal:
            return _refusal(refusal)
        return web.json_response({"url": url.get_secret_value()}, headers=_HEADERS)

    async def _url(self, request: web.Request) -> Secret:
        address = _address(request, self._table.trusted_proxies)
        wait = self._failures.wait(address)
        if wait:
            # Not reported: a flood of requests must not become a flood of log lines.
            raise _Refused(429, "too many refused requests", wait)
        device_id, key = _credentials(request)
        device = self._keys.find(device_id, key)
        if device is None:
            self._failures.take(address)
            self._report(f"refused {self._who(device_id)} at {address}: id or key wrong")
            raise _Refused(401, "device id or key is wrong")
        wait = self._requests.wait(device.id)
        if wait:
            raise _Refused(429, "too many requests of this device", wait)
        self._requests.take(device.id)
        try:
            # Azure's client blocks, so it has a thread; by a key it is a matter of microseconds.
            made = await asyncio.wait_for(
                asyncio.to_thread(
                    self._maker.make,
                    self._table.token_lifetime,
                    user_id=device.user_id or device.id,
                    roles=device.roles,
                    groups=device.groups,
                ),
                DEADLINE,
            )
        except HubtoolError as error:
            self._report(f"no URL for {device.id}: {error}")
            raise _Refused(502, "the service gives no token", _RETRY_AFTER) from None
        except TimeoutError:
            self._report(f"no URL for {device.id}: the service takes too long")
            raise _Refused(504, "the service takes too long", _RETRY_AFTER) from None
        self._report(f"let in {device.id} at {address}")
        return made.url

    def _who(self, device_id: str) -> str:
        """An id for the log. A device may have sent its key where the id belongs."""
        if len(device_id) < SHORTEST_KEY or device_id in self._keys:
            return printable(device_id) or "somebody"
        return f"an unknown id of {len(device_id)} characters"


def _credentials(request: web.Request) -> tuple[str, Secret]:
    """Device id and key, as the request has them; empty where it has none."""
    scheme, _, value = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return request.query.get("id", ""), Secret(value.strip())
    if scheme.lower() == "basic":
        try:
            device_id, _, key = (
                base64.b64decode(value.strip(), validate=True).decode().partition(":")
            )
            return device_id, Secret(key)
        except (binascii.Error, ValueError):
            pass  # as wrong as any other key
    return request.query.get("id", ""), Secret("")


def _address(request: web.Request, proxies: int) -> str:
    """Whom failures are counted for: an IPv4 address, or the network of an IPv6 one."""
    text = request.remote or ""
    if proxies:
        # Each proxy adds the address that it sees at the end; what stands before is hearsay.
        chain = ",".join(request.headers.getall("X-Forwarded-For", [])).split(",")
        text = chain[-proxies].strip() if len(chain) >= proxies else text
    address = _ip_address(text)
    if address is None:
        # What a proxy writes that does not tell addresses counts as one address. It is not the
        # proxy's, so that it does not lock everybody out.
        return printable(text) or request.remote or "unknown"
    if isinstance(address, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((address, 64), strict=False))
    return str(address)


def _ip_address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """The address of an entry of X-Forwarded-For, which may have a port, brackets and quotes.

    Azure's Application Gateway and App Service write `address:port`.
    """
    text = text.strip('"')
    host = parse_host(text)
    name = text if host is None else host.name
    return ip_address(name.strip("[]").partition("%")[0])


def _refusal(refusal: _Refused) -> web.Response:
    headers = dict(_HEADERS)
    if refusal.status == 401:
        headers["WWW-Authenticate"] = 'Basic realm="negotiate", charset="UTF-8"'
    if refusal.retry_after is not None:
        headers["Retry-After"] = str(math.ceil(refusal.retry_after))
    return web.Response(status=refusal.status, text=f"{refusal}\n", headers=headers)


def tls_context(certificate: Certificate, folder: Path) -> ssl.SSLContext:
    """TLS 1.2 or newer with a certificate of the user's.

    Raises:
        HubtoolError: the files cannot be used.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(folder / certificate.certificate, folder / certificate.key)
    except ssl.SSLError:
        raise HubtoolError(
            f"negotiate.tls: {certificate.certificate} and {certificate.key} are no certificate "
            "and its private key in PEM"
        ) from None
    except OSError as error:
        raise HubtoolError(
            f"negotiate.tls: {certificate.certificate} or {certificate.key} cannot be read: "
            f"{error.strerror}"
        ) from None
    return context


@asynccontextmanager
async def running(
    table: NegotiateTable,
    *,
    folder: Path | None = None,
    host: str | None = None,
    port: int | None = None,
    tls: ssl.SSLContext | None = None,
    report: Report = say,
    maker: TokenMaker | None = None,
) -> AsyncIterator[str]:
    """Run the server; gives its URL, such as `https://127.0.0.1:8081/negotiate`.

    Args:
        table: the devices, and where tokens come from.
        folder: where relative paths start.
        host, port: in place of the table's; port 0 picks a free one.
        tls: in place of the table's certificate.
        report: gets one line for each request that is answered or refused.
        maker: makes the tokens; as the table says when None.

    Raises:
        HubtoolError: the port is taken, or a secret or certificate cannot be used.
    """
    folder = folder or Path()
    host = table.host if host is None else host
    port = table.port if port is None else port
    if tls is None and table.tls is not None:
        tls = tls_context(table.tls, folder)
    app = make_app(table, folder=folder, report=report, maker=maker)
    async with listening(app, host, port, "cannot", context=tls) as url:
        yield f"{url}/negotiate"
