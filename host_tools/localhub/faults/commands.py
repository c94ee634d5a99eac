"""`LocalHub.faults`: make things go wrong, from a test or over HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Literal, Protocol

from ..hub.connection import Connection
from ..protocol.frames import ABNORMAL
from ..transport.websocket import ServerWebSocket
from .table import ActiveFault, Faults
from .wire import Direction, How

if TYPE_CHECKING:
    from .models import Fault, ImmediateFault, LastingFault

# Each websocket, upgrade and ack asks all that are active.
_MAX_ACTIVE = 1000


class Connections(Protocol):
    """The connections that faults can strike, detached sessions included."""

    def __iter__(self) -> Iterator[Connection]: ...

    def find(self, connection_id: str) -> Connection | None:
        """The connection with this id; None when there is none."""


class FaultCommands:
    """Misbehaviour of a running service.

        with hub.faults.stop_writing(user_id="cp-7"):
            ...                                   # the device hears nothing

    Everywhere, `connection_id`, `user_id` and `hub` say whom a fault strikes, alone or together;
    without them it strikes everybody, new connections included. `count` says how often it
    strikes and `for_seconds` for how long; it ends with the first of the two, with `end()`, or
    with the `with` block.

    All raise ValueError for values that make no sense, and LookupError for a `connection_id`
    that the service does not know.
    """

    def __init__(self, table: Faults, connections: Connections) -> None:
        self._table = table
        self._connections = connections

    # -- connections -----------------------------------------------------------------------

    def cut(
        self,
        after_bytes: int = 0,
        *,
        direction: Direction = "sent",
        how: How = "rst",
        count: int | None = 1,
        **target: Any,
    ) -> ActiveFault:
        """Lose connections without a Close frame; a reliable session can be recovered.

        Args:
            after_bytes: bytes that still pass; those of the answer to the upgrade count.
            direction: which bytes count: "sent" to the client, or "received" from it.
            how: "rst" for a TCP reset, "fin" for a plain end of the stream.
            count: how many connections; the first that get so far. None for all.
            target: connection_id, user_id, hub, for_seconds.
        """
        return self._begin(
            "cut", after_bytes=after_bytes, direction=direction, how=how, count=count, **target
        )

    def stop_reading(self, **target: Any) -> ActiveFault:
        """Take nothing from clients any more: their writes get stuck. What they have sent is
        read when it ends."""
        return self._begin("stop_reading", **target)

    def stop_writing(self, **target: Any) -> ActiveFault:
        """Write nothing to clients any more, while their connections seem to be alive; new ones
        get no answer to their upgrade. What they missed is sent when it ends."""
        return self._begin("stop_writing", **target)

    def delay(
        self,
        seconds: float,
        *,
        direction: Literal["sent", "received", "both"] = "both",
        **target: Any,
    ) -> ActiveFault:
        """Let everything arrive late, in order.

        Args:
            seconds: how late, in each direction.
            direction: what is late.
            target: connection_id, user_id, hub, count, for_seconds.
        """
        return self._begin("delay", seconds=seconds, direction=direction, **target)

    def close(
        self, code: int = 1001, reason: str = "", *, keep_session: bool = False, **target: str
    ) -> int:
        """Close connections with a code.

        Args:
            code: of the Close frame.
            reason: its text.
            keep_session: whether reliable clients can recover; otherwise they get 1008 then.
            target: connection_id, user_id, hub.

        Returns:
            How many there were.
        """
        return self._strike("close", code=code, reason=reason, keep_session=keep_session, **target)

    def expire(self, **target: str) -> int:
        """End sessions without a word, as if their clients had stayed away for too long.

        Returns:
            How many there were.
        """
        return self._strike("expire", **target)

    # -- upgrades and calls ----------------------------------------------------------------

    def refuse_upgrades(
        self, status: int = 503, *, retry_after: int | None = None, **target: Any
    ) -> ActiveFault:
        """Answer upgrades with an HTTP status, those of recoveries too.

        Args:
            status: HTTP status.
            retry_after: seconds for a Retry-After header.
            target: hub, count, for_seconds.
        """
        return self._begin("refuse_upgrades", status=status, retry_after=retry_after, **target)

    def throttle(self, limit: int, per_seconds: float = 1.0, **target: Any) -> ActiveFault:
        """Answer 429 with Retry-After to what exceeds a rate.

        Args:
            limit: upgrades, and calls of the REST data plane if no hub is named, that are let
                through in `per_seconds`; 0 for none.
            per_seconds: length of the window that slides along.
            target: hub, count, for_seconds.
        """
        return self._begin("throttle", limit=limit, per_seconds=per_seconds, **target)

    # -- acks ------------------------------------------------------------------------------

    def drop_acks(self, **target: Any) -> ActiveFault:
        """Execute requests, but lose their acks."""
        return self._begin("drop_acks", **target)

    def delay_acks(self, seconds: float, **target: Any) -> ActiveFault:
        """Execute requests, but let their acks come late."""
        return self._begin("delay_acks", seconds=seconds, **target)

    # -- all of them -----------------------------------------------------------------------

    @property
    def active(self) -> list[ActiveFault]:
        """What goes wrong at the moment, in the order of beginning."""
        return list(self._table.active.values())

    def clear(self) -> None:
        """End everything that goes wrong."""
        self._table.clear()

    def _begin(self, kind: str, **values: Any) -> ActiveFault:
        active = self.execute({"kind": kind, **values})
        assert isinstance(active, ActiveFault)
        return active

    def _strike(self, kind: str, **values: Any) -> int:
        struck = self.execute({"kind": kind, **values})
        assert isinstance(struck, int)
        return struck

    def execute(self, values: object) -> ActiveFault | int:
        """Do what a description says, such as `{"kind": "cut", "after_bytes": 100}`.

        Returns:
            The fault, or for what is over at once how many connections it struck.

        Raises:
            ValueError: the description is wrong; the text is one line.
            LookupError: there is no such connection.
        """
        # Loaded now: it takes time, and most services never misbehave.
        from .models import Close, Expire, read_fault

        fault = read_fault(values)
        self._check_target(fault)
        return self._do(fault) if isinstance(fault, (Close, Expire)) else self._start(fault)

    def _check_target(self, fault: Fault) -> None:
        wanted = getattr(fault, "connection_id", None)
        if wanted is not None and self._connections.find(wanted) is None:
            raise LookupError(f"no connection '{wanted}'")

    def _start(self, fault: LastingFault) -> ActiveFault:
        if len(self._table.active) >= _MAX_ACTIVE:
            raise ValueError(f"there are {_MAX_ACTIVE} faults already: end some")
        active = self._table.add(fault)
        if fault.acts_on == "connections":
            for connection in self._connections:
                self._table.strike_connection(active, connection, connection.websocket)
        return active

    def _do(self, deed: ImmediateFault) -> int:
        struck = [connection for connection in self._connections if deed.concerns(connection)]
        for connection in struck:
            if deed.kind == "expire":
                connection.drop("Connection recovery timed out.")
            elif deed.keep_session:
                _close_websocket(connection, deed.code, deed.reason)
            else:
                connection.close(deed.code, deed.reason)
        return len(struck)


def _close_websocket(connection: Connection, code: int, reason: str) -> None:
    websocket = connection.websocket
    if isinstance(websocket, ServerWebSocket):
        # First, so that nothing is written behind the Close frame.
        connection.websocket_closed(websocket, ABNORMAL, reason)
        websocket.close(code, reason, connection.codec.disconnected(reason))
