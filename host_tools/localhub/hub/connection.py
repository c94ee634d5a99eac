"""Connections as the service knows them: who they are, what they are in, what they have missed.

A connection outlives its socket when its protocol is reliable. The socket side is a `Link`.
"""

from __future__ import annotations

import asyncio
import base64
import hmac
import os
import secrets
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from ..protocol.codec import Codec
from ..protocol.frames import NORMAL
from .delivery import Delivery
from .permissions import Permissions

REMEMBERED_ACK_IDS = 1000


class Link(Protocol):
    """What a connection needs of its socket."""

    @property
    def writable(self) -> bool:
        """Whether the peer keeps up; while it does not, reliable messages wait in the session."""

    def write(self, frame: bytes) -> None:
        """Send one whole frame, together with others of the same turn of the event loop."""

    def close(self, code: int, reason: str, farewell: bytes | None = None) -> None:
        """Send a last frame and a Close frame, then end the connection."""

    def abort(self) -> None:
        """End the connection without a Close frame."""

    def pause_reading(self) -> None:
        """Take no more from the peer until `resume_reading`."""

    def resume_reading(self) -> None:
        """Take from the peer again."""


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
        state: value of `ce-connectionState`, opaque.
        cookies: what its event handler wants back, a `Webhooks` matter.
        address: of the peer; empty when there is none.
    """

    user_id: str | None = None
    roles: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    claims: dict[str, Any] = field(default_factory=dict)
    state: str | None = None
    cookies: Any = None
    address: str = ""


def new_connection_id() -> str:
    """An id that is unique, hard to guess, and safe in a URL."""
    return secrets.token_urlsafe(16)


class Connection:
    """One client of a hub, without recovery: its link's end is its own.

    Args:
        hub_name: the hub, in lower case.
        codec: the protocol that it speaks.
        identity: user id, roles and groups.
        protocol_name: negotiated subprotocol, custom ones included; None when there is none.
        on_ended: called once with the connection and a reason when it is over.
        connection_id: its id; see `new_connection_id`.

    Raises:
        RoleError: the roles break a limit.
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
        "link",
        "permissions",
        "protocol_name",
        "state",
        "user_id",
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
        self.groups: set[str] = set()
        self.link: Link | None = None
        self.ended = False
        self.connected_at = time.time()
        self.event_id = 0
        self._acknowledged: OrderedDict[int, None] | None = None
        self._on_ended = on_ended

    def attach(self, link: Link) -> None:
        """Use a link from now on, and greet the client."""
        self.link = link
        self.greet()

    def greet(self) -> None:
        """Tell the client who it is here; after a recovery that is optional."""
        self.send(self.codec.connected(self.id, self.user_id, self.reconnection_token))

    def send(self, frame: bytes | None) -> None:
        """Send a frame that is neither numbered nor kept."""
        if self.link is not None and frame is not None:
            self.link.write(frame)

    def deliver(self, delivery: Delivery) -> None:
        """Send a group or server message."""
        link = self.link
        if link is not None:
            link.write(delivery.encoded(self.codec).plain)

    def pump(self) -> None:
        """The link is writable again; nothing waits without a session."""

    def acknowledge_up_to(self, sequence_id: int) -> None:
        """Forget the messages that the client has; nothing to do without sequenceIds."""

    def close(self, code: int, reason: str) -> None:
        """End the connection from the service's side, session included."""
        link, self.link = self.link, None
        if link is not None:
            link.close(code, reason, self.codec.disconnected(reason))
        self.end(reason)

    def drop(self, reason: str) -> None:
        """End the connection and its session without a word to the client."""
        link, self.link = self.link, None
        if link is not None:
            link.abort()
        self.end(reason)

    def link_lost(self, link: Link, code: int, reason: str) -> None:
        """The socket is gone, or the client closes it.

        Args:
            link: whose end it is; one that was replaced meanwhile is ignored.
            code: close code of the client; 1005 or 1006 when there was none.
            reason: why, for the `disconnected` event.
        """
        if link is self.link:
            self.link = None
            self.end(reason)

    def end(self, reason: str) -> None:
        """The connection is over: tell whoever registered it. Harmless when repeated."""
        if not self.ended:
            self.ended = True
            self._on_ended(self, reason)

    def is_duplicate(self, ack_id: int) -> bool:
        """Whether a request with this ackId has been executed."""
        return self._acknowledged is not None and ack_id in self._acknowledged

    def remember(self, ack_id: int) -> None:
        """Note that a request was executed; the last 1000 ids are known."""
        if self._acknowledged is None:
            self._acknowledged = OrderedDict()
        self._acknowledged[ack_id] = None
        if len(self._acknowledged) > REMEMBERED_ACK_IDS:
            self._acknowledged.popitem(last=False)


