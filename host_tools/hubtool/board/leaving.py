"""What becomes of a board's program when a verb that stopped it does not come to its end."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from ..console import warn
from ..errors import HubtoolError, VerifyFailed
from .serial_link import BoardError, SerialLink


@contextmanager
def as_it_was(
    link: SerialLink, *, restart: bool, said: str = "nothing was written"
) -> Iterator[None]:
    """What is in here leaves the board as it was: whatever ends it, its program starts again.

    Args:
        link: to the board; getting to its prompt has stopped the program.
        restart: whether the user wants that; with `--no-reset` the board stays at its prompt.
        said: what the user is told besides.
    """
    try:
        yield
    except HubtoolError as error:
        became = _start_again(link, restart)
        if became:
            error.add(f"{said}; {became}")
        raise
    except KeyboardInterrupt:
        link.settle()
        became = _start_again(link, restart)
        warn(f"{link.port}: {said}; {became or 'the board does not answer'}")
        raise


def _start_again(link: SerialLink, restart: bool) -> str:
    if not restart:
        return "the board stays at its prompt"
    if not link.reset_if_there():
        return ""  # that it is gone has been told
    return "the board was reset, and its program starts again"


@contextmanager
def half_written(link: SerialLink) -> Iterator[None]:
    """What ends in here leaves a board with some files old and some new: it is not started.

    Modules of two versions together are no program that anybody has tried.
    """
    stopped = "the board's program is stopped, and some of its files may be new"
    try:
        yield
    except (BoardError, VerifyFailed) as error:
        error.add(stopped)
        raise
    except KeyboardInterrupt:
        link.settle()
        warn(f"{link.port}: {stopped}: run the same command again")
        raise
