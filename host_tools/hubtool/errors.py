"""The one error that users see, and the exit codes of the command line."""

from __future__ import annotations

from enum import IntEnum

from .hiding import concealed


class ExitCode(IntEnum):
    """What the process ends with; 2 is argparse's own."""

    OK = 0
    USER = 1
    USAGE = 2
    NO_DEVICE = 3
    REFUSED = 4
    VERIFY = 5
    INTERRUPTED = 130


class HubtoolError(Exception):
    """Something a person can put right. Its text is one line that names the remedy.

    Keys, tokens and passwords in URLs are left out of it, however they came there.

    Attributes:
        exit_code: what the command line ends with.
    """

    def __init__(self, message: str, exit_code: ExitCode = ExitCode.USER) -> None:
        super().__init__(concealed(" ".join(message.split())))
        self.exit_code = exit_code

    def add(self, text: str) -> None:
        """Add to its text what state the board is left in.

        Args:
            text: one clause without a full stop; nothing is added when it is empty.
        """
        if text:
            self.args = (f"{self}; {text}",)


class NoDevice(HubtoolError):
    """No board at that port."""

    def __init__(self, message: str) -> None:
        super().__init__(message, ExitCode.NO_DEVICE)


class DeviceRefused(HubtoolError):
    """The board was found, but does not do what it is asked."""

    def __init__(self, message: str) -> None:
        super().__init__(message, ExitCode.REFUSED)


class VerifyFailed(HubtoolError):
    """What is on the board is not what was written."""

    def __init__(self, message: str) -> None:
        super().__init__(message, ExitCode.VERIFY)
