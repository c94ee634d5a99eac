"""The peripherals of a board, as its fake modules ask for them: one function per question."""

from __future__ import annotations

import hashlib
import json
import time
from typing import Any

from .nvs import Nvs
from .radio import ADDRESSES, NO_ADDRESSES, Radio

_EPOCH_NS = 946_684_800 * 1_000_000_000
STATION = 0


class Peripherals:
    """The state of a board outside its Python heap, and the questions about it.

    Attributes:
        unique_id: `machine.unique_id()`, six bytes; the MAC address, too.
        radio: the Wi-Fi.
        nvs: the partition of that name.
        clock_offset: nanoseconds to add to this computer's clock for the board's.
        rtc_memory: bytes that survive resets and deep sleep, not a power cut.
        reset_cause: `machine.reset_cause()`.
        watchdog_timeout: seconds, 0 while there is no watchdog.
        fed: when the watchdog was fed last, by the monotonic clock.
        hostname, country: those of `network`.
        settings: the other parameters of `WLAN.config()`.
    """

    def __init__(self, name: str, radio: Radio, nvs: Nvs) -> None:
        digest = hashlib.sha256(name.encode()).digest()
        # The bit of locally administered addresses: no vendor has it.
        self.unique_id = [0x02, *digest[:5]]
        self.radio = radio
        self.nvs = nvs
        self.reset_cause = 1
        self.lose_power()

    def lose_power(self) -> None:
        """Forget what only a power supply keeps."""
        self.clock_offset = -(time.time_ns())  # 2000-01-01, as the board counts from there
        self.rtc_memory: list[int] = []
        self.reset()

    def reset(self) -> None:
        """Forget what a hard reset clears. A soft reset keeps it all: on an ESP32 the watchdog
        goes on counting and the Wi-Fi stays connected.
        """
        self.watchdog_timeout = 0.0
        self.fed = 0.0
        self.hostname = "mpy-esp32"
        self.country = "XX"
        self.settings: dict[str, Any] = {"pm": 1, "reconnects": -1, "txpower": 20}
        self.radio.power_off()

    def answer(self, name: str, arguments: list[Any]) -> Any:
        """Answer one question of the board.

        Args:
            name: peripheral and question, such as `wifi.scan`; one word for the board itself.
            arguments: of the question.

        Raises:
            OSError: the board gets this error.
            LookupError, TypeError, ValueError: no such question, or wrong arguments.
        """
        device, _, question = name.rpartition(".")
        if device == "wifi":
            return getattr(self, f"_wifi_{question}")(*arguments)
        if device == "nvs":
            return getattr(self.nvs, question)(*arguments)
        return getattr(self, f"_board_{question}")(*arguments)

    def feed(self) -> None:
        """The board fed its watchdog."""
        self.fed = time.monotonic()

    def watchdog_bites_in(self) -> float | None:
        """Seconds until the watchdog resets the board; None without a watchdog."""
        if not self.watchdog_timeout:
            return None
        return self.fed + self.watchdog_timeout - time.monotonic()

    # Questions

    def _board_reset_cause(self) -> int:
        return self.reset_cause

    def _board_unique_id(self) -> list[int]:
        return self.unique_id

    def _board_watchdog(self, milliseconds: int) -> None:
        self.watchdog_timeout = milliseconds / 1000
        self.feed()

    def _board_clock(self, offset: int) -> None:
        self.clock_offset = offset

    def _board_rtc_memory(self, data: list[int] | None = None) -> list[int] | None:
        if data is None:
            return self.rtc_memory
        self.rtc_memory = data
        return None

    def _wifi_routable(self) -> bool:
        return self.radio.routable()

    def _wifi_active(self, interface: int, on: bool | None) -> bool:
        return self.radio.set_active(interface, on)

    def _wifi_connect(self, interface: int, ssid: str | None, key: str | None) -> None:
        if interface != STATION:
            raise OSError("STA required")
        self.radio.connect(ssid or self.radio.ssid, key or "")

    def _wifi_disconnect(self, interface: int) -> None:
        if interface == STATION:
            self.radio.disconnect()

    def _wifi_isconnected(self, interface: int) -> bool:
        return interface == STATION and self.radio.is_connected()

    def _wifi_status(self, interface: int, parameter: str | None) -> Any:
        if parameter == "rssi" and interface == STATION:
            return self.radio.rssi()
        if parameter == "stations" and interface != STATION:
            return []
        if parameter is not None:
            raise OSError("unknown status param")
        return self.radio.status()

    def _wifi_scan(self, interface: int) -> list[Any]:
        return self.radio.scan()

    def _wifi_config(self, interface: int, name: str) -> Any:
        if name == "mac":
            return [*self.unique_id[:5], (self.unique_id[5] + interface) & 0xFF]
        if name in ("ssid", "essid"):
            return self.radio.ssid
        if name in ("hostname", "dhcp_hostname"):
            return self.hostname
        if name not in self.settings:
            raise OSError("unknown config param")
        return self.settings[name]

    def _wifi_configure(self, interface: int, name: str, value: Any) -> None:
        if name in ("hostname", "dhcp_hostname"):
            self.hostname = value
        else:
            self.settings[name] = value

    def _wifi_addresses(self, interface: int) -> tuple[str, ...]:
        return ADDRESSES if self._wifi_isconnected(interface) else NO_ADDRESSES

    def _wifi_set_addresses(self, interface: int, addresses: list[str]) -> None:
        if len(addresses) != 4:
            raise OSError("requires four addresses")

    def _wifi_hostname(self, name: str | None) -> str | None:
        if name is None:
            return self.hostname
        self.hostname = name
        return None

    def _wifi_country(self, code: str | None) -> str | None:
        if code is None:
            return self.country
        self.country = code
        return None


def encode_answer(number: int, value: Any, error: OSError | None = None) -> bytes:
    """One line for the board: its number and a value, or the arguments of an OSError."""
    answer = [number, value] if error is None else [number, None, list(error.args)]
    # MicroPython makes two broken characters of one that JSON escapes as a pair.
    text = json.dumps(answer, ensure_ascii=False)
    return text.encode("utf-8", "surrogatepass") + b"\n"
