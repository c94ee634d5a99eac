"""What makes a board a device on a hub; `main.py` starts it."""


class CommandError(Exception):
    """Raised by the function of a command: its text is the answer. Nothing is wrong with us."""


def load():
    """For main.py: give this package `start` of `node`, whose name need not stay on a board."""
    global start
    from .node import start