def _reconnection_token() -> str:
    # Tokens of the cloud hold + / = and so need percent-encoding in a query. Ours always do,
    # or a client that forgets the encoding would only fail now and then.
    while True:
        token = base64.b64encode(os.urandom(32)).decode()
        if "+" in token and "/" in token:
            return token


class ReliableConnection(Connection):
    """A client with sequenceIds whose session survives its link (sections 7 and 8).

    Unacknowledged messages are kept as they are, shared with all other receivers, and numbered
    when they are written: a session costs one reference for each of them.
    """

    __slots__ = (
        "_bytes",
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
    ) -> None:
        super().__init__(hub_name, codec, identity, protocol_name, on_ended, connection_id)
        self._token = _reconnection_token()
        self._limits = limits
        self._unacked: deque[Delivery] = deque()
        self._bytes = 0
        self._first = 1  # sequenceId of the oldest message that is kept
        self._next = 1  # sequenceId of the next new message
        self._written = 1  # sequenceId of the next message to be written to the link
        self._timer: asyncio.TimerHandle | None = None

    @property
    def reconnection_token(self) -> str:  # type: ignore[override]
        """What the client proves itself with when it recovers."""
        return self._token

    @property
    def detached(self) -> bool:
        """Whether the session waits for its client to come back."""
        return self.link is None and not self.ended

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
        link = self.link
        if link is not None and self._written == sequence_id and link.writable:
            self._written = sequence_id + 1
            link.write(delivery.encoded(self.codec).numbered(sequence_id))

    def pump(self) -> None:
        """Write what waits, until the link says stop."""
        link, codec = self.link, self.codec
        while link is not None and link.writable and self._written < self._next:
            number = self._written
            self._written = number + 1
            delivery = self._unacked[number - self._first]
            # An expired message leaves a hole in the sequence, which clients have to bear.
            if not delivery.expires or not delivery.expired():
                link.write(delivery.encoded(codec).numbered(number))

    def acknowledge_up_to(self, sequence_id: int) -> None:
        """Forget everything up to this sequenceId; ids never sent are ignored."""
        if sequence_id >= self._written:
            return
        while self._first <= sequence_id:
            self._bytes -= self._unacked.popleft().size
            self._first += 1

    def link_lost(self, link: Link, code: int, reason: str) -> None:
        """Keep the session for its client, unless the client closed with 1000."""
        if link is not self.link:
            return
        self.link = None
        if code == NORMAL:
            self.end(reason)
        else:
            self._await_recovery()

    def _await_recovery(self) -> None:
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(self._limits.retention, self.expire)

    def expire(self) -> None:
        """Stop waiting for the client now."""
        self.drop("Connection recovery timed out.")

    def may_recover(self, token: str) -> bool:
        """Whether this token belongs to this session, in constant time."""
        return not self.ended and hmac.compare_digest(self._token.encode(), token.encode())

    def recover(self, link: Link) -> None:
        """Go on with a new link: drop the old one and replay what is not acknowledged."""
        self._stop_timer()
        old, self.link = self.link, link
        if old is not None:
            old.abort()
        self._written = self._first
        self.pump()

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
