"""Client connections of a hub: identity, groups, rights, and messages that are not acknowledged.

A connection has an id and at most one `WebSocket`. With a reliable subprotocol it is a session
that outlives its WebSocket for a while, and goes on with the next one. Source: "client protocol",
sections 7 (reliable subprotocols) and 8 (recovery).
"""

from __future__ import annotations

import base64
import hmac
import os
import secrets
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from micropython_webpubsub.hosts import Host

from ..protocol.codec import Codec
from ..protocol.frames import NORMAL
from .delivery import Delivery
from .permissions import Permissions

REMEMBERED_ACK_IDS = 1000
_HERE = Host("localhost")


class Timer(Protocol):
    """A call that is to come."""

    def cancel(self) -> None:
        """Do not call. Harmless when repeated, and afterwards."""


# Calls a function after so many seconds, as `loop.call_later` of asyncio does.
CallLater = Callable[[float, Callable[[], None]], Timer]


class WebSocket(Protocol):
    """What a connection needs of its WebSocket; `transport.websocket` has the real one."""

    @property
    def writable(self) -> bool:
        """Whether the peer keeps up with what is written.

        While it does not, a reliable connection keeps its messages in the session, until
        `Connection.write_pending` is called.
        """

    def write(self, frame: bytes) -> None:
        """Send one complete frame, joined with others of the same turn of the event loop."""

    def close(self, code: int, reason: str, last_frame: bytes | None = None) -> None:
        """Send a last frame and a Close frame, then close the transport.

        Args:
            code: close code, RFC 6455 section 7.4.
            reason: its text; cut at 123 bytes of UTF-8.
            last_frame: a complete frame that goes before the Close frame, or None.
        """

    def abort(self) -> None:
        """Close the transport at once, without a Close frame."""

    def pause_reading(self) -> None:
        """Read nothing more from the peer until `resume_reading`; TCP makes it wait."""

    def resume_reading(self) -> None:
        """Read from the peer again."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits and times of sessions (client protocol, sections Timers and Limits).

    Attributes:
        retention: seconds for which a reliable session waits for its client.
        buffer_messages: unacknowledged messages per reliable connection.
        buffer_bytes: the same in bytes.
        groups: groups that one connection may be in.
    """

    retention: float = 30.0
    buffer_messages: int = 1000
    buffer_bytes: int = 16 * 1024 * 1024
    groups: int = 10_000


@dataclass(slots=True)
class Identity:
    """Who a client is and what it starts with.

    Attributes:
        user_id: None for a client without one.
        roles: role strings.
        groups: groups that it is a member of from the start.
        claims: claims of its token; empty for an anonymous client.
        state: value of `ce-connectionState` as the event handler gave it; None without one.
        cookies: the cookie jar of its event handler, see `events.webhooks`; None without one.
        address: IP address of the peer; empty when there is none.
        origin: the host of the endpoint by which it came.
    """

    user_id: str | None = None
    roles: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    claims: dict[str, Any] = field(default_factory=dict)
    state: str | None = None
    cookies: Any = None
    address: str = ""
    origin: Host = _HERE


def new_connection_id() -> str:
    """An id that is unique, hard to guess, and safe in a URL."""
    return secrets.token_urlsafe(16)


