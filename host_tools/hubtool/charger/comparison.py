"""What a charging point did when a record was made, and what it does when that is played back."""

from __future__ import annotations

import json
from collections import defaultdict, deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from ..errors import HubtoolError

# Timers have whole seconds, so the same may happen so much later or earlier.
_MS = 2000
_SECONDS = 2
# What flows in a second at 32 A, rounded twice.
_WH = 3
_METERS = ("meterStart", "meterStop", "value")
# These are in order among themselves; all others may overtake.
_TRANSACTIONS = ("StartTransaction", "MeterValues", "StopTransaction")


class Event(NamedTuple):
    """A line of a record.

    Attributes:
        at: ms since power-up.
        kind: what happened.
        value: of it.
    """

    at: int
    kind: str
    value: Any


@dataclass(frozen=True)
class Life:
    """What was recorded from one power-up on.

    Attributes:
        header: what there was then.
        events: what happened, in order.
    """

    header: Mapping[str, Any]
    events: tuple[Event, ...]

    @property
    def end(self) -> int:
        """Ms of the last event."""
        return max((event.at for event in self.events), default=0)


def read_record(text: str, version: int) -> list[Life]:
    """The power-ups of a record.

    Args:
        text: of the file; its last line may be broken off.
        version: of the format.

    Raises:
        HubtoolError: it is no record; the text says where.
    """
    lives: list[Life] = []
    lines = text.splitlines()
    for number, line in enumerate(lines, 1):
        try:
            value = json.loads(line)
            if isinstance(value, dict):
                if value["version"] != version:
                    raise HubtoolError(f"line {number} is of another version of the format")
                _ = value["charger"], value["connectors"], value["options"], value["files"]
                lives.append(Life(value, ()))
            else:
                at, kind, found = value
                last = lives.pop()
                event = Event(int(at), str(kind), found)
                lives.append(Life(last.header, (*last.events, event)))
        except (ValueError, KeyError, TypeError, IndexError):
            # The power may have gone while this was written.
            if number < len(lines) or not lives:
                raise HubtoolError(
                    f"line {number} is no line of a record of hubtool charger --record"
                ) from None
    if not lives:
        raise HubtoolError("it is empty: record it by hubtool charger --record FILE")
    return lives


def write_record(lives: Iterable[Life]) -> str:
    """The text of a record.

    Args:
        lives: the power-ups.
    """
    return "".join(
        json.dumps(value) + "\n" for life in lives for value in (life.header, *life.events)
    )


def differences(recorded: Life, played: Life) -> list[str]:
    """What came out otherwise, one line each.

    Args:
        recorded: one power-up, with what came in and went out.
        played: the same, played back.
    """
    found: list[tuple[int, str]] = []
    expected, got = _by_thread(recorded), _by_thread(played)
    for thread in sorted(expected.keys() | got.keys()):
        there, here = expected[thread], got[thread]
        while there or here:
            old = there.popleft() if there else None
            new = here.popleft() if here else None
            if old and new and _same(old.value, new.value):
                if abs(old.at - new.at) > _MS:
                    late = (new.at - old.at) / 1000
                    found.append((old.at, f"{thread}: {late:+.1f} s: {_shown(old)}"))
                continue
            # The power went, perhaps just before it came, or just after.
            if not (old and new) and (old or new).at > recorded.end - _MS:  # type: ignore[union-attr]
                continue
            found.append(
                ((old or new).at, f"{thread}: recorded {_shown(old)}, now {_shown(new)}")  # type: ignore[union-attr]
            )
    return [f"{at / 1000:.1f} s: {text}" for at, text in sorted(found)]


def _shown(event: Event | None) -> str:
    if event is None:
        return "nothing"
    value = event.value if isinstance(event.value, str) else json.dumps(event.value)
    return value if len(value) <= 200 else value[:200] + "..."


def _by_thread(life: Life) -> dict[str, deque[Event]]:
    """What went out, by what must be in order."""
    threads: dict[str, deque[Event]] = defaultdict(deque)
    for event in life.events:
        if event.kind == "printed":
            words = str(event.value).split()
            about = " ".join(words[:1] if words[:1] == ["message"] else words[:2])
            threads[f"printed {about}"].append(event)
        elif event.kind == "sent":
            message = json.loads(event.value)
            if message[0] == 2:
                value = message[2:]
                threads[_thread_of(*value)].append(event._replace(value=value))
            else:
                threads[f"answer to {message[1]}"].append(event._replace(value=message))
        elif event.kind == "reset":
            threads["reset"].append(event)
    return threads


def _thread_of(action: str, payload: Any) -> str:
    if action in _TRANSACTIONS and '"Trigger"' not in json.dumps(payload):
        return "transactions"
    return action


def _same(old: Any, new: Any, name: str = "") -> bool:
    """Whether two values are the same, but for a moment more or less."""
    if isinstance(old, dict) and isinstance(new, dict):
        return old.keys() == new.keys() and all(_same(old[key], new[key], key) for key in old)
    if isinstance(old, list) and isinstance(new, list):
        return len(old) == len(new) and all(
            _same(a, b, name) for a, b in zip(old, new, strict=True)
        )
    if old == new:
        return True
    if isinstance(old, str) and isinstance(new, str) and not name and " " in old:
        # A printed line.
        words = list(zip(old.split(), new.split(), strict=False))
        return len(old.split()) == len(new.split()) and all(
            a == b or _near_time(a, b) or (old.startswith("contactor") and _near(a, b))
            for a, b in words
        )
    return _near_time(old, new) or (name in _METERS and _near(old, new))


def _near(old: Any, new: Any) -> bool:
    try:
        return abs(float(old) - float(new)) <= _WH
    except (TypeError, ValueError):
        return False


def _near_time(old: Any, new: Any) -> bool:
    try:
        moments = datetime.fromisoformat(old), datetime.fromisoformat(new)
        return abs((moments[0] - moments[1]).total_seconds()) <= _SECONDS
    except (TypeError, ValueError):
        return False
