"""Why a board starts, and what follows from it."""

from __future__ import annotations

from typing import NamedTuple


class Cause(NamedTuple):
    """One cause.

    Attributes:
        name: as in `SimulatedBoard.restarts`.
        reset_cause: what `machine.reset_cause()` says afterwards.
        rom: what the chip's ROM prints; empty for a soft reset, which the ROM does not see.
        power_lost: whether clock and RTC memory are lost.
    """

    name: str
    reset_cause: int
    rom: str
    power_lost: bool = False


POWER_ON = Cause("power_on", 1, "rst:0x1 (POWERON_RESET)", True)
POWER_CUT = Cause("power_cut", 1, "rst:0x1 (POWERON_RESET)", True)
RESET_BUTTON = Cause("reset_button", 2, "rst:0x1 (POWERON_RESET)")
MACHINE_RESET = Cause("reset", 2, "rst:0xc (SW_CPU_RESET)")
WATCHDOG = Cause("watchdog", 3, "rst:0x8 (TG1WDT_SYS_RESET)")
DEEP_SLEEP = Cause("deepsleep", 4, "rst:0x5 (DEEPSLEEP_RESET)")
SOFT_RESET = Cause("soft_reset", 5, "")
CRASH = Cause("crash", 2, "rst:0xc (SW_CPU_RESET)")
