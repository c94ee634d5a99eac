"""The board's console: short lines, each with the tag of the part that speaks.

tag: of the part that speaks, a short str. text: one line, str."""

from webpubsub.memory import once

LEVELS = ("quiet", "info", "debug")

level = 1  # place in LEVELS
said = {}  # by tag: the last text of say_new


def say(tag, text):
    """Write a line, unless the level is quiet. Tokens in it are hidden."""
    if level:
        if "eyJ" in text:  # how each JSON Web Token begins: {" in base64
            text = once("firmware.hiding").hide(text)
        print("[%s] %s" % (tag, text))


def debug(tag, text):
    """Write a line that only the level debug shows."""
    if level > 1:
        say(tag, text)


def say_new(tag, text):
    """Write a line only when it differs from the last one of that tag; None forgets that one.

    A fault that lasts for hours is one line, not ten thousand.
    """
    if text != said.get(tag):
        said[tag] = text
        if text:
            say(tag, text)
