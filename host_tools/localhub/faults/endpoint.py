"""Faults over HTTP, for tests in other languages: off unless the configuration wants it.

POST   /faults        {"kind": "cut", "after_bytes": 100}
GET    /faults        what goes wrong at the moment
DELETE /faults        end it all
DELETE /faults/{id}   end one of them
"""

from __future__ import annotations

import ipaddress
import json
from typing import Any
from urllib.parse import urlsplit

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from .commands import FaultCommands
from .table import ActiveFault, Faults

PATH = "/faults"
_MAX_BODY = 64 * 1024


class FaultsEndpoint:
    """Serves `/faults` to programs on this computer.

    Args:
        commands: carries out what is asked for.
    """

    def __init__(self, commands: FaultCommands) -> None:
        self._commands = commands

    def routes(self) -> list[web.RouteDef]:
        """What an aiohttp application has to serve."""
        return [
            web.get(PATH, _guarded(self._list), allow_head=False),
            web.post(PATH, _guarded(self._begin)),
            web.delete(PATH, _guarded(self._clear)),
            web.delete(PATH + "/{id}", _guarded(self._end)),
        ]

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


def _guarded(handler: Handler) -> Handler:
    async def guarded(request: web.Request) -> web.StreamResponse:
        if not _is_local(request):
            return _failure(403, "Faults are commanded from this computer only.")
        return await handler(request)

    return guarded


def _is_local(request: web.Request) -> bool:
    """Whether a request comes from a program on this computer.

    Neither through a proxy that runs here, nor from a web page that somebody looks at here, even
    if its name leads to this computer (DNS rebinding).
    """
    host = request.headers.get("Host")
    named = host is None or _is_loopback(_hostname(f"//{host}"))
    forwarded = any(name in request.headers for name in ("Forwarded", "X-Forwarded-For"))
    origin = request.headers.get("Origin")
    foreign = origin is not None and not _is_loopback(_hostname(origin))
    return named and not forwarded and not foreign and _is_loopback(request.remote)


def _hostname(url: str) -> str | None:
    try:
        return urlsplit(url).hostname
    except ValueError:
        return None


def _is_loopback(host: str | None) -> bool:
    if host == "localhost":
        return True
    try:
        address = ipaddress.ip_address(host or "")
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return bool((mapped or address).is_loopback)


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
