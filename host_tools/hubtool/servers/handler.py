"""The event handler that authorizes devices: CloudEvents over HTTP, as the service sends them.

Source: Azure Web PubSub, "CloudEvents extension for Azure Web PubSub event handler".
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from fnmatch import fnmatchcase
from pathlib import Path

from aiohttp import web

from ..console import printable, say
from ..secrets import Secret
from .handler_table import ConnectRequest, DeviceRules, HandlerTable
from .running import cannot_listen

_SYSTEM = "azure.webpubsub.sys."
_USER = "azure.webpubsub.user."
# A client message has at most 1 MiB; base64 and JSON may be round it.
_LARGEST_BODY = 4 * 1024 * 1024


def make_app(
    table: HandlerTable,
    *,
    folder: Path | None = None,
    report: Callable[[str], None] = say,
) -> web.Application:
    """An aiohttp application that answers on every path.

    Args:
        table: which devices may connect.
        folder: where relative paths of secrets start.
        report: gets one line for each event.

    Raises:
        HubtoolError: a secret of the table cannot be fetched.
    """
    folder = folder or Path()
    keys = [place.resolve("handler.access_keys", folder) for place in table.access_keys]
    handler = _Handler(table, DeviceRules(table, folder), keys, report)
    app = web.Application(client_max_size=_LARGEST_BODY)
    app.router.add_route("OPTIONS", "/{path:.*}", handler.validate)
    app.router.add_post("/{path:.*}", handler.event)
    return app


class _Handler:
    def __init__(
        self,
        table: HandlerTable,
        rules: DeviceRules,
        keys: Sequence[Secret],
        report: Callable[[str], None],
    ) -> None:
        self._origins = tuple(origin.lower() for origin in table.allowed_origins)
        self._rules = rules
        self._keys = [key.get_secret_value().encode() for key in keys]
        self._report = report

    async def validate(self, request: web.Request) -> web.Response:
        """Abuse protection: say that this service may send its events here."""
        origin = request.headers.get("WebHook-Request-Origin", "")
        if not origin:
            return web.Response(status=400, text="WebHook-Request-Origin is missing")
        if not self._is_allowed(origin):
            self._report(f"refused events from {printable(origin)}: not among allowed_origins")
            return web.Response(status=403)
        return web.Response(headers={"WebHook-Allowed-Origin": origin})

    async def event(self, request: web.Request) -> web.Response:
        """One event."""
        headers = request.headers
        kind = headers.get("ce-type", "")
        connection = headers.get("ce-connectionId", "")
        if not kind or not connection:
            return web.Response(
                status=400, text="not an event: ce-type or ce-connectionId missing"
            )
        if not self._is_allowed(headers.get("WebHook-Request-Origin", "")):
            return web.Response(status=403)
        if self._keys and not self._is_signed(connection, headers.get("ce-signature", "")):
            self._report(f"refused an event with a wrong signature for {printable(connection)}")
            return web.Response(status=401)
        if kind == _SYSTEM + "connect":
            return await self._connect(request, connection)
        who = headers.get("ce-userId") or f"connection {connection}"
        if kind.startswith(_SYSTEM):
            await self._lifecycle(request, kind[len(_SYSTEM) :], who)
        elif kind.startswith(_USER):
            body = await request.read()
            name = kind[len(_USER) :]
            self._report(f"event '{printable(name)}' from {printable(who)}: {len(body):,} bytes")
        return web.Response(status=204)

    async def _connect(self, request: web.Request, connection: str) -> web.Response:
        try:
            wanted = ConnectRequest.from_event(json.loads(await request.read()))
        except ValueError:
            return web.Response(status=400, text="the body is no connect event")
        answer, why = self._rules.decide(wanted)
        if answer is None:
            self._report(f"refused {printable(connection)}: {why}")
            return web.Response(status=401, text="no rule lets this device in")
        self._report(f"let in {printable(answer.get('userId') or connection)} ({why})")
        return web.json_response(answer) if answer else web.Response(status=204)

    async def _lifecycle(self, request: web.Request, name: str, who: str) -> None:
        reason = ""
        if name == "disconnected":
            try:
                reason = str(json.loads(await request.read()).get("reason") or "")
            except (ValueError, AttributeError):
                pass  # the event counts, not its wording
        self._report(f"{name} {printable(who)}{': ' + printable(reason) if reason else ''}")

    def _is_allowed(self, origin: str) -> bool:
        # The service may send several names in one line.
        offered = [item.strip().lower() for item in origin.split(",")]
        return any(fnmatchcase(item, allowed) for item in offered for allowed in self._origins)

    def _is_signed(self, connection: str, signature: str) -> bool:
        """Whether one of the signatures fits one of the keys; it covers the connection id."""
        given = [part.strip() for part in signature.split(",")]
        return any(
            hmac.compare_digest(part.encode(), f"sha256={wanted}".encode())
            for wanted in (
                hmac.new(key, connection.encode(), hashlib.sha256).hexdigest()
                for key in self._keys
            )
            for part in given
        )


@asynccontextmanager
async def running(
    table: HandlerTable,
    *,
    folder: Path | None = None,
    host: str | None = None,
    port: int | None = None,
    report: Callable[[str], None] = say,
) -> AsyncIterator[str]:
    """Run the handler; gives its URL, such as `http://127.0.0.1:8080`.

    Args:
        table: who is let in.
        folder: where relative paths of secrets start.
        host: in place of the table's.
        port: in place of the table's; 0 picks a free one.
        report: gets one line for each event.

    Raises:
        HubtoolError: the port is taken.
    """
    host = table.host if host is None else host
    port = table.port if port is None else port
    runner = web.AppRunner(make_app(table, folder=folder, report=report), access_log=None)
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, port)
        try:
            await site.start()
        except OSError as error:
            raise cannot_listen("the handler cannot", host, port, error) from None
        yield f"http://{host}:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()
