"""Output on its way from a board: line ends as on a board, and which REPL is speaking."""

from __future__ import annotations

import re

RAW_BANNER = b"raw REPL; CTRL-B to exit\r\n>"
FRIENDLY_BANNER = b"for more information.\r\n>>> "
_TAIL = 64
_LONE_NEWLINE = re.compile(rb"(?<!\r)\n")


class OutputFilter:
    """Reads everything a board writes.

    MicroPython for unix ends lines with a bare newline where a board writes \\r\\n; this puts the
    carriage returns in (also into binary data that a program writes to its standard output).

    Attributes:
        raw: whether the board is in the raw REPL, which it keeps over a soft reset.
    """

    def __init__(self) -> None:
        self.raw = False
        self._tail = b""
        self._hidden: bytearray | None = None

    def restart(self, raw: bool) -> None:
        """A new interpreter begins."""
        self.raw = raw
        self._tail = b""
        self._hidden = None

    def hide_until_raw_repl(self) -> None:
        """Swallow everything up to the banner of the raw REPL."""
        self._hidden = bytearray()

    @property
    def hiding(self) -> bool:
        """Whether that banner has yet to come."""
        return self._hidden is not None

    def feed(self, data: bytes) -> bytes:
        """Take what the interpreter wrote; give what the serial line shows."""
        if self._hidden is not None:
            self._hidden += data
            start = self._hidden.find(RAW_BANNER)
            if start < 0:
                return b""
            data = bytes(self._hidden[start:])
            self._hidden = None
        seen = self._tail + data
        raw, friendly = seen.rfind(RAW_BANNER), seen.rfind(FRIENDLY_BANNER)
        if raw != friendly:
            self.raw = raw > friendly
        # The other half of a line end that was cut in two.
        kept = data.startswith(b"\n") and self._tail.endswith(b"\r")
        self._tail = seen[-_TAIL:]
        return data[:kept] + _LONE_NEWLINE.sub(b"\r\n", data[kept:])
