"""What exceptions on a board mean, and what a person can do about them.

Firmware that leaves the module errno out, and files of a file system, tell numbers only. They are
those of MicroPython's `py/mperrno.h`, and littlefs's own (`lfs2.h`) without their sign.
"""

from __future__ import annotations

import re

_NUMBER = re.compile(r"^OSError: (?:\[Errno |\()?(\d+)")
_BY_NUMBER = {
    1: "its firmware does not allow that: write MicroPython again with `hubtool flash`",
    2: "a file or folder is missing there: another program may be at work on the board",
    5: "its flash cannot be read or written: use another board",
    12: "its memory is full: press reset",
    16: "its file system is busy: press reset",
    19: "it has no file system: write the firmware again with `hubtool flash --erase`",
    20: "a file is there where a folder must be: remove it or give it another name",
    21: "a folder is there where a file must be: remove it or give it another name",
    22: "its file system is damaged: write the firmware again with `hubtool flash --erase`",
    24: "too many files are open: press reset",
    27: "the file is larger than its file system takes: make it smaller",
    28: "its file system is full: remove files of yours",
    30: "its file system is read-only: eject its drive",
    36: "a name is longer than its file system takes: shorten it",
    39: "a folder is not empty: remove what is in it",
    84: "its file system is damaged: write the firmware again with `hubtool flash --erase`",
    91: "a name is longer than its file system takes: shorten it",
    110: "its flash or network did not answer in time: press reset",
}
_BY_NAME = {"ENOSPC": 28, "EROFS": 30, "ENOTDIR": 20, "EISDIR": 21}
_GARBLED = "what was sent arrived garbled: use another cable or USB port"
_BY_KIND = {
    "MemoryError": "its memory is full: press reset",
    "KeyboardInterrupt": "somebody pressed Ctrl-C: close the other program that uses the port",
    "SyntaxError": _GARBLED,
    "IndentationError": _GARBLED,
    "UnicodeError": _GARBLED,
    "ValueError: incorrect padding": _GARBLED,
    "ValueError: invalid padding": _GARBLED,
    # What was loaded before has gone.
    "NameError": "it has been reset in the middle: look after its power",
    "ImportError": (
        "its firmware lacks a module that is needed: write that of micropython.org with "
        "`hubtool flash`"
    ),
}


def explanation(last_line: str) -> str:
    """What the last line of a traceback means, and what to do; empty for what is not known.

    Args:
        last_line: such as "OSError: 28".
    """
    number = _NUMBER.match(last_line)
    known = _BY_NUMBER.get(int(number[1])) if number else None
    if known is None and last_line.startswith("OSError"):
        known = next((_BY_NUMBER[at] for name, at in _BY_NAME.items() if name in last_line), None)
    if known is None:
        guess = next((text for kind, text in _BY_KIND.items() if last_line.startswith(kind)), None)
        if guess:
            return f"{guess}, then try again (the board says {last_line})"
    if known is None and number:
        known = f"its file system refuses (error {number[1]}): press reset"
    return f"{known}, then try again" if known else ""
