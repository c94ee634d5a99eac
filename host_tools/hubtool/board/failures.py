"""A board's program after a failure: to reach the raw REPL, a verb has stopped it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from ..console import warn
from ..errors import HubtoolError, VerifyFailed
from .serial_link import BoardError, SerialLink


@contextmanager
def restarts_on_failure(
    link: SerialLink, *, restart: bool, said: str = "nothing was written"
) -> Iterator[None]:
    """Reset the board when the block fails, so that its program starts again.

    For what changes nothing that the program needs.

    Args:
        link: to the board.
        restart: whether to reset it; with `--no-reset` the board stays at its prompt.
        said: what the error says about the board besides.

    Raises:
        HubtoolError: that of the block, with what has become of the board.
    """
    try:
        yield
    except HubtoolError as error:
        became = _start_again(link, restart)
        if became:
            error.add(f"{said}; {became}")
        raise
    except KeyboardInterrupt:
        link.return_to_prompt()
        became = _start_again(link, restart)
        warn(f"{link.port}: {said}; {became or 'the board does not answer'}")
        raise


def _start_again(link: SerialLink, restart: bool) -> str:
    if not restart:
        return "the board stays at its prompt"
    if not link.try_reset():
        return ""  # the error says that it is gone
    return "the board was reset, and its program starts again"


@contextmanager
def stays_stopped_on_failure(link: SerialLink) -> Iterator[None]:
    """Leave the board at its prompt when the block fails: some files are old, some new.

    Modules of two versions together are a program that nobody has tested.

    Args:
        link: to the board.

    Raises:
        HubtoolError: that of the block, with what has become of the board.
    """
    stopped = "the board's program is stopped, and some of its files may be new"
    try:
        yield
    except (BoardError, VerifyFailed) as error:
        error.add(stopped)
        raise
    except KeyboardInterrupt:
        link.return_to_prompt()
        warn(f"{link.port}: {stopped}: run the same command again")
        raise