class Connection:
    """A client connection without recovery: its WebSocket's end is its own.

    Args:
        hub_name: the hub, in lower case.
        codec: the protocol that it speaks.
        identity: user id, roles and groups.
        protocol_name: negotiated subprotocol, custom ones included; None when there is none.
        on_ended: called once with the connection and a reason when it is over.
        connection_id: its id; see `new_connection_id`.

    Raises:
        RoleError: the roles break a limit.

    Attributes:
        id: connection id.
        hub_name: see above; so are `codec` and `protocol_name`.
        user_id, state, cookies, address, origin: see `Identity`.
        permissions: what it may do in groups.
        groups: the groups that it is a member of; `Hub.join` and `Hub.leave` change them.
        websocket: its WebSocket; None before it has one, and after that is closed.
        ended: whether it is over, session included.
        connected_at: seconds since 1970.
        event_id: `ce-id` of its last event.
    """

    __slots__ = (
        "__weakref__",
        "_acknowledged",
        "_on_ended",
        "address",
        "codec",
        "connected_at",
        "cookies",
        "ended",
        "event_id",
        "groups",
        "hub_name",
        "id",
        "origin",
        "permissions",
        "protocol_name",
        "state",
        "user_id",
        "websocket",
    )

    reconnection_token: str | None = None

    def __init__(
        self,
        hub_name: str,
        codec: Codec,
        identity: Identity,
        protocol_name: str | None,
        on_ended: Callable[[Connection, str], None],
        connection_id: str,
    ) -> None:
        self.id = connection_id
        self.hub_name = hub_name
        self.codec = codec
        self.user_id = identity.user_id
        self.permissions = Permissions(identity.roles)
        self.protocol_name = protocol_name
        self.state = identity.state
        self.cookies = identity.cookies
        self.address = identity.address
        self.origin = identity.origin
        self.groups: set[str] = set()
        self.websocket: WebSocket | None = None
        self.ended = False
        self.connected_at = time.time()
        self.event_id = 0
        self._acknowledged: OrderedDict[int, None] | None = None
        self._on_ended = on_ended

    def attach(self, websocket: WebSocket) -> None:
        """Use a WebSocket from now on, and send the `connected` message on it."""
        self.websocket = websocket
        self.send_connected()

    def send_connected(self) -> None:
        """Send the `connected` message: connection id, user id, reconnection token."""
        self.send(self.codec.connected(self.id, self.user_id, self.reconnection_token))

    def send(self, frame: bytes | None) -> None:
        """Send a frame that has no sequenceId: acks, pongs, system messages.

        Args:
            frame: a complete frame; None where the protocol has no such message.
        """
        if self.websocket is not None and frame is not None:
            self.websocket.write(frame)

    def deliver(self, delivery: Delivery) -> None:
        """Send a group or server message."""
        websocket = self.websocket
        if websocket is not None:
            websocket.write(delivery.encoded(self.codec).plain)

    def write_pending(self) -> None:
        """Called when the WebSocket is writable again; nothing waits without a session."""

    def acknowledge_up_to(self, sequence_id: int) -> None:
        """Take a sequenceAck; without a session there is nothing to do."""

    def close(self, code: int, reason: str) -> None:
        """End the connection and its session, with a `disconnected` message and a Close frame.

        Args:
            code: close code, RFC 6455 section 7.4.
            reason: for both, and for the `disconnected` event.
        """
        websocket, self.websocket = self.websocket, None
        if websocket is not None:
            websocket.close(code, reason, self.codec.disconnected(reason))
        self.end(reason)

    def drop(self, reason: str) -> None:
        """End the connection and its session without a Close frame.

        Args:
            reason: for the `disconnected` event.
        """
        websocket, self.websocket = self.websocket, None
        if websocket is not None:
            websocket.abort()
        self.end(reason)

    def websocket_closed(self, websocket: WebSocket, code: int, reason: str) -> None:
        """Called when a WebSocket is closed, by its client or by the network.

        Args:
            websocket: which one; one that a recovery has replaced is ignored.
            code: close code of the client; 1005 or 1006 when there was none.
            reason: for the `disconnected` event.
        """
        if websocket is self.websocket:
            self.websocket = None
            self.end(reason)

    def end(self, reason: str) -> None:
        """The connection is over: calls `on_ended`, once."""
        if not self.ended:
            self.ended = True
            self._on_ended(self, reason)

    def is_duplicate(self, ack_id: int) -> bool:
        """Whether a request with this ackId has been executed."""
        return self._acknowledged is not None and ack_id in self._acknowledged

    def remember(self, ack_id: int) -> None:
        """Note that a request was executed; the last REMEMBERED_ACK_IDS are known."""
        if self._acknowledged is None:
            self._acknowledged = OrderedDict()
        self._acknowledged[ack_id] = None
        if len(self._acknowledged) > REMEMBERED_ACK_IDS:
            self._acknowledged.popitem(last=False)


def _reconnection_token() -> str:
    # Azure's reconnection tokens are base64, whose + / = need percent-encoding in a query. Tokens
    # of this service always have them, so that a client that forgets the encoding fails at once
    # and not only now and then.
    while True:
        token = base64.b64encode(os.urandom(32)).decode()
        if "+" in token and "/" in token:
            return token


