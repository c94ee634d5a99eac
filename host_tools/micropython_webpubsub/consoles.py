"""Consoles that lack characters: a code page of Windows, `LANG=C`, a log in ASCII."""

from __future__ import annotations

import sys


def tolerate_missing_characters() -> None:
    """Have standard output and error show what their encoding lacks by its number.

    Python's default is to end the program with UnicodeEncodeError, in the middle of its work.
    """
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")
