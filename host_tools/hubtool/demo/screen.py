"""What the demo shows: lines that a first-time user can follow, in colour on a terminal."""

from __future__ import annotations

import time
from typing import Any

from ..console import is_terminal, print_table, printable, say

_NAME = 10
_LONGEST = 120
# MicroPython's dicts have no order of their own.
_ORDER = ("state", "kwh", "sequence", "uptime", "heap_used", "rssi")
# Simulated boards say nothing new by the last three.
_LEFT_OUT = frozenset({"device", "kind", "heap_total", "idf_free", "idf_largest"})


class Screen:
    """Prints lines, each once, in the order in which things happen."""

    def __init__(self) -> None:
        self._started = time.monotonic()
        self._console: Any = None
        if is_terminal():
            from rich.console import Console

            self._console = Console(highlight=False, soft_wrap=True)

    @property
    def seconds(self) -> float:
        """Since the demo began."""
        return time.monotonic() - self._started

    def _line(self, text: str, style: str = "") -> None:
        if self._console is None:
            say(text)
        else:
            # Markup off: what boards send is data, not instructions for the terminal.
            self._console.print(text, style=style or None, markup=False)

    def heading(self, text: str) -> None:
        """What comes next."""
        self._line("")
        self._line(text, "bold")

    def detail(self, name: str, text: str) -> None:
        """One fact about something that has a name."""
        self._line(f"  {name:<{_NAME}} {text}")

    def telemetry(self, device: str, data: dict[str, Any]) -> None:
        """A message of a board, as it comes in."""
        self._event(device, "->", on_one_line(data), "cyan")

    def command(self, device: str, text: str) -> None:
        """A command that goes out."""
        self._event(device, "<-", text, "yellow")

    def answer(self, device: str, text: str, seconds: float) -> None:
        """The answer to a command."""
        self._event(device, "->", f"{text} ({seconds * 1000:.0f} ms)", "green")

    def _event(self, device: str, arrow: str, text: str, style: str) -> None:
        self._line(f"  {self.seconds:5.1f} s  {device:<{_NAME}} {arrow} {text}", style)

    def summary(self, columns: list[str], rows: list[list[str]]) -> None:
        """The table at the end."""
        self._line("")
        print_table(columns, rows)

    def closing(self, text: str) -> None:
        """The last line, when all went well."""
        self._line(text, "bold green")

    def trouble(self, text: str) -> None:
        """What went wrong."""
        self._line(text, "red")


def on_one_line(value: Any) -> str:
    """What a board sent, for one line: of a dict the values that a person compares, in order."""
    if isinstance(value, dict):
        names = [name for name in _ORDER if name in value]
        plain = {name for name, inner in value.items() if not isinstance(inner, (dict, list))}
        names = [name for name in names if name in plain]
        names += sorted(plain - set(_ORDER) - _LEFT_OUT)
        value = _shortened([f"{name} {value[name]}" for name in names])
    return printable(str(value), _LONGEST)


def _shortened(parts: list[str]) -> str:
    """As many of the parts as fit on a line; none is cut."""
    text = ", ".join(parts)
    while len(text) > _LONGEST and len(parts) > 1:
        parts = parts[:-1]
        text = ", ".join(parts) + " ..."
    return text
