"""The board's console: short lines, each with the tag of the part that speaks."""

LEVELS = ("quiet", "info", "debug")

_level = 1


def set_level(name):
    """Say nothing (quiet), what happens (info), or all (debug). Raises ValueError."""
    global _level
    if name not in LEVELS:
        raise ValueError("use one of " + ", ".join(LEVELS))
    _level = LEVELS.index(name)


def level():
    """The name of the level in use."""
    return LEVELS[_level]


def say(tag, text):
    """Write a line, unless the level is quiet."""
    if _level:
        print("[%s] %s" % (tag, hide(text)))


def debug(tag, text):
    """Write a line that only the level debug shows."""
    if _level > 1:
        say(tag, text)


def hide(text):
    """A text without the tokens in it: some servers quote what they refuse."""
    while True:
        start = text.find("eyJ")  # how each JSON Web Token begins: {" in base64
        if start < 0:
            return text
        end = start
        while end < len(text) and (
            text[end].isalpha() or text[end].isdigit() or text[end] in "-_."
        ):
            end += 1
        text = text[:start] + "(hidden)" + text[end:]


class Changes:
    """Says a line only when it differs from the last one.

    A fault that lasts for hours is one line, not ten thousand.
    """

    def __init__(self, tag):
        self._tag = tag
        self._last = None

    def say(self, text):
        if text != self._last:
            self._last = text
            say(self._tag, text)

    def forget(self):
        self._last = None
