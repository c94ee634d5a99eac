# mypy: ignore-errors
"""`socket` whose name resolution needs the link, once the board uses its Wi-Fi."""

from usocket import *
import _control

_getaddrinfo = getaddrinfo


def getaddrinfo(*arguments):
    if not _control.call("wifi.routable"):
        raise OSError(-202)
    return _getaddrinfo(*arguments)
