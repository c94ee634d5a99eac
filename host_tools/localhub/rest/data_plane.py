"""The HTTP side of the data plane: from a request to a call, and from its outcome to an answer."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable
from dataclasses import replace
from functools import cached_property
from typing import Any

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from ..auth.callers import Authenticate, Caller, read_credentials
from ..errors import IssuerUnreachableError, MissingTokenError, TokenError
from ..hub.connection import Limits
from ..hub.hub import Hub
from ..protocol.messages import Payload
from ..protocol.metadata import from_headers
from ..runtime import Hubs
from .bodies import MAX_BODY, to_utf8
from .description import describe
from .errors import RestError
from .operations import Body, Call, Operation
from .parameters import STABLE_VERSIONS
from .query import parse_query, read_values, read_version
from .router import Router
from .table import OPERATIONS

_log = logging.getLogger("localhub.rest")

_VERSIONS = {"api-supported-versions": ", ".join(STABLE_VERSIONS)}
# How long a caller may take to send a body.
_BODY_TIMEOUT = 30.0
_TOO_LARGE = f"The body is larger than {MAX_BODY} bytes."


class DataPlane:
    """Serves `/api/...` and its description.

    Args:
        hubs: the hubs.
        authenticate: finds out who calls.
        issue_token: makes Client Access Tokens, see `tokens.TokenIssuer.issue`.
    """

    def __init__(
        self, hubs: Hubs, authenticate: Authenticate, issue_token: Callable[..., str]
    ) -> None:
        self._hubs = hubs
        self._authenticate = authenticate
        self._issue_token = issue_token
        self._router = Router(OPERATIONS)

    def routes(self) -> list[web.RouteDef]:
        """What an aiohttp application has to serve."""
        return [
            web.get("/openapi.json", self._describe),
            # Decoded paths may hold line feeds, which a dot would not match.
            web.route("*", "/api{rest:(?:/[\\s\\S]*)?}", self._handle),
        ]

    async def _describe(self, request: web.Request) -> web.StreamResponse:
        return _json(200, self._description)

    @cached_property
    def _description(self) -> dict[str, Any]:
        return describe(OPERATIONS)

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        try:
            response = await self._answer(request)
        except RestError as error:
            response = _failure(request, error)
        except Exception:  # noqa: BLE001 - whatever it is, the caller gets no traceback
            _log.exception("A call of the data plane failed: %s", request.method)
            response = _failure(request, RestError(500, "The service failed: see its log."))
        response.headers.update(_VERSIONS)
        if not request.content.is_eof():
            # Where the next request begins is only known when the rest of the body has come:
            # a caller that sends it on this connection might wait for that in vain.
            response.force_close()
        return response

    async def _answer(self, request: web.Request) -> web.Response:
        path = request.rel_url.raw_path
        match = self._router.find(request.method, path)
        operation = match.operation
        await self._admit(request, operation, path)
        query = parse_query(request.rel_url.raw_query_string)
        call = Call(
            version=read_version(query),
            values=(values := read_values(operation, match.values, query)),
            hub=self._hub(values.get("hub", "")),
            body=await _body(request, operation.body),
            origin=f"{request.scheme}://{request.host}",
            path=path,
            issue_token=self._issue_token,
        )
        answer = operation.run(call)
        if answer is None:
            return web.Response(status=operation.success)
        return _json(operation.success, answer)

    async def _admit(self, request: web.Request, operation: Operation, path: str) -> None:
        """Let only those through who have proved who they are and may do what they ask for."""
        if operation.data_action is None:
            return
        caller = await self._caller(request.headers.get("Authorization"), path)
        if not caller.may(operation.data_action):
            right = f"Microsoft.SignalRService/WebPubSub/{operation.data_action}"
            raise RestError(403, f"The caller lacks the right {right}.")

    async def _caller(self, authorization: str | None, path: str) -> Caller:
        try:
            return await self._authenticate(read_credentials(authorization, path))
        except MissingTokenError as error:
            raise RestError(401, f"No token: {error}.") from None
        except TokenError as error:
            raise RestError(401, f"Token refused: {error}.") from None
        except IssuerUnreachableError as error:
            raise RestError(503, f"The token cannot be checked: {error}.") from None

    def _hub(self, name: str) -> Hub:
        # Nothing is kept for a hub to which nobody has ever connected.
        runtime = self._hubs.find(name)
        return Hub(name.lower(), Limits()) if runtime is None else runtime.hub


async def _body(request: web.Request, body: Body | None) -> Any:
    if body is None:
        return None
    if (request.content_length or 0) > MAX_BODY:
        raise RestError(413, _TOO_LARGE)
    try:
        if request.content.is_eof():
            # It came with the head, as most do: reading waits for nothing.
            data = await request.read()
        else:
            data = await asyncio.wait_for(request.read(), _BODY_TIMEOUT)
    except web.HTTPRequestEntityTooLarge:
        raise RestError(413, _TOO_LARGE) from None
    except TimeoutError:
        raise RestError(408, f"The body did not arrive within {_BODY_TIMEOUT:.0f} s.") from None
    except (web.RequestPayloadError, HttpProcessingError):
        raise RestError(400, "The body is broken: its length or encoding is wrong.") from None
    content_type = request.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    content = body.read(to_utf8(data, content_type, request.charset), content_type)
    if not isinstance(content, Payload):
        return content
    try:
        return replace(content, metadata=from_headers(request.headers.items()))
    except ValueError as error:
        raise RestError(400, f"Invalid header X-WebPubSub-Metadata: {error}.") from None


def _failure(request: web.Request, error: RestError) -> web.Response:
    path = request.rel_url.raw_path[:200]
    _log.info("Refused %s %s: %d %s", request.method, path, error.status, error)
    headers = {"x-ms-error-code": error.code, **error.headers}
    if request.method == "HEAD":
        return web.Response(status=error.status, headers=headers)
    return _json(error.status, error.body(), headers)


def _json(status: int, value: Any, headers: dict[str, str] | None = None) -> web.Response:
    text = json.dumps(value, separators=(",", ":"))
    return web.Response(status=status, text=text, content_type="application/json", headers=headers)
