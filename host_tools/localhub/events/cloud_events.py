"""CloudEvents of one hub: which handler gets them, what they say, what the answers mean."""

from __future__ import annotations

import json
import logging
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import aiohttp
from micropython_webpubsub.hosts import Host
from pydantic import BaseModel, ValidationError

from ..auth.keys import AccessKeys
from ..config import EventHandler
from ..errors import HandlerError, ProtocolError
from ..hub.connection import Connection, Identity
from ..names import is_group_name, is_user_id
from ..protocol.json_members import check_json, read_json
from ..protocol.messages import DataKind, Payload, SendEvent
from ..protocol.metadata import to_headers
from .queue import Backlog, EventQueues
from .validation import Origin
from .webhooks import Answer, Webhooks

_log = logging.getLogger("localhub.events")

ServiceToken = Callable[[str], str]

_JSON = "application/json"
_CONTENT_TYPES = {
    DataKind.TEXT: "text/plain; charset=utf-8",
    DataKind.JSON: f"{_JSON}; charset=utf-8",
    DataKind.BINARY: "application/octet-stream",
    DataKind.PROTOBUF: "application/x-protobuf",
}
_ANSWER_KINDS = {
    "text/plain": DataKind.TEXT,
    _JSON: DataKind.JSON,
    "application/octet-stream": DataKind.BINARY,
    "": DataKind.BINARY,
}


class _ConnectAnswer(BaseModel):
    """What a connect handler may answer with; everything is optional."""

    userId: str | None = None
    roles: list[str] | None = None
    groups: list[str] | None = None
    subprotocol: str | None = None


@dataclass(frozen=True, slots=True)
class ConnectRequest:
    """What a connect handler is asked: the client that wants to connect.

    Attributes:
        connection_id: the id that the connection will have.
        identity: what the token says; empty for an anonymous client.
        query: query parameters without the token.
        headers: request headers without the token.
        subprotocols: what the client offers, in its order.
    """

    connection_id: str
    identity: Identity
    query: Mapping[str, list[str]]
    headers: Mapping[str, list[str]]
    subprotocols: list[str]


class HubEvents:
    """Delivers the events of one hub.

    Args:
        hub_name: in lower case.
        handlers: the first one that matches an event gets it.
        webhooks: makes the calls.
        keys: sign the events; None when access keys are switched off.
        backlog: counts the events of all hubs that wait.
        service_token: makes a token of the service's managed identity for a resource.
    """

    def __init__(
        self,
        hub_name: str,
        handlers: Iterable[EventHandler],
        webhooks: Webhooks,
        keys: AccessKeys | None,
        backlog: Backlog,
        service_token: ServiceToken | None = None,
    ) -> None:
        self._hub_name = hub_name
        self._handlers = tuple(handlers)
        self._webhooks = webhooks
        self._keys = keys
        self._backlog = backlog
        self._service_token = service_token
        self.queues = EventQueues(backlog)

    # -- matching --------------------------------------------------------------------------

    def _system(self, event: str) -> EventHandler | None:
        return next((one for one in self._handlers if event in one.system_events), None)

    def _user(self, event: str) -> EventHandler | None:
        return next((one for one in self._handlers if _matches(one, event)), None)

    def overloaded(self) -> bool:
        """Whether no client may connect because the handlers do not keep up with the events."""
        return bool(self._handlers) and self._backlog.full

    def asks_on_connect(self) -> bool:
        """Whether a handler decides who may connect."""
        return self._system("connect") is not None

    # -- system events ---------------------------------------------------------------------

    async def connect(self, request: ConnectRequest) -> tuple[Identity, str | None]:
        """Ask the handler whether a client may connect, and as whom.

        Returns:
            Who the client is now, and the subprotocol that the handler chose or None.

        Raises:
            HandlerError: refused, with the handler's 4xx as its status; or failed.
        """
        handler = self._system("connect")
        if handler is None:
            return request.identity, None
        body = {
            "claims": {name: _strings(value) for name, value in request.identity.claims.items()},
            "query": request.query,
            "headers": request.headers,
            "subprotocols": request.subprotocols,
            "clientCertificates": [],
        }
        headers = self._headers("sys.connect", request.connection_id, 0, request.identity.user_id)
        headers["Content-Type"] = _CONTENT_TYPES[DataKind.JSON]
        origin, content = request.identity.origin, json.dumps(body).encode()
        with _logged("connect", request.connection_id):
            answer = await self._post(handler, origin, "connect", headers, content)
            if answer.status < 400:
                return _apply(request.identity, answer)
        raise HandlerError("the connect event handler refused the client", answer.status)

    def connected(self, connection: Connection) -> None:
        """Queue the event `connected`; does not wait."""
        self._notify(connection, "connected", {})

    def disconnected(self, connection: Connection, reason: str) -> None:
        """Queue the event `disconnected`, behind all other events of the connection."""
        self._notify(connection, "disconnected", {"reason": reason})

    def _notify(self, connection: Connection, event: str, body: dict[str, str]) -> None:
        handler = self._system(event)
        if handler is None:
            return

        async def job() -> None:
            headers = self._event_headers(connection, f"sys.{event}")
            headers["Content-Type"] = _CONTENT_TYPES[DataKind.JSON]
            content = json.dumps(body).encode()
            with suppress(HandlerError), _logged(event, connection.id):
                answer = await self._post(
                    handler, connection.origin, event, headers, content, connection.cookies
                )
                connection.cookies = answer.cookies

        self.queues.put(connection, job)

    # -- user events -----------------------------------------------------------------------

    async def user_event(self, connection: Connection, request: SendEvent) -> Payload | None:
        """Deliver a user event and wait for the answer; the caller sees to the order.

        Returns:
            What the handler sends back to the client, or None.

        Raises:
            HandlerError: no handler wants the event, or it failed.
        """
        with _logged(request.event, connection.id):
            return await self._user_event(connection, request)

    async def _user_event(self, connection: Connection, request: SendEvent) -> Payload | None:
        handler = self._user(request.event)
        if handler is None:
            text = f"no event handler is registered for '{request.event}'"
            raise HandlerError(text, client_text=text)
        headers = self._event_headers(connection, f"user.{request.event}")
        headers["Content-Type"] = _CONTENT_TYPES[request.payload.kind]
        headers.update(to_headers(request.payload.metadata))
        answer = await self._post(
            handler,
            connection.origin,
            request.event,
            headers,
            request.payload.data,
            connection.cookies,
        )
        connection.cookies = answer.cookies
        if answer.status >= 400:
            raise HandlerError(f"the event handler answered {answer.status}", answer.status)
        payload = _answer_payload(answer)
        if answer.state is not None:
            connection.state = answer.state
        return payload

    # -- calls -----------------------------------------------------------------------------

    async def _post(
        self,
        handler: EventHandler,
        origin: Host,
        event: str,
        headers: dict[str, str],
        body: bytes,
        cookies: aiohttp.CookieJar | None = None,
    ) -> Answer:
        identity = handler.auth.managed_identity
        if identity is not None and self._service_token is not None:
            headers["Authorization"] = f"Bearer {self._service_token(identity.resource)}"
        return await self._webhooks.post(
            handler.url_template,
            Origin.of(origin),
            self._hub_name,
            event,
            headers,
            body,
            cookies,
        )

    # -- headers ---------------------------------------------------------------------------

    def _event_headers(self, connection: Connection, kind: str) -> dict[str, str]:
        connection.event_id += 1
        headers = self._headers(kind, connection.id, connection.event_id, connection.user_id)
        if connection.protocol_name:
            headers["ce-subprotocol"] = connection.protocol_name
        if connection.state:
            headers["ce-connectionState"] = connection.state
        return headers

    def _headers(
        self, kind: str, connection_id: str, event_id: int, user_id: str | None
    ) -> dict[str, str]:
        headers = {
            "ce-specversion": "1.0",
            "ce-type": f"azure.webpubsub.{kind}",
            "ce-source": f"/hubs/{self._hub_name}/client/{connection_id}",
            "ce-id": str(event_id),
            "ce-time": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "ce-connectionId": connection_id,
            "ce-hub": self._hub_name,
            "ce-eventName": kind.partition(".")[2],
            "x-ms-client-request-id": str(uuid.uuid4()),
        }
        if self._keys is not None:
            headers["ce-signature"] = self._keys.signature(connection_id)
        if user_id:
            headers["ce-userId"] = user_id
        return headers


