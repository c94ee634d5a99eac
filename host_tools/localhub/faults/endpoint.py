"""Faults over HTTP, for tests in other languages: off unless the configuration wants it.

Each request shows the secret of the start, see `visitors`.

POST   /faults        {"kind": "cut", "after_bytes": 100}
GET    /faults        what goes wrong at the moment
DELETE /faults        end it all
DELETE /faults/{id}   end one of them
"""

from __future__ import annotations

import json
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware
from micropython_webpubsub.hosts import ip_address, parse_host

from ..visitors import Visitors, forwarded
from .commands import FaultCommands
from .table import ActiveFault, Faults

PATH = "/faults"
_MAX_BODY = 64 * 1024


class FaultsEndpoint:
    """Serves `/faults` to programs on this computer that know the secret.

    Args:
        commands: carries out what is asked for.
        visitors: know the secret.
    """

    def __init__(self, commands: FaultCommands, visitors: Visitors) -> None:
        self._commands = commands
        self._visitors = visitors

    def routes(self) -> list[web.RouteDef]:
        """What an aiohttp application has to serve."""
        return [
            web.get(PATH, self._guarded(self._list), allow_head=False),
            web.post(PATH, self._guarded(self._begin)),
            web.delete(PATH, self._guarded(self._clear)),
            web.delete(PATH + "/{id}", self._guarded(self._end)),
        ]

    def _guarded(self, handler: Handler) -> Handler:
        async def guarded(request: web.Request) -> web.StreamResponse:
            if not _is_local(request):
                return _failure(403, "Faults are commanded from this computer only.")
            if not self._visitors.knows(request):
                return _failure(
                    403,
                    "Show the secret of the address that the service printed when it started: "
                    "as a bearer token, or as it stands there.",
                )
            return await handler(request)

        return guarded

    async def _list(self, request: web.Request) -> web.StreamResponse:
        return _json(200, {"faults": [describe(active) for active in self._commands.active]})

    async def _begin(self, request: web.Request) -> web.StreamResponse:
        try:
            outcome = self._commands.execute(await _read(request))
        except LookupError as error:
            return _failure(404, error.args[0])
        except ValueError as error:
            return _failure(400, str(error))
        if isinstance(outcome, int):
            return _json(200, {"struck": outcome})
        return _json(201, describe(outcome))

    async def _clear(self, request: web.Request) -> web.StreamResponse:
        self._commands.clear()
        return web.Response(status=204)

    async def _end(self, request: web.Request) -> web.StreamResponse:
        for active in self._commands.active:
            if str(active.id) == request.match_info["id"]:
                active.end()
                return web.Response(status=204)
        return _failure(404, "No such fault: it is over, or never began.")


def _is_local(request: web.Request) -> bool:
    """Whether a request comes from a program on this computer, as far as it tells.

    Neither through a proxy that says so, nor from a web page that somebody looks at here, even
    if its name leads to this computer (DNS rebinding).
    """
    address = ip_address(request.remote)
    if address is None or not address.is_loopback or forwarded(request):
        return False
    host = parse_host(request.headers.get("Host", "localhost"))
    origin = request.headers.get("Origin", "http://localhost")
    scheme, _, rest = origin.partition("://")
    page = parse_host(rest) if scheme in ("http", "https") else None
    return all(one is not None and one.is_loopback for one in (host, page))


async def _read(request: web.Request) -> Any:
    # A page of another origin could send any other type without asking first.
    if request.content_type != "application/json":
        raise ValueError("send JSON, with the content type application/json")
    if (request.content_length or 0) > _MAX_BODY:
        raise ValueError("that is too long for a fault")
    try:
        return json.loads(await request.read())
    except (ValueError, RecursionError):
        raise ValueError("the body is not JSON") from None


def describe(active: ActiveFault) -> dict[str, Any]:
    """A fault with its id, and how often it has struck."""
    fault = active.fault.model_dump(exclude_none=True)
    return {"id": active.id, **fault, "struck": active.struck}


def throttled(table: Faults) -> Middleware:
    """A middleware that answers 429 to calls of the data plane while a throttle is active."""

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        if table.active and request.path.startswith("/api/"):
            refusal = table.throttling()
            if refusal is not None:
                answer = _failure(refusal.status, "Too many requests: throttled on command.")
                answer.headers.update(refusal.headers)
                return answer
        return await handler(request)

    return middleware


def _failure(status: int, message: str) -> web.Response:
    codes = {429: "TooManyRequests", 404: "NotFound", 403: "Forbidden"}
    code = f"Error.{codes.get(status, 'BadRequest')}"
    return _json(status, {"code": code, "message": message})


def _json(status: int, value: Any) -> web.Response:
    text = json.dumps(value, separators=(",", ":"))
    return web.Response(status=status, text=text, content_type="application/json")
