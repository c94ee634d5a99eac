"""What can go wrong on command, as data: one model per kind, for Python and HTTP alike."""

from __future__ import annotations

import math
from collections import deque
from typing import Annotated, ClassVar, Literal

from micropython_webpubsub.validation import first_problem, one_line
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeInt,
    PositiveInt,
    TypeAdapter,
    ValidationError,
)

from ..hub.connection import Connection
from ..protocol.frames import is_valid_close_code
from .wire import Disturbance

Seconds = Annotated[float, Field(gt=0, le=3600, allow_inf_nan=False)]


def _check_code(code: int) -> int:
    if not is_valid_close_code(code):
        raise ValueError("a Close frame carries 1000 to 1003, 1007 to 1014, or 3000 to 4999")
    return code


CloseCode = Annotated[int, AfterValidator(_check_code)]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _AtHub(_Model):
    """Attributes:
    hub: only this hub, in any spelling; None for all.
    """

    hub: str | None = None

    def concerns_hub(self, hub_name: str) -> bool:
        """Whether it strikes in a hub."""
        return self.hub is None or self.hub.lower() == hub_name.lower()


class _AtConnection(_AtHub):
    """Attributes:
    connection_id: only this connection; its recoveries count.
    user_id: only connections of this user.
    """

    connection_id: str | None = None
    user_id: str | None = None

    def concerns(self, connection: Connection) -> bool:
        """Whether it strikes a connection."""
        return (
            self.concerns_hub(connection.hub_name)
            and self.connection_id in (None, connection.id)
            and self.user_id in (None, connection.user_id)
        )


class _Lasting(_Model):
    """Attributes:
    count: how often it strikes; None for any number.
    for_seconds: for how long it is there; None until it is ended.
    """

    acts_on: ClassVar[Literal["connections", "upgrades", "acks"]]
    count: PositiveInt | None = None
    for_seconds: Seconds | None = None


# -- what happens to connections --------------------------------------------------------------


class Cut(_AtConnection, _Lasting):
    """Lose connections without a Close frame; a reliable session stays.

    Attributes:
        after_bytes: how many bytes may still pass; 0 for none.
        direction: which bytes count: "sent" to the client or "received" from it.
        how: "rst" for a TCP reset, "fin" for a plain end of the stream.
    """

    acts_on = "connections"
    kind: Literal["cut"] = "cut"
    count: PositiveInt | None = 1
    after_bytes: NonNegativeInt = 0
    direction: Literal["sent", "received"] = "sent"
    how: Literal["rst", "fin"] = "rst"


class StopReading(_AtConnection, _Lasting):
    """Take nothing from clients any more: their writes get stuck."""

    acts_on = "connections"
    kind: Literal["stop_reading"] = "stop_reading"

    def disturbance(self) -> Disturbance:
        """What it does to a connection."""
        return Disturbance(deaf=True)


class StopWriting(_AtConnection, _Lasting):
    """Write nothing to clients any more, not even the end of the connection (half open, RFC 9293).

    New connections do not even get the answer to their upgrade.
    """

    acts_on = "connections"
    kind: Literal["stop_writing"] = "stop_writing"

    def disturbance(self) -> Disturbance:
        """What it does to a connection."""
        return Disturbance(mute=True)


class Delay(_AtConnection, _Lasting):
    """Let everything arrive late, in order.

    Attributes:
        seconds: how late.
        direction: what is late: all that is "sent", all that is "received", or "both".
    """

    acts_on = "connections"
    kind: Literal["delay"] = "delay"
    seconds: Seconds
    direction: Literal["sent", "received", "both"] = "both"

    def disturbance(self) -> Disturbance:
        """What it does to a connection."""
        return Disturbance(
            sent_delay=self.seconds if self.direction != "received" else 0.0,
            received_delay=self.seconds if self.direction != "sent" else 0.0,
        )


# -- what happens to upgrades and calls -------------------------------------------------------


class RefuseUpgrades(_AtHub, _Lasting):
    """Answer upgrades, recoveries too, with an HTTP status.

    Attributes:
        status: HTTP status.
        retry_after: seconds for a Retry-After header; None for no header.
    """

    acts_on = "upgrades"
    kind: Literal["refuse_upgrades"] = "refuse_upgrades"
    status: Annotated[int, Field(ge=300, le=599)] = 503
    retry_after: NonNegativeInt | None = None


class Throttle(_AtHub, _Lasting):
    """Answer 429 with Retry-After to whatever exceeds a rate: upgrades, and calls of the REST
    data plane when no hub is named.

    Attributes:
        limit: how many are let through within `per_seconds`.
        per_seconds: length of the window that slides along.
    """

    acts_on = "upgrades"
    kind: Literal["throttle"] = "throttle"
    limit: NonNegativeInt
    per_seconds: Seconds = 1

    def wait(self, admitted: deque[float], now: float) -> int | None:
        """Whether a request has to wait.

        Args:
            admitted: when requests were let through; this one is added if it is.
            now: the time, on the same clock.

        Returns:
            Seconds until it makes sense to try again, or None when it is let through.
        """
        while admitted and admitted[0] <= now - self.per_seconds:
            admitted.popleft()
        if len(admitted) < self.limit:
            admitted.append(now)
            return None
        free_at = admitted[0] + self.per_seconds if admitted else now + self.per_seconds
        return max(1, math.ceil(free_at - now))


# -- what happens to acks ---------------------------------------------------------------------


class DropAcks(_AtConnection, _Lasting):
    """Execute requests, but lose their acks."""

    acts_on = "acks"
    kind: Literal["drop_acks"] = "drop_acks"


class DelayAcks(_AtConnection, _Lasting):
    """Execute requests, but let their acks come late.

    Attributes:
        seconds: how late.
    """

    acts_on = "acks"
    kind: Literal["delay_acks"] = "delay_acks"
    seconds: Seconds


# -- what happens at once ---------------------------------------------------------------------


class Expire(_AtConnection):
    """End sessions without a word, as if their clients had stayed away for too long."""

    kind: Literal["expire"] = "expire"


class Close(_AtConnection):
    """Close connections with a code.

    Attributes:
        code: of the Close frame.
        reason: of the Close frame, and of the `disconnected` frame before it.
        keep_session: whether a reliable session can be recovered afterwards.
    """

    kind: Literal["close"] = "close"
    code: CloseCode = 1001
    reason: Annotated[str, Field(max_length=123)] = ""
    keep_session: bool = False


ConnectionFault = Cut | StopReading | StopWriting | Delay
UpgradeFault = RefuseUpgrades | Throttle
AckFault = DropAcks | DelayAcks
LastingFault = ConnectionFault | UpgradeFault | AckFault
ImmediateFault = Expire | Close
Fault = LastingFault | ImmediateFault

_any_fault: TypeAdapter[Fault] = TypeAdapter(Annotated[Fault, Field(discriminator="kind")])


def read_fault(values: object) -> Fault:
    """Make a fault of what came in.

    Raises:
        ValueError: something is wrong with it; the text is one line.
    """
    try:
        return _any_fault.validate_python(values)
    except ValidationError as error:
        # The first part of where it is is the kind.
        raise ValueError(one_line(*first_problem(error, within=1))) from None