class ReliableConnection(Connection):
    """A client connection with sequenceIds, whose session outlives its WebSocket.

    Messages are kept until the client has acknowledged them (sequenceAck), and written again
    after a recovery. What is kept is the `Delivery` that all receivers share; the sequenceId is
    put in when it is written. So a session costs one reference per message.

    Args:
        limits: how much it may keep, and for how long it waits for its client.
        call_later: sets the timer for that; None to wait until `expire` is called.

    Raises:
        RoleError: the roles break a limit.
    """

    __slots__ = (
        "_bytes",
        "_call_later",
        "_first",
        "_limits",
        "_next",
        "_timer",
        "_token",
        "_unacked",
        "_written",
    )

    def __init__(
        self,
        hub_name: str,
        codec: Codec,
        identity: Identity,
        protocol_name: str | None,
        on_ended: Callable[[Connection, str], None],
        connection_id: str,
        limits: Limits,
        call_later: CallLater | None = None,
    ) -> None:
        super().__init__(hub_name, codec, identity, protocol_name, on_ended, connection_id)
        self._token = _reconnection_token()
        self._limits = limits
        self._call_later = call_later
        self._unacked: deque[Delivery] = deque()
        self._bytes = 0
        self._first = 1  # sequenceId of the oldest message that is kept
        self._next = 1  # sequenceId of the next new message
        self._written = 1  # sequenceId of the next message to be written to the WebSocket
        self._timer: Timer | None = None

    @property
    def reconnection_token(self) -> str:  # type: ignore[override]
        """The secret by which the client recovers this session."""
        return self._token

    @property
    def detached(self) -> bool:
        """Whether the session has no WebSocket and waits to be recovered."""
        return self.websocket is None and not self.ended

    @property
    def unacknowledged(self) -> int:
        """How many messages are kept until the client acknowledges them."""
        return len(self._unacked)

    def deliver(self, delivery: Delivery) -> None:
        """Number a message, keep it until it is acknowledged, and send it if the client can."""
        sequence_id = self._next
        self._next = sequence_id + 1
        unacked, limits = self._unacked, self._limits
        unacked.append(delivery)
        self._bytes = size = self._bytes + delivery.size
        if len(unacked) > limits.buffer_messages or size > limits.buffer_bytes:
            self.drop("SlowClient")
            return
        websocket = self.websocket
        if websocket is not None and self._written == sequence_id and websocket.writable:
            self._written = sequence_id + 1
            websocket.write(delivery.encoded(self.codec).numbered(sequence_id))

    def write_pending(self) -> None:
        """Write messages that wait in the session, for as long as the WebSocket is writable."""
        websocket, codec = self.websocket, self.codec
        while websocket is not None and websocket.writable and self._written < self._next:
            number = self._written
            self._written = number + 1
            delivery = self._unacked[number - self._first]
            # An expired message leaves a gap in the sequenceIds, as in Azure; clients
            # acknowledge over it.
            if not delivery.expires or not delivery.expired():
                websocket.write(delivery.encoded(codec).numbered(number))

    def acknowledge_up_to(self, sequence_id: int) -> None:
        """Take a sequenceAck: forget every message up to this sequenceId.

        An id that was never sent is ignored.
        """
        if sequence_id >= self._written:
            return
        while self._first <= sequence_id:
            self._bytes -= self._unacked.popleft().size
            self._first += 1

    def websocket_closed(self, websocket: WebSocket, code: int, reason: str) -> None:
        """Keep the session for its client, unless the client closed with 1000."""
        if websocket is not self.websocket:
            return
        self.websocket = None
        if code == NORMAL:
            self.end(reason)
        else:
            self._await_recovery()

    def _await_recovery(self) -> None:
        if self._call_later is not None:
            self._timer = self._call_later(self._limits.retention, self.expire)

    def expire(self) -> None:
        """Stop waiting for the client now."""
        self.drop("Connection recovery timed out.")

    def may_recover(self, token: str) -> bool:
        """Whether this token belongs to this session, in constant time."""
        return not self.ended and hmac.compare_digest(self._token.encode(), token.encode())

    def recover(self, websocket: WebSocket) -> None:
        """Go on with a new WebSocket: drop the old one and replay what is not acknowledged."""
        self._stop_timer()
        old, self.websocket = self.websocket, websocket
        if old is not None:
            old.abort()
        self._written = self._first
        self.write_pending()

    def end(self, reason: str) -> None:
        """The session is over."""
        self._stop_timer()
        self._unacked.clear()
        self._first = self._written = self._next
        super().end(reason)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
