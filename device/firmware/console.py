"""The board's console: short lines, each with the tag of the part that speaks."""


def say(tag, text):
    print("[%s] %s" % (tag, text))


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
