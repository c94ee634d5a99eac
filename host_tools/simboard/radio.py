"""Access points and the station of a board: scripted by tests, seen by the board's `network`.

A station behaves as ESP-IDF's: `connect` returns at once, the attempt ends after
`connect_seconds`, and then it tries again by itself until `disconnect`. Status codes are those of
the ESP32 port's `network` module.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from micropython_webpubsub.text_files import read_text
from micropython_webpubsub.validation import dotted, in_words, one_line
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from .errors import SimulatorError

IDLE, CONNECTING, GOT_IP = 1000, 1001, 1010
BEACON_TIMEOUT, NO_AP_FOUND, WRONG_PASSWORD = 200, 201, 202
INTERNAL_ERROR = "Wifi Internal Error"
NO_ADDRESSES = ("0.0.0.0", "0.0.0.0", "0.0.0.0", "0.0.0.0")  # noqa: S104
ADDRESSES = ("192.0.2.17", "255.255.255.0", "192.0.2.1", "192.0.2.1")


@dataclass
class AccessPoint:
    """One access point in reach. An empty password is an open network; rssi is in dBm.

    Attributes:
        ssid: its name.
        password: WPA2; empty for an open network.
        rssi: dBm.
        channel: 1 to 14.
    """

    ssid: str
    password: str = ""
    rssi: int = -55
    channel: int = 6


class _Point(BaseModel):
    """One access point of a radio file."""

    model_config = ConfigDict(extra="forbid")

    ssid: str
    password: str = AccessPoint.password
    rssi: int = AccessPoint.rssi
    channel: int = AccessPoint.channel


class _RadioFile(BaseModel):
    """The content of a radio file."""

    model_config = ConfigDict(extra="forbid")

    access_points: list[_Point] = []
    connect_seconds: Annotated[float, Field(ge=0)] | None = None


class Radio:
    """The access points in reach of one board, and its station. Any thread may call the methods.

    Attributes:
        connect_seconds: seconds that an attempt to connect takes.
        silent: no frame passes, though the station still counts as connected: a half-open
            outage. Only a board on the model of the chip has it.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.connect_seconds = 0.05
        self.silent = False
        self._clock = clock
        self._lock = threading.RLock()
        self._points = {"simulated": AccessPoint("simulated", "simulated")}
        self._refusals: list[str] = []
        self.power_off()

    # Scripting

    def add(
        self, ssid: str, password: str = "", *, rssi: int = -55, channel: int = 6
    ) -> AccessPoint:
        """Add an access point, or change the one of this name; rssi is in dBm."""
        with self._lock:
            self._settle()
            self._points[ssid] = AccessPoint(ssid, password, rssi, channel)
            return self._points[ssid]

    def remove(self, ssid: str) -> None:
        """Switch an access point off; a board connected to it loses its link."""
        with self._lock:
            self._settle()
            self._points.pop(ssid, None)
            if self._wanted and self._wanted[0] == ssid and self._connected:
                self._lose_link()

    def clear(self) -> None:
        """Switch all access points off."""
        with self._lock:
            for ssid in list(self._points):
                self.remove(ssid)

    def drop_link(self) -> None:
        """Break the link once; the station connects again by itself after `connect_seconds`."""
        with self._lock:
            self._settle()
            if self._connected:
                self._lose_link()

    def refuse_next_connect(self, error: str = INTERNAL_ERROR) -> None:
        """Let the next call of `connect` raise OSError(error)."""
        with self._lock:
            self._refusals.append(error)

    @property
    def connected(self) -> bool:
        """Whether the board's station is connected now."""
        return self.is_connected()

    def load(self, path: Path) -> None:
        """Read the access points from a JSON file.

        The file has `access_points` (a list of objects with ssid, password, rssi, channel) and
        optionally `connect_seconds`; what it does not name is switched off.

        Raises:
            SimulatorError: the file cannot be read, or has something else in it.
        """
        try:
            content = _RadioFile.model_validate(json.loads(read_text(path)))
        except OSError as error:
            raise SimulatorError(f"radio file {path}: {error.strerror}") from None
        except ValidationError as error:
            found = error.errors(include_url=False, include_input=False)[0]
            problem = one_line(dotted(found["loc"]), in_words(found))
            raise SimulatorError(f"radio file {path}: {problem}") from None
        except (ValueError, RecursionError) as error:
            raise SimulatorError(f"radio file {path}: {error}") from None
        points = [AccessPoint(**entry.model_dump()) for entry in content.access_points]
        with self._lock:
            if content.connect_seconds is not None:
                self.connect_seconds = content.connect_seconds
            for ssid in set(self._points) - {point.ssid for point in points}:
                self.remove(ssid)
            for point in points:
                if self._points.get(point.ssid) != point:
                    self._points[point.ssid] = point

    # The board's side

    def power_off(self) -> None:
        """Forget what the board had set: every hard reset does that."""
        with self._lock:
            self._active = [False, False]
            self._wanted: tuple[str, str] | None = None
            self._connected = False
            self._reason = 0
            self._since = 0.0
            self._ever_active = False

    def set_active(self, interface: int, on: bool | None) -> bool:
        """Switch the station (0) or the access point (1) of the board on or off."""
        with self._lock:
            if on is not None:
                self._active[interface] = bool(on)
                self._ever_active = self._ever_active or bool(on)
                if interface == 0 and not on:
                    self.disconnect()
            return self._active[interface]

    def connect(self, ssid: str, password: str) -> None:
        """Begin to connect.

        Raises:
            OSError: the station is off, is connecting already, or the script says so.
        """
        with self._lock:
            self._settle()
            if not self._active[0]:
                raise OSError("Wifi Not Started")
            if self._refusals:
                raise OSError(self._refusals.pop(0))
            if self._wanted and not self._connected:
                raise OSError(INTERNAL_ERROR)
            self._wanted = (ssid, password)
            self._connected = False
            self._reason = 0
            self._since = self._clock()

    def disconnect(self) -> None:
        """Give the link up and stop trying."""
        with self._lock:
            self._wanted = None
            self._connected = False
            self._reason = 0

    def is_connected(self) -> bool:
        """Whether the station has a link and an address."""
        with self._lock:
            self._settle()
            return self._connected

    def routable(self) -> bool:
        """Whether names can be resolved: the board has a link, or never used its Wi-Fi."""
        return not self._ever_active or self.is_connected()

    def forwards_frames(self) -> bool:
        """Whether frames pass between the board and the network."""
        return self.routable() and not self.silent

    def status(self) -> int:
        """The station's state as a `network.STAT_` code."""
        with self._lock:
            self._settle()
            if self._connected:
                return GOT_IP
            return self._reason or (CONNECTING if self._wanted else IDLE)

    def rssi(self) -> int:
        """Signal strength in dBm.

        Raises:
            OSError: there is no link.
        """
        with self._lock:
            self._settle()
            if not self._connected or not self._wanted:
                raise OSError("Wifi Not Connected")
            return self._points[self._wanted[0]].rssi

    def scan(self) -> list[tuple[str, list[int], int, int, int, bool]]:
        """Ssid, bssid, channel, rssi, authentication mode and hidden, of each access point.

        Raises:
            OSError: the interface is not active.
        """
        with self._lock:
            if not self._active[0]:
                raise OSError("Wifi Not Started")
            return [
                (p.ssid, [2, 0, 0, 0, 0, n], p.channel, p.rssi, 3 if p.password else 0, False)
                for n, p in enumerate(self._points.values())
            ]

    @property
    def ssid(self) -> str:
        """The network that the board wants or has."""
        return self._wanted[0] if self._wanted else ""

    def _lose_link(self) -> None:
        self._connected = False
        self._reason = BEACON_TIMEOUT
        self._since = self._clock()

    def _settle(self) -> None:
        """Complete the attempt to connect whose time has passed."""
        if not self._wanted or self._connected:
            return
        if self._clock() - self._since < self.connect_seconds:
            return
        self._since = self._clock()
        ssid, password = self._wanted
        point = self._points.get(ssid)
        if point is None:
            self._reason = NO_AP_FOUND
        elif point.password not in ("", password):
            self._reason = WRONG_PASSWORD
        else:
            self._connected, self._reason = True, 0