@contextmanager
def _logged(event: str, connection_id: str) -> Iterator[None]:
    """Log why an event was not delivered: clients do not learn it."""
    try:
        yield
    except HandlerError as error:
        _log.warning("Event '%s' of %s is lost: %s", event, connection_id, error)
        raise


def _matches(handler: EventHandler, event: str) -> bool:
    names = [name.strip().lower() for name in handler.user_event_pattern.split(",")]
    return "*" in names or event.lower() in names


def _strings(claim: object) -> list[str]:
    """A claim as the connect event has it: always an array of strings."""
    values = claim if isinstance(claim, list) else [claim]
    return [value if isinstance(value, str) else json.dumps(value) for value in values]


def _apply(identity: Identity, answer: Answer) -> tuple[Identity, str | None]:
    """Let a connect handler's answer override what the token says."""
    try:
        text = answer.body.decode().strip() or "null"
        fields = read_json(text)
        given = _ConnectAnswer.model_validate(fields or {}, strict=True)
    except (ValueError, RecursionError, ValidationError):
        raise HandlerError("the connect event handler's answer is malformed") from None
    groups = identity.groups
    if given.groups:
        if not all(is_group_name(group) for group in given.groups):
            raise HandlerError("the connect event handler answered an illegal group")
        groups = tuple(given.groups)
    user_id = identity.user_id
    if given.userId is not None:
        if not is_user_id(given.userId):
            raise HandlerError("the connect event handler answered an illegal user id")
        user_id = given.userId or None
    changed = replace(
        identity,
        user_id=user_id,
        roles=identity.roles if given.roles is None else tuple(given.roles),
        groups=groups,
        state=answer.state,
        cookies=answer.cookies,
    )
    return changed, given.subprotocol or None


def _answer_payload(answer: Answer) -> Payload | None:
    if not answer.body:
        # Nothing is said, unless there is metadata: then it is an empty text, whatever the type.
        return Payload(DataKind.TEXT, b"", answer.metadata) if answer.metadata else None
    kind = _ANSWER_KINDS.get(answer.content_type)
    if kind is None:
        raise HandlerError(
            f"the event handler answered with '{answer.content_type}': use text/plain, "
            "application/json or application/octet-stream"
        )
    try:
        if kind is DataKind.JSON:
            check_json(answer.body)
        elif kind is DataKind.TEXT:
            answer.body.decode()
    except (ProtocolError, UnicodeDecodeError):
        raise HandlerError(f"the event handler's answer is no {kind.value}") from None
    return Payload(kind, answer.body, answer.metadata)
