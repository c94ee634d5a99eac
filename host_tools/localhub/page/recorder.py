"""Turns what happens in the hubs into rows for the pages that are open."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from typing import Any

from ..hub.connection import Connection
from ..hub.observers import HubObserver, Observers
from ..protocol.messages import AckError, AckErrorName, Message, Payload, SendEvent
from .preview import preview, short, without_secrets

Row = dict[str, Any]

# Rows that may wait for a page. It takes them ten times a second, if it keeps up.
MAX_WAITING = 100


class Tape:
    """What has happened and has not been shown by one page yet.

    When it is full, what happens is counted and not kept.

    Attributes:
        skipped: how much was not kept since the last `take`.
    """

    def __init__(self) -> None:
        self._rows: list[Row] = []
        self.skipped = 0

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def full(self) -> bool:
        """Whether it keeps no more."""
        return len(self._rows) >= MAX_WAITING

    def put(self, row: Row) -> None:
        """Keep a row, or count it."""
        if self.full:
            self.skipped += 1
        else:
            self._rows.append(row)

    def take(self) -> tuple[list[Row], int]:
        """The rows that are kept, and how many more there were."""
        rows, self._rows = self._rows, []
        skipped, self.skipped = self.skipped, 0
        return rows, skipped


class Recorder(HubObserver):
    """Observes the hubs while there is a tape.

    Args:
        observers: those of all hubs; it is among them only while it has a tape.

    Attributes:
        received: messages that clients published or sent as events.
        delivered: messages to clients, each receiver counted.
    """

    def __init__(self, observers: Observers) -> None:
        self._observers = observers
        self._tapes: list[Tape] = []
        self.received = 0
        self.delivered = 0

    def __len__(self) -> int:
        return len(self._tapes)

    @property
    def tapes(self) -> tuple[Tape, ...]:
        """The tapes of the pages that are open."""
        return tuple(self._tapes)

    def start(self) -> Tape:
        """Begin a tape."""
        if not self._tapes:
            self._observers.add(self)
        tape = Tape()
        self._tapes.append(tape)
        return tape

    def stop(self, tape: Tape) -> None:
        """End a tape; with the last one, nothing is recorded any more."""
        self._tapes.remove(tape)
        if not self._tapes:
            self._observers.remove(self)

    def _record(self, make: Callable[[], Row]) -> None:
        # A tape that is full only counts: under a flood no row is made for it.
        row: Row | None = None
        for tape in self._tapes:
            if not tape.full and row is None:
                row = {"at": round(time.time() * 1000), **make()}
            tape.put(row or {})

    # -- what the hubs call ----------------------------------------------------------------

    def connected(self, connection: Connection) -> None:
        """See HubObserver."""
        self._record(lambda: _of(connection, "connected"))

    def disconnected(self, connection: Connection, reason: str) -> None:
        """See HubObserver."""
        self._record(lambda: _of(connection, "disconnected", text=_line(reason)))

    def joins(self, connection: Connection, group: str) -> None:
        """See HubObserver."""
        if group not in connection.groups:
            self._record(lambda: _of(connection, "joined", group=short(group)))

    def leaves(self, connection: Connection, group: str) -> None:
        """See HubObserver."""
        # At the end of a connection its groups are left without saying.
        if group in connection.groups and not connection.ended:
            self._record(lambda: _of(connection, "left", group=short(group)))

    def sent(
        self,
        hub_name: str,
        message: Message,
        receivers: Collection[Connection],
        sender: Connection | None,
    ) -> None:
        """See HubObserver."""
        self.delivered += len(receivers)
        if sender is not None:
            self.received += 1
        self._record(lambda: _sent(hub_name, message, receivers, sender))

    def event(self, connection: Connection, request: SendEvent) -> None:
        """See HubObserver."""
        self.received += 1
        self._record(
            lambda: {
                **_of(connection, "event", event=short(request.event)),
                "direction": "in",
                **_content(request.payload),
            }
        )

    def refused(self, connection: Connection, error: AckError) -> None:
        """See HubObserver."""
        failed = error.name is AckErrorName.INTERNAL_SERVER_ERROR
        kind = "failed" if failed else "refused"
        text = _line(f"{error.name.value}: {error.message}")
        self._record(lambda: {**_of(connection, kind, text=text), "direction": "in"})


def _sent(
    hub_name: str,
    message: Message,
    receivers: Collection[Connection],
    sender: Connection | None,
) -> Row:
    row: Row = {"hub": hub_name, "receivers": len(receivers), **_content(message.payload)}
    if message.group is not None:
        row["group"] = short(message.group)
    if sender is not None:
        return {**_of(sender, "publish"), "direction": "in", **row}
    row |= {"kind": "server" if message.group is None else "group", "direction": "out"}
    if len(receivers) == 1:
        (receiver,) = receivers
        row |= {"to": _user(receiver), "connection": receiver.id}
    return row


def _of(connection: Connection, kind: str, **more: str) -> Row:
    return {
        "kind": kind,
        "hub": connection.hub_name,
        "user": _user(connection),
        "connection": connection.id,
        **more,
    }


def _user(connection: Connection) -> str | None:
    return None if connection.user_id is None else short(connection.user_id)


def _line(text: str) -> str:
    return short(without_secrets(text))


def _content(payload: Payload) -> Row:
    return {"type": payload.kind.value, "size": len(payload.data), "text": preview(payload)}
