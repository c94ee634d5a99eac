"""What makes a board a device on a hub; `main.py` starts it."""


class CommandError(Exception):
    """Raised by the function of a command: its text is the answer. Nothing is wrong with us."""


def load():
    """For main.py: `firmware.node.start`, whose module need not leave its name in the heap so."""
    from .node import start

    return start
