"""The board's console: short lines, each with the name of the part that speaks.

part: the name of what speaks, a short str. text: one line, str."""

from webpubsub.memory import once

LEVELS = ("quiet", "info", "debug")

level = 1  # place in LEVELS
said = {}  # by part: the last text of say_new


def say(part, text):
    """Write a line, unless the level is quiet. Tokens in it are hidden."""
    if level:
        if "eyJ" in text:  # how each JSON Web Token begins: {" in base64
            text = once("firmware.hiding").hide(text)
        print("[%s] %s" % (part, text))


def debug(part, text):
    """Write a line that only the level debug shows."""
    if level > 1:
        say(part, text)


def say_new(part, text):
    """Write a line only when it differs from the last one of that part; None forgets that one.

    A fault that lasts for hours is one line, not ten thousand.
    """
    if text != said.get(part):
        said[part] = text
        if text:
            say(part, text)
