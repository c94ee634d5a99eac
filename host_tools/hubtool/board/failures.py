"""A board that a verb has stopped: its program runs again whatever happens, or it is said why not.

To reach the raw REPL, a verb stops the program of a board. A refused or interrupted command leaves
the board as it was.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ..errors import HubtoolError, NoDevice, VerifyFailed
from ..interrupts import held_off
from .serial_link import BoardError, SerialLink

_STOPPED = "the board's program is stopped, and some of its files may be new: "


class StoppedBoard:
    """A board in its raw REPL, and what is to become of it when the work fails.

    Attributes:
        link: to the board.
        said: what an error says about the board besides; it is reset then. None when its files
            are of two versions, which together are a program that nobody has tested: then it
            stays at its prompt.
    """

    def __init__(self, link: SerialLink, *, restart: bool) -> None:
        self.link = link
        self.said: str | None = "nothing was written"
        self._restart = restart

    def after_failure(self, error: BaseException) -> str:
        """Bring the board into order; what has become of it.

        Args:
            error: what broke the work off.
        """
        # Where an exchange was broken off in the middle, the board may still run code.
        answers = isinstance(error, (BoardError, VerifyFailed)) or self.link.return_to_prompt()
        if self.said is None:
            how = (
                "correct that, then run the same command again to start it"
                if isinstance(error, HubtoolError)
                else "run the same command again"
            )
            return f"{_STOPPED}{how}" if answers else ""
        if not answers:
            # A HubtoolError says itself that the board is gone.
            return "" if isinstance(error, HubtoolError) else f"{self.said}; it does not answer"
        if not self._restart:
            return f"{self.said}; the board stays at its prompt: press reset to start its program"
        if not self.link.try_reset():
            return f"{self.said}; the board stays at its prompt: press reset"
        return f"{self.said}; the board was reset, and its program starts again"


@contextmanager
def stopped_board(port: str, *, restart: bool) -> Iterator[StoppedBoard]:
    """Stop a board's program for the block.

    Args:
        port: of the board.
        restart: whether to reset the board when the block fails; with `--no-reset` it stays at
            its prompt.

    Raises:
        HubtoolError: that of the block, or of opening, with what has become of the board.
        KeyboardInterrupt: likewise.
    """
    with SerialLink.open(port) as link:
        board = StoppedBoard(link, restart=restart)
        try:
            yield board
        except BaseException as error:
            with held_off():
                became = board.after_failure(error)
                if isinstance(error, HubtoolError):
                    error.add(became)
                elif isinstance(error, KeyboardInterrupt):
                    error.args = (*error.args, f"{port}: {became}")
                else:
                    # A fault of our own: the last line of its traceback.
                    error.add_note(f"hubtool: {port}: {became}")
            raise


@contextmanager
def boot_loader_left(leave: Callable[[], str], under_way: Callable[[], str]) -> Iterator[None]:
    """Have a chip leave its boot loader when the block fails.

    Args:
        leave: does it, and says what became of the chip.
        under_way: the command of esptool that was last run.

    Raises:
        HubtoolError: that of the block, with what has become of the board.
        KeyboardInterrupt: likewise.
    """
    try:
        yield
    except NoDevice:
        raise  # nothing was reached
    except (HubtoolError, KeyboardInterrupt) as error:
        with held_off():
            if not under_way():
                raise
            if under_way() == "flash-id":
                became = f"nothing was written; {leave()}"
            elif under_way() == "write-flash":
                became = (
                    "the flash is written in part, and the board does not start: "
                    "run the same command again"
                )
            elif isinstance(error, KeyboardInterrupt):
                became = f"everything was written; {leave()}"
            else:
                raise  # other than was sent: nothing to start
            if isinstance(error, HubtoolError):
                error.add(became)
            else:
                error.args = (*error.args, became)
        raise
