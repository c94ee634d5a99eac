"""The page and what it asks for over HTTP.

GET  /?token=...         leaves the secret in a cookie, and leads to the page
GET  /                   the page
GET  /page/{file}        its files
GET  /page/feed          WebSocket: what happens
POST /page/publish       see `commands.Publish`
POST /page/disconnect    see `commands.Disconnect`
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable, Collection
from functools import cached_property
from typing import Any

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.typedefs import Handler

from ..config import Config
from ..faults.commands import FaultCommands
from ..faults.endpoint import describe
from ..runtime import Hubs
from ..visitors import Visitors
from .assets import Asset, load_assets
from .commands import MAX_DATA, CommandError, Commands, read_json
from .feed import Feeds
from .guard import Forbidden, Guard
from .recorder import Recorder
from .state import View, state

_log = logging.getLogger("localhub.page")

# Text in JSON may take six characters for one byte, hex takes three.
_MAX_BODY = 6 * MAX_DATA + 4096
_BODY_TIMEOUT = 30.0
_HEADERS = {
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    # Not every browser counts a WebSocket of the same origin as 'self'.
    "connect-src 'self' ws://{host} wss://{host}; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


class PageEndpoint:
    """Serves the page.

    Args:
        hubs: the hubs.
        config: hubs that are named there are shown from the start.
        public_hosts: gives `host[:port]` of every endpoint that the service goes by.
        endpoints: gives the endpoint, and the one with TLS or None.
        faults: what goes wrong on command; None when nobody may command it over HTTP.
        visitors: know the secret.
    """

    def __init__(
        self,
        hubs: Hubs,
        config: Config,
        public_hosts: Callable[[], Collection[str]],
        endpoints: Callable[[], tuple[str, str | None]],
        faults: FaultCommands | None,
        visitors: Visitors,
    ) -> None:
        self._hubs = hubs
        self._faults = faults
        self._config = config
        self._endpoints = endpoints
        self._visitors = visitors
        self._guard = Guard(public_hosts, config.service.page is True, visitors)
        self._commands = Commands(hubs)
        self._feeds = Feeds(Recorder(hubs.observers), self._state, self._start)

    def add_to(self, app: web.Application) -> None:
        """Serve the page with an application, as long as that runs."""
        looks, acts = self._guarded(self._guard.admit), self._guarded(self._guard.admit_command)
        app.add_routes(
            [
                web.get("/", looks(self._show)),
                web.get("/page/feed", acts(self._feeds.serve), allow_head=False),
                web.get("/page/{name}", looks(self._show)),
                web.post("/page/publish", acts(self._executing(self._commands.publish))),
                web.post("/page/disconnect", acts(self._executing(self._commands.disconnect))),
            ]
        )
        app.on_shutdown.append(self._close)

    async def _close(self, _: web.Application) -> None:
        await self._feeds.close()

    @cached_property
    def _assets(self) -> dict[str, Asset]:
        return load_assets()

    def _start(self) -> dict[str, Any]:
        """What a page has to know first."""
        service = self._config.service
        endpoint, tls_endpoint = self._endpoints()
        hubs = self._config.hubs
        anonymous = [hub.name for hub in hubs if hub.anonymous_connect_policy == "allow"]
        return {
            "endpoint": endpoint,
            "tls_endpoint": tls_endpoint,
            "anonymous_hubs": anonymous,
            "local_auth": not service.disable_local_auth,
            "faults": self._faults is not None,
        }

    def _state(self, view: View) -> dict[str, Any]:
        """How things are."""
        now = state(self._hubs, [hub.name for hub in self._config.hubs], view)
        if self._faults is not None:
            now["faults"] = [describe(active) for active in self._faults.active]
        return now

    async def _show(self, request: web.Request) -> web.StreamResponse:
        if self._visitors.arrives(request):
            return self._visitors.welcome(request)
        asset = self._assets.get(request.match_info.get("name", "index.html"))
        if asset is None:
            return _failure(404, "No such file: the page is at /.")
        response = web.Response(body=asset.data, content_type=asset.content_type)
        response.charset = "utf-8"
        response.headers["Content-Security-Policy"] = _POLICY.format(host=request.host)
        return response

    def _guarded(self, admit: Callable[[web.Request], None]) -> Callable[[Handler], Handler]:
        def decorate(handler: Handler) -> Handler:
            async def guarded(request: web.Request) -> web.StreamResponse:
                try:
                    admit(request)
                    response = await handler(request)
                except Forbidden as refusal:
                    _log.info("Refused %s %s: %s", request.method, request.path, refusal)
                    response = _failure(403, str(refusal))
                except CommandError as error:
                    response = _failure(error.status, str(error))
                if not response.prepared:
                    response.headers.update(_HEADERS)
                    if not request.content.is_eof():
                        # Where the next request begins is not known without the rest of this.
                        response.force_close()
                return response

            return guarded

        return decorate

    def _executing(self, execute: Callable[[Any], dict[str, Any]]) -> Handler:
        async def handler(request: web.Request) -> web.StreamResponse:
            return _json(200, execute(read_json(await _body(request))))

        return handler


async def _body(request: web.Request) -> bytes:
    # A page of another origin could send any other type without asking first.
    if request.content_type != "application/json":
        raise CommandError("Send JSON, with the content type application/json.", 415)
    too_long = CommandError(f"The body is longer than {_MAX_BODY} bytes: shorten it.", 413)
    if (request.content_length or 0) > _MAX_BODY:
        raise too_long
    try:
        return await asyncio.wait_for(_read(request, too_long), _BODY_TIMEOUT)
    except TimeoutError:
        raise CommandError(f"The body did not arrive within {_BODY_TIMEOUT:.0f} s.", 408) from None
    except (web.RequestPayloadError, HttpProcessingError):
        raise CommandError("The body is broken: its length or encoding is wrong.") from None


async def _read(request: web.Request, too_long: CommandError) -> bytes:
    # Not `request.read`: its limit is that of the data plane.
    body = bytearray()
    async for chunk in request.content.iter_any():
        body += chunk
        if len(body) > _MAX_BODY:
            raise too_long
    return bytes(body)


def _failure(status: int, message: str) -> web.Response:
    return _json(status, {"error": message})


def _json(status: int, value: Any) -> web.Response:
    text = json.dumps(value, separators=(",", ":"))
    return web.Response(status=status, text=text, content_type="application/json")
