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
from micropython_webpubsub.hosts import parse_host

from ..console import printable, say
from ..secrets import Secret
from .carrying import CARRIED, Carrying
from .gateway import Refused
from .handler_table import ConnectRequest, DeviceRules, HandlerTable
from .report import BoundedReport
from .running import listening

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
    if any(rule.central_system for rule in table.devices):
        handler.carry(Carrying(table, folder, handler.report, handler.shown))

        async def close(_: web.Application) -> None:
            await handler.close()

        app.on_shutdown.append(close)
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
        self._secrets = [*rules.secrets, *(key.get_secret_value() for key in keys)]
        self._report = BoundedReport(report)
        self._carrying: Carrying | None = None

    def carry(self, carrying: Carrying) -> None:
        """Hand devices on to central systems."""
        self._carrying = carrying
        self._secrets += carrying.secrets

    async def close(self) -> None:
        """Close what is carried."""
        if self._carrying is not None:
            await self._carrying.gateway.close()

    def report(self, line: str) -> None:
        """One line for the log."""
        self._report(line)

    def shown(self, text: str) -> str:
        """Text of a device, for the log."""
        return self._shown(text)

    async def validate(self, request: web.Request) -> web.Response:
        """Abuse protection: say that this service may send its events here."""
        origin = ",".join(request.headers.getall("WebHook-Request-Origin", []))
        if not origin.strip():
            return web.Response(status=400, text="WebHook-Request-Origin is missing")
        allowed = self._allowed(origin)
        if not allowed:
            self._report(f"refused events from {self._shown(origin)}: not among allowed_origins")
            return web.Response(status=403)
        # One line for each: the service does not understand a list in one line.
        response = web.Response()
        for one in allowed:
            response.headers.add("WebHook-Allowed-Origin", one)
        return response

    async def event(self, request: web.Request) -> web.Response:
        """One event."""
        headers = request.headers
        kind = headers.get("ce-type", "")
        connection = headers.get("ce-connectionId", "")
        if not kind or not connection:
            return web.Response(
                status=400, text="not an event: ce-type or ce-connectionId missing"
            )
        if not self._allowed(",".join(headers.getall("WebHook-Request-Origin", []))):
            return web.Response(status=403)
        if self._keys and not self._is_signed(connection, headers.get("ce-signature", "")):
            self._report(f"refused an event with a wrong signature for {self._shown(connection)}")
            return web.Response(status=401)
        if kind == _SYSTEM + "connect":
            return await self._connect(request, connection)
        who = headers.get("ce-userId") or f"connection {connection}"
        carrying = self._carrying
        carried = carrying is not None and carrying.concerns(
            connection,
            headers.get("ce-connectionState", ""),
            headers.get("ce-subprotocol", ""),
        )
        if kind.startswith(_SYSTEM):
            name = kind[len(_SYSTEM) :]
            if carrying is not None and carried and name == "connected":
                carrying.gateway.connected(headers.get("ce-hub", ""), connection)
            elif carrying is not None and carried and name == "disconnected":
                carrying.gateway.disconnected(connection)
            await self._lifecycle(request, name, who)
        elif carrying is not None and carried and kind == _USER + "message":
            status = await carrying.gateway.frame(
                connection, headers.get("ce-id", ""), request.content_type, await request.read()
            )
            return web.Response(status=status)
        elif kind.startswith(_USER):
            body = await request.read()
            name = kind[len(_USER) :]
            self._report(
                f"event '{self._shown(name)}' from {self._shown(who)}: {len(body):,} bytes"
            )
        return web.Response(status=204)

    async def _connect(self, request: web.Request, connection: str) -> web.Response:
        body = await request.read()
        try:
            wanted = ConnectRequest.from_event(json.loads(body))
        # Nested too deeply to be read, or to be written as text.
        except (ValueError, RecursionError):
            return web.Response(status=400, text="the body is no connect event")
        rule, why = self._rules.find(wanted)
        if rule is None:
            self._report(f"refused {self._shown(connection)}: {why}")
            return web.Response(status=401, text="no rule lets this device in")
        answer = rule.grant(wanted)
        if self._carrying is not None and rule.central_system is not None:
            user = answer["userId"]
            try:
                hub = request.headers.get("ce-hub", "")
                await self._carrying.connect(hub, connection, user, rule, wanted)
            except Refused as refusal:
                self._report(f"refused {self._shown(user)} ({why}): {refusal}")
                return web.Response(status=refusal.status, text=str(refusal))
        self._report(f"let in {self._shown(answer.get('userId') or connection)} ({why})")
        if self._carrying is not None and rule.central_system is not None:
            return web.json_response(answer, headers={"ce-connectionState": CARRIED})
        return web.json_response(answer) if answer else web.Response(status=204)

    async def _lifecycle(self, request: web.Request, name: str, who: str) -> None:
        reason = ""
        if name == "disconnected":
            body = await request.read()
            try:
                reason = str(json.loads(body).get("reason") or "")
            except (ValueError, AttributeError, RecursionError):
                pass  # the event counts, not its wording
        why = f": {self._shown(reason)}" if reason else ""
        self._report(f"{self._shown(name)} {self._shown(who)}{why}")

    def _shown(self, text: str) -> str:
        """Text of a request for the log. A device may have sent its key in any place."""
        return "..." if any(secret in text for secret in self._secrets) else printable(text)

    def _allowed(self, origins: str) -> list[str]:
        """Which of the names in a line may send events here.

        The service may send several: its replicas, and a domain of one's own. Services that are
        run locally, of earlier versions, add their port.
        """
        found = []
        for item in origins.split(","):
            host = parse_host(item.strip())
            if host is not None and any(
                fnmatchcase(form, allowed)
                for form in (host.name, str(host))
                for allowed in self._origins
            ):
                found.append(item.strip())
        return found

    def _is_signed(self, connection: str, signature: str) -> bool:
        """Whether one of the signatures fits one of the keys; it covers the connection id."""
        # aiohttp keeps bytes that are no UTF-8 as surrogates.
        message = connection.encode("utf-8", "surrogatepass")
        given = [part.strip().encode("utf-8", "surrogatepass") for part in signature.split(",")]
        return any(
            hmac.compare_digest(part, f"sha256={wanted}".encode())
            for wanted in (
                hmac.new(key, message, hashlib.sha256).hexdigest() for key in self._keys
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
    app = make_app(table, folder=folder, report=report)
    async with listening(app, host, port, "the handler cannot") as url:
        yield url
