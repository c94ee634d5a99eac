"""A cable instead of Wi-Fi: `network.LAN` of the ESP32 port, brought up and kept up.

`isconnected()` of a LAN says on some versions that the cable is in, on others that there is an
address: here the link is up only with an address, for without one no name can be looked up.
"""

import asyncio

from .link import ABSENT, DOWN, NO_ADDRESS, Link
from .runtime import const, ticks_add, ticks_diff, ticks_ms

# Of the ESP32 port's eth_status.
_CABLE_OUT = const(4)

# Seconds: autonegotiation takes 2 to 3, DHCP up to 10 more.
_JOIN_TIMEOUT = const(20)
_POLL = 0.2

_PINS = ("mdc", "mdio", "reset", "power", "cs", "interrupt", "ref_clk")

_sleep = asyncio.sleep
_ticks_ms = ticks_ms


class Ethernet(Link):
    """The Ethernet interface of this board.

    Args:
        wiring: the table `ethernet` of the settings (docs/settings.md).
        options: as for Link.
    """

    def __init__(self, wiring, **options):
        super().__init__("ethernet", **options)
        self._wiring = wiring
        # Made by the first try: a chip that does not answer yet is a failed try, not the end.
        self._lan = None

    def address(self):
        """The board's IP address as text, or None."""
        try:
            found = self._lan.ifconfig()[0] if self._lan else NO_ADDRESS
        except OSError:
            return None
        return None if found == NO_ADDRESS else found

    def _joined_text(self):
        return "joined as %s" % self.address()

    def _lost_text(self):
        return "lost the link"

    def _is_joined(self):
        try:
            return self._lan is not None and self._lan.isconnected() and bool(self.address())
        except OSError:
            return False

    def _switch(self, on):
        if self._lan:
            self._lan.active(on)

    async def _join(self):
        try:
            if self._lan is None:
                self._lan = _make_lan(self._wiring)
            if not self._lan.active():
                self._lan.active(True)
        except (OSError, RuntimeError) as error:
            self._failed(DOWN, "the driver is not ready (%s)" % error)
            return False
        except (ValueError, TypeError, AttributeError, KeyError) as error:
            self._failed(DOWN, "cannot be set up (%s): run hubtool configure" % error)
            return False
        deadline = ticks_add(_ticks_ms(), _JOIN_TIMEOUT * 1000)
        while ticks_diff(deadline, _ticks_ms()) > 0:
            if self._is_joined():
                return True
            await _sleep(_POLL)
        if self._lan.status() == _CABLE_OUT:
            self._failed(ABSENT, "no cable: is it plugged in, and the switch on?")
        else:
            self._failed(DOWN, "no address within %d s: is there a DHCP server?" % _JOIN_TIMEOUT)
        return False


def _make_lan(wiring):
    import machine
    import network

    options = {
        "phy_type": getattr(network, "PHY_" + wiring["phy"]),
        "phy_addr": wiring.get("address", 0),
    }
    for name in _PINS:
        if wiring.get(name) is not None:
            options["int" if name == "interrupt" else name] = machine.Pin(wiring[name])
    if wiring.get("ref_clk_output") is not None:
        mode = machine.Pin.OUT if wiring["ref_clk_output"] else machine.Pin.IN
        options["ref_clk_mode"] = mode
    bus = wiring.get("spi")
    if bus is not None:
        pins = {name: machine.Pin(bus[name]) for name in ("sck", "mosi", "miso")}
        options["spi"] = machine.SPI(bus["id"], **pins)
    return network.LAN(0, **options)
