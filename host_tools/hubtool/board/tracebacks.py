"""Tracebacks of a board in names and lines of the source: as they come, or from a file."""

from __future__ import annotations

import re
from collections.abc import Callable

from micropython_webpubsub.assets import source_path

from ..device_build import BuildMap
from ..device_build.explain import Explainer, needs_map, stamp_in
from ..device_build.maps import find, installed

# What a line may begin with that is worth waiting for its end: a frame of a traceback, and the
# console's tags. Everything else is passed on byte by byte: a person may be typing at the prompt.
_WORTH = (b'  File "', b"Traceback ", b"[")
_LONGEST = 2000
_ENDS = re.compile(rb"(\r*\n)")


class Translator:
    """Lines of a board in the names of the source, by the map of the build that they name.

    Args:
        build_map: the map to begin with; that of the installed sources when None, until the board
            says which build it has. It takes a second to make, so it is made when it is needed.
        notice: gets a line when the board has a build of which there is no map.
        fixed: whether the map stays, whatever the board says.
    """

    def __init__(
        self,
        build_map: BuildMap | None = None,
        notice: Callable[[str], object] = lambda _text: None,
        fixed: bool = False,
    ) -> None:
        self._explainer = Explainer(build_map, source_path) if build_map else None
        self._stamp = build_map.stamp if build_map else None
        self._looked = build_map is not None
        self._notice = notice
        self._fixed = fixed

    def line(self, text: str) -> str:
        """One line, without its end."""
        stamp = None if self._fixed else stamp_in(text)
        if stamp and stamp != self._stamp:
            self._stamp = stamp
            self._explainer, self._looked = None, False
        if not self._looked and needs_map(text):
            self._look()
        return self._explainer.line(text) if self._explainer else text

    def _look(self) -> None:
        self._looked = True
        found = find(self._stamp) if self._stamp else installed()
        if found:
            self._explainer = Explainer(found, source_path)
        elif self._stamp:
            self._notice(
                f"the board has build {self._stamp}, of which there is no map here: "
                "tracebacks stay as they are"
            )


class ByteTranslator:
    """The same for a stream of bytes that is shown while it comes.

    A line is held back only while it may be one that is changed, and never longer than until
    `flush`, which is for when nothing more comes.
    """

    def __init__(self, translator: Translator) -> None:
        self._translator = translator
        self._line = b""  # of the line under way, what is held back
        self._passing = False  # the rest of the line under way goes through as it comes
        self._after_frame = False  # the line that ends a traceback may come next

    def feed(self, data: bytes) -> bytes:
        """What is to be shown now."""
        out = b""
        pieces = _ENDS.split(data)
        for text, end in zip(pieces[::2], [*pieces[1::2], b""], strict=True):
            out += self._more(text, end)
        return out

    def flush(self) -> bytes:
        """What was held back: no more comes for now."""
        held, self._line = self._line, b""
        self._passing = self._passing or bool(held)
        return held

    def _more(self, text: bytes, end: bytes) -> bytes:
        if self._passing:
            self._passing = not end
            return text + end
        self._line += text
        if end:
            held, self._line = self._line, b""
            self._after_frame = held.startswith((b"  File ", b"Traceback "))
            return self._translated(held) + end
        if self._is_worth_waiting() and len(self._line) < _LONGEST:
            return b""
        return self.flush()

    def _is_worth_waiting(self) -> bool:
        line = self._line
        # A prompt comes after a traceback, too.
        if not line or (self._after_frame and not line.startswith((b">", b"."))):
            return True
        return any(line.startswith(mark) or mark.startswith(line) for mark in _WORTH)

    def _translated(self, line: bytes) -> bytes:
        try:
            text = line.decode()
        except UnicodeDecodeError:
            return line
        return self._translator.line(text).encode()
