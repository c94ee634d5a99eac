"""The faults that are active, asked by whatever they act on.

Connections are reported to it, upgrades and calls ask it whether they are refused, acks whether
they are dropped or late.
"""

from __future__ import annotations

import asyncio
import itertools
import math
import time
import weakref
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..hub.connection import Connection, WebSocket
from .wire import Wire, wire_of

if TYPE_CHECKING:
    from .models import AckFault, ConnectionFault, LastingFault, UpgradeFault


@dataclass(frozen=True, slots=True)
class Refusal:
    """How an upgrade or a call is refused.

    Attributes:
        status: HTTP status.
        retry_after: seconds for a Retry-After header, or None.
    """

    status: int
    retry_after: int | None = None

    @property
    def headers(self) -> dict[str, str]:
        """What goes with the status."""
        return {} if self.retry_after is None else {"Retry-After": str(self.retry_after)}


class ActiveFault:
    """A fault that lasts. As a context manager it ends with its block.

    Attributes:
        id: number, unique in a service.
        fault: what goes wrong.
        struck: how often it has struck: connections, upgrades or acks.
        ended: whether it is over.
    """

    def __init__(self, number: int, fault: LastingFault, end: Callable[[ActiveFault], None]):
        self.id = number
        self.fault = fault
        self.struck = 0
        self.ended = False
        self.wires: weakref.WeakSet[Wire] = weakref.WeakSet()
        self.admitted: deque[float] = deque()
        self.timer: asyncio.TimerHandle | None = None
        self._end = end

    def __enter__(self) -> ActiveFault:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    @property
    def exhausted(self) -> bool:
        """Whether it has struck as often as it should."""
        return self.fault.count is not None and self.struck >= self.fault.count

    def strike(self) -> None:
        """Count; at the last time, it is over."""
        self.struck += 1
        if self.exhausted:
            self.end()

    def end(self) -> None:
        """End it, and take back what it does. Harmless when repeated."""
        if not self.ended:
            self._end(self)


class Faults:
    """All faults that are active, in the order in which they began."""

    def __init__(self) -> None:
        self._numbers = itertools.count(1)
        self.active: dict[int, ActiveFault] = {}
        # By what they act on: an ack need not look at faults of connections.
        self._connection_faults: list[ActiveFault] = []
        self._upgrades: list[ActiveFault] = []
        self._acks: list[ActiveFault] = []

    def add(self, fault: LastingFault) -> ActiveFault:
        """Let something go wrong from now on."""
        active = ActiveFault(next(self._numbers), fault, self._end)
        self.active[active.id] = active
        self._list_of(active).append(active)
        if fault.for_seconds is not None:
            loop = asyncio.get_running_loop()
            active.timer = loop.call_later(fault.for_seconds, active.end)
        return active

    def clear(self) -> None:
        """End all faults."""
        for active in tuple(self.active.values()):
            active.end()

    def _list_of(self, active: ActiveFault) -> list[ActiveFault]:
        lists = {
            "connections": self._connection_faults,
            "upgrades": self._upgrades,
            "acks": self._acks,
        }
        return lists[active.fault.acts_on]

    def _end(self, active: ActiveFault) -> None:
        active.ended = True
        del self.active[active.id]
        self._list_of(active).remove(active)
        if active.timer is not None:
            active.timer.cancel()
        for wire in tuple(active.wires):
            wire.lift(active)

    # -- connections -----------------------------------------------------------------------

    def watch(self, connection: Connection, websocket: WebSocket) -> None:
        """Strike a WebSocket that has just come up, if anything is to strike it."""
        for active in tuple(self._connection_faults):
            self.strike_connection(active, connection, websocket)

    def strike_connection(
        self, active: ActiveFault, connection: Connection, websocket: WebSocket | None
    ) -> None:
        """Let a fault act on a WebSocket, if it concerns its connection."""
        fault: ConnectionFault = active.fault  # type: ignore[assignment]
        if active.ended or active.exhausted or not fault.concerns(connection):
            return
        wire = wire_of(websocket)
        if wire is None:
            return
        active.wires.add(wire)
        if fault.kind == "cut":
            wire.cut_after(active, fault.direction, fault.after_bytes, fault.how, active.strike)
        else:
            # Not `strike`: at the last time, what it did before has to go on.
            active.struck += 1
            wire.disturb(active, fault.disturbance())

    # -- upgrades and calls ----------------------------------------------------------------

    def refusal(self, hub_name: str) -> Refusal | None:
        """How to refuse an upgrade at a hub; None to let it through. Counts it."""
        for active in self._upgrades:
            fault: UpgradeFault = active.fault  # type: ignore[assignment]
            if fault.concerns_hub(hub_name):
                refusal = _refusal(active, fault)
                if refusal is not None:
                    active.strike()
                    return refusal
        return None

    def throttling(self) -> Refusal | None:
        """How to refuse a call of the data plane; None to let it through. Counts it."""
        for active in self._upgrades:
            fault: UpgradeFault = active.fault  # type: ignore[assignment]
            if fault.kind == "throttle" and fault.hub is None:
                refusal = _refusal(active, fault)
                if refusal is not None:
                    active.strike()
                    return refusal
        return None

    # -- acks ------------------------------------------------------------------------------

    @property
    def disturbs_acks(self) -> bool:
        """Whether `ack_delay` has to be asked at all."""
        return bool(self._acks)

    def ack_delay(self, connection: Connection) -> float:
        """Seconds by which the next ack of a connection is late; infinity for a lost one."""
        for active in self._acks:
            fault: AckFault = active.fault  # type: ignore[assignment]
            if fault.concerns(connection):
                active.strike()
                return fault.seconds if fault.kind == "delay_acks" else math.inf
        return 0.0


def _refusal(active: ActiveFault, fault: UpgradeFault) -> Refusal | None:
    if fault.kind == "refuse_upgrades":
        return Refusal(fault.status, fault.retry_after)
    wait = fault.wait(active.admitted, time.monotonic())
    return None if wait is None else Refusal(429, wait)
