"""What a board wrote to its serial line, kept in bounds, for tests and people to look at."""

from __future__ import annotations

import re
import threading
import time

LIMIT = 256 * 1024


class Console:
    """A bounded text buffer that one thread writes and others wait on."""

    def __init__(self, limit: int = LIMIT) -> None:
        self._limit = limit
        self._text = ""
        self._dropped = 0
        self._searched_from = 0
        self._partial = b""
        self._changed = threading.Condition()
        self._closed = False

    @property
    def text(self) -> str:
        """Everything written so far (the newest `limit` characters), lines ending in newline."""
        with self._changed:
            return self._text

    def write(self, data: bytes) -> None:
        """Append what the board wrote; bytes that are not UTF-8 become U+FFFD."""
        data = (self._partial + data).replace(b"\r\n", b"\n")
        # A carriage return or an unfinished character at the end may belong to what comes next.
        keep = len(data) - _complete_length(data)
        self._partial = data[len(data) - keep :] if keep else b""
        text = data[: len(data) - keep].decode("utf-8", "replace")
        with self._changed:
            self._text += text
            surplus = len(self._text) - self._limit
            if surplus > 0:
                self._text = self._text[surplus:]
                self._dropped += surplus
            self._changed.notify_all()

    def close(self) -> None:
        """Wake everybody who waits: nothing more will come."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def wait_for(self, wanted: str | re.Pattern[str], timeout: float) -> str:
        """Wait until the text has `wanted`, and go on behind it the next time.

        Args:
            wanted: a literal text, or a compiled regular expression.
            timeout: seconds.

        Returns:
            What matched.

        Raises:
            TimeoutError: it did not come; the text shows the end of what did.
        """
        pattern = wanted if isinstance(wanted, re.Pattern) else re.compile(re.escape(wanted))
        deadline = time.monotonic() + timeout
        with self._changed:
            while True:
                start = max(0, self._searched_from - self._dropped)
                if match := pattern.search(self._text, start):
                    self._searched_from = self._dropped + match.end()
                    return match.group()
                left = deadline - time.monotonic()
                if left <= 0 or self._closed:
                    raise TimeoutError(
                        f"the board did not write {pattern.pattern!r}; "
                        f"the end of what it wrote: {self._text[start:][-600:]!r}"
                    )
                self._changed.wait(left)


def _complete_length(data: bytes) -> int:
    """How many bytes of `data` end with a complete character that is not a carriage return."""
    if data.endswith(b"\r"):
        return len(data) - 1
    for back in range(1, min(4, len(data) + 1)):
        byte = data[-back]
        if byte >= 0xC0:
            needed = 2 if byte < 0xE0 else 3 if byte < 0xF0 else 4
            return len(data) - back if needed > back else len(data)
        if byte < 0x80:
            break
    return len(data)
