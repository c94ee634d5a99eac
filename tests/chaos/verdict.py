"""What came of a run: counts, and what is wrong with them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from .peers import Records

if TYPE_CHECKING:
    from .rig import Device

ALPHABET = '0123456789abcdefg "\\é€😀' * 30


@dataclass
class Result:
    """What came of it; counts.

    Attributes:
        lost, doubled, disordered, damaged: by direction ("up", "down", "sdk").
        sent: messages by direction.
        failed: sends that failed, by error and outcome.
        unknown: sends of unknown outcome because the session was really lost.
        gone: messages to a device that had no session when they were published.
        urls, rejoined: fresh URLs that devices asked for, and sessions after the first ones that
            are in the device's group again.
        phases, ways: cuts, see Proxy.
        devices: counters of each device.
        seconds: of the run.
    """

    sent: Counter[str] = field(default_factory=Counter)
    lost: Counter[str] = field(default_factory=Counter)
    doubled: Counter[str] = field(default_factory=Counter)
    disordered: Counter[str] = field(default_factory=Counter)
    damaged: Counter[str] = field(default_factory=Counter)
    failed: Counter[str] = field(default_factory=Counter)
    unknown: int = 0
    gone: int = 0
    urls: int = 0
    rejoined: int = 0
    phases: Counter[str] = field(default_factory=Counter)
    ways: Counter[str] = field(default_factory=Counter)
    devices: list[dict[str, int]] = field(default_factory=list)
    seconds: float = 0.0

    def total(self, name: str) -> int:
        """A counter of all devices together."""
        return sum(device[name] for device in self.devices)

    @property
    def faults(self) -> list[str]:
        """What is wrong; empty after a good run."""
        counts = {
            "lost": self.lost,
            "doubled": self.doubled,
            "out of order": self.disordered,
            "damaged": self.damaged,
            "failed": self.failed,
        }
        return [
            f"{name} ({which}): {count}"
            for name, counter in counts.items()
            for which, count in counter.items()
            if count
        ]


def padding(number: int) -> str:
    """What a message carries beside its number."""
    return ALPHABET[: number * 37 % 600]


def content(number: int) -> dict[str, Any]:
    """The message of a number."""
    return {"n": number, "p": padding(number)}


def judge(device: Device, records: dict[str, Records], result: Result) -> None:
    """Add a device's part to a result.

    Args:
        device: one that has ended.
        records: what each peer received, by direction.
        result: the sums of all devices.
    """
    result.devices.append(device.end)
    result.phases += device.proxy.phases
    result.ways += device.proxy.ways
    unasked = len(device.losses) - device.expired
    if unasked > 0:
        why = f"device: {', '.join(device.losses)}; service: {', '.join(device.access.endings)}"
        result.failed[f"sessions lost; {why}"] += unasked
    _judge_access(device, result)
    if device.unacknowledged:
        result.failed["no sequenceAck for messages"] += device.unacknowledged
    if device.other:
        result.failed[f"unexpected output: {device.other[0]}"] += len(device.other)
    excused = set()
    for number, why in device.failed.items():
        if why == "unknown SessionLost" and len(device.sessions) > 1:
            excused.add(number)
        else:
            result.failed[why] += 1
    result.unknown += len(excused)
    for name, received in records.items():
        messages = received[device.up]
        numbers = [message["n"] for message in messages]
        result.sent[name] += len(device.tried)
        result.lost[name] += len(device.tried - set(numbers) - excused)
        result.doubled[name] += len(numbers) - len(set(numbers))
        result.damaged[name] += sum(message != content(message["n"]) for message in messages)
        result.disordered[name] += _disorder(numbers)
    result.sent["down"] += device.published
    missing = set(range(device.published)) - set(device.got)
    gone = {number for number in missing if _between_sessions(number, device)}
    result.gone += len(gone)
    result.lost["down"] += len(missing - gone)
    result.doubled["down"] += len(device.got) - len(set(device.got))
    result.damaged["down"] += device.bad
    result.disordered["down"] += _disorder(device.got)


def _judge_access(device: Device, result: Result) -> None:
    access = device.access
    result.urls += access.urls
    result.rejoined += len(access.joined) - 1
    if "recovering" in device.asked:
        result.failed["URL asked for in a recovery"] += device.asked.count("recovering")
    if again := sum(access.let_in.values()) - len(access.let_in):
        result.failed["URL used again"] += again
    if missing := len(device.sessions) - len(access.joined):
        result.failed["sessions without the group"] += missing


def _disorder(numbers: list[int]) -> int:
    # Steps back, doubled ones apart.
    first = list(dict.fromkeys(numbers))
    return sum(later < earlier for earlier, later in pairwise(first))


def _between_sessions(number: int, device: Device) -> bool:
    # Whether a new session began between the neighbours of a message that did not come.
    before = max((at for at, got in enumerate(device.got) if got < number), default=-1)
    after = next((at for at, got in enumerate(device.got) if got > number), len(device.got))
    return any(before < place <= after for place in device.sessions[1:])
