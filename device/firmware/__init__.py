"""What makes a board a device on a hub; `main.py` starts it."""


class CommandError(Exception):
    """Raised by the function of a command: its text is the answer. Nothing is wrong with us."""


def __getattr__(name):
    # For main.py: `firmware.node`, which has it, would leave its own name in a board's heap.
    if name != "start":
        raise AttributeError(name)
    from .node import start

    return start
