"""`network` on CPython: a station that is connected as soon as it is asked to be."""

from __future__ import annotations

from typing import Any

STA_IF, AP_IF = 0, 1
STAT_IDLE, STAT_CONNECTING, STAT_GOT_IP = 1000, 1001, 1010
STAT_NO_AP_FOUND, STAT_WRONG_PASSWORD = 201, 202


class WLAN:
    """One interface; what it is set to is shared by all objects for it."""

    IF_STA, IF_AP = STA_IF, AP_IF
    _states: dict[int, dict[str, Any]] = {}  # noqa: RUF012 - shared on purpose

    def __init__(self, interface: int = STA_IF) -> None:
        self._state = WLAN._states.setdefault(interface, {"active": False, "connected": False})

    def active(self, on: bool | None = None) -> bool:
        """Get or set whether the interface is on."""
        if on is not None:
            self._state["active"] = bool(on)
        return bool(self._state["active"])

    def connect(self, ssid: str | None = None, key: str | None = None) -> None:
        """Connect; raises OSError when the interface is off."""
        if not self._state["active"]:
            raise OSError("Wifi Not Started")
        self._state["connected"] = True

    def disconnect(self) -> None:
        """Give the link up."""
        self._state["connected"] = False

    def isconnected(self) -> bool:
        """Whether there is a link."""
        return bool(self._state["connected"])

    def status(self, parameter: str | None = None) -> int:
        """State, or the signal strength in dBm for `rssi`."""
        if parameter == "rssi":
            return -55
        return STAT_GOT_IP if self.isconnected() else STAT_IDLE

    def config(self, *names: str, **values: Any) -> Any:
        """Get one setting or set several."""
        self._state.update(values)
        return self._state.get(names[0]) if names else None

    def ifconfig(self) -> tuple[str, str, str, str]:
        """Address, mask, gateway and name server."""
        return ("127.0.0.1", "255.0.0.0", "127.0.0.1", "127.0.0.1")


def hostname(name: str | None = None) -> str | None:
    """A fixed name; setting it does nothing."""
    return "mpy-esp32" if name is None else None


def country(code: str | None = None) -> str | None:
    """No country; setting it does nothing."""
    return "XX" if code is None else None
