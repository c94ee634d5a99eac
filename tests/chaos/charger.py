"""`python -m tests.chaos.charger`: the power of `hubtool charger` is cut at random moments.

Cards come and go, the network goes away and comes back, and SIGKILL falls in between. At the end
the bills, as the central system has them, are what the meter has counted: no transaction and no
watt-hour is lost, and none is there twice.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

from tests.support.central_system import CentralSystem
from tests.support.charger import Charger

# Seconds, at most, of the end: everything that waits is sent then.
_PATIENCE = 120
# Seconds, at least, between two transactions.
_APART = 1.1


@dataclass
class Bills:
    """What a central system makes of the calls that it got.

    A start that comes again, since its answer was not stored when the power went, has connector,
    time, card and register of the first one: it is the same transaction.

    Attributes:
        starts: transaction -> the register at its start, in Wh.
        stops: transaction -> the registers of its stops.
        faults: what must not be.
    """

    starts: dict[tuple[Any, ...], int] = field(default_factory=dict)
    stops: dict[tuple[Any, ...], set[int]] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, central: CentralSystem) -> Bills:
        """Those of all that came so far."""
        bills = cls()
        by_id: dict[int, tuple[Any, ...]] = {}
        answers = {
            entry.id: entry.payload
            for entry in central.log
            if entry.kind == 3 and not entry.incoming and entry.action == "StartTransaction"
        }
        for entry in central.calls():
            payload = entry.payload
            if entry.action == "StartTransaction":
                key = tuple(payload[name] for name in ("connectorId", "timestamp", "idTag"))
                key += (payload["meterStart"],)
                # Of two power-ups that never knew the time, both get that of sending.
                key = next(each for n in count() if (each := (*key, n)) not in bills.stops)
                bills.starts[key] = payload["meterStart"]
                if entry.id in answers:
                    by_id[answers[entry.id]["transactionId"]] = key
            elif entry.action == "StopTransaction":
                key = by_id.get(payload["transactionId"], ("unknown", payload["transactionId"]))
                if key not in bills.starts:
                    bills.faults.append(f"a stop of nothing: {payload}")
                bills.stops.setdefault(key, set()).add(payload["meterStop"])
        return bills

    @property
    def total(self) -> int:
        """Wh, of all transactions that were stopped."""
        return sum(max(found) - self.starts.get(key, 0) for key, found in self.stops.items())

    def check(self, register: int) -> list[str]:
        """What is wrong with them.

        Args:
            register: of the meter, in Wh.
        """
        wrong = list(self.faults)
        wrong += [f"never stopped: {key}" for key in self.starts if key not in self.stops]
        wrong += [f"stopped as {found}" for found in self.stops.values() if len(found) > 1]
        wrong += [f"no time: {key}" for key in self.starts if str(key[1]).startswith("19")]
        if self.total != register:
            wrong.append(f"bills of {self.total} Wh, and the meter has {register}")
        return wrong


async def run(kills: int, seed: int, folder: Path) -> tuple[Bills, int, list[str]]:
    """Cut the power so often; the bills, the register, and what is wrong."""
    chance = random.Random(seed)
    open_ = True

    def admit(*_: object) -> tuple[int, dict[str, str]]:
        return (101 if open_ else 503), {}

    async with CentralSystem(admit=admit).running() as central:
        url = f"ws://127.0.0.1:{central.port}/ocpp"
        for _ in range(kills):
            # Half of the time without a network at first.
            open_ = chance.random() < 0.7
            async with Charger(url, folder) as charger:
                await charger.until("status 1 .*")
                after = asyncio.create_task(_use(charger, central, chance))
                if open_ and chance.random() < 0.5:
                    await asyncio.sleep(chance.random())
                    central.drop()
                await asyncio.sleep(chance.random() ** 2 * 6)
                after.cancel()
            await asyncio.sleep(_APART)  # see _use
        open_ = True
        async with Charger(url, folder) as charger:
            end = time.monotonic() + _PATIENCE
            while time.monotonic() < end:
                await asyncio.sleep(0.5)
                bills = Bills.of(central)
                if not any(key not in bills.stops for key in bills.starts) and _is_quiet(central):
                    break
            register = json.loads((folder / "meter.json").read_bytes()[:-8])[0]
            bills = Bills.of(central)
            wrong = bills.check(register) + central.faults
            wrong += [line for line in charger.lines if "Traceback" in line]
            return bills, register, wrong


def _is_quiet(central: CentralSystem) -> bool:
    calls = [each for each in central.calls() if "Transaction" in each.action]
    return not calls or time.monotonic() - calls[-1].at > 3


async def _use(charger: Charger, central: CentralSystem, chance: random.Random) -> None:
    """Somebody comes with a vehicle and a card."""
    await charger.type("plug 1")
    # A card that nobody knows needs the central system the first time; then the cache has it.
    while True:
        await charger.type("swipe 1 T1")
        # Of two transactions that begin in the same second with the same register, one would be
        # taken for the other one, sent again.
        await asyncio.sleep(_APART + chance.random())
        if chance.random() < 0.3:
            await charger.type("unplug 1", "plug 1")


def main(words: Sequence[str] | None = None) -> int:
    """Run it; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.charger", description=__doc__)
    parser.add_argument("--kills", type=int, default=200, help="how often the power goes (200)")
    parser.add_argument("--seed", type=int, default=1, help="of the moments (1)")
    options = parser.parse_args(words)
    begun = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        bills, register, wrong = asyncio.run(
            run(options.kills, options.seed, Path(folder) / "cp7")
        )
    print(
        f"{options.kills} power cuts, {len(bills.starts)} transactions, {bills.total} Wh billed, "
        f"{register} Wh on the meter, {time.monotonic() - begun:.0f} s"
    )
    for line in wrong:
        print(f"WRONG: {line}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
