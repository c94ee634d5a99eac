"""Brings the link of an Ethernet up.

Loaded whenever the link is down or changes, with `once`: nothing here may stay or be kept. It
may wait, as no other module of that kind may: without a link there is no TLS that needs memory.

`link` is the Ethernet.
"""

from . import link as links
from . import runtime
from .console import say_new
from .runtime import const

# Of the ESP32 port's eth_status.
_CABLE_OUT = const(4)

# Seconds: autonegotiation takes 2 to 3, DHCP up to 10 more.
_JOIN_TIMEOUT = const(20)
_POLL = 0.2
_SETTLE = 0.5

_PINS = ("mdc", "mdio", "reset", "power", "cs", "interrupt", "ref_clk")


def joined(link):
    """What the console says of a link that has come up."""
    return "joined as %s" % link.address()


def lost(link):
    """What the console says of a link that is gone."""
    return "lost the link"


async def power_cycle(link, failures):
    """Switch the interface off and on.

    failures: how many tries there have been, int."""
    if failures == links.TRIES_PER_POWER_CYCLE:
        say_new(link.part, "switching the interface off and on, now and after each 5 tries")
    try:
        if link.lan:
            link.lan.active(False)
            await runtime.sleep(_SETTLE)
            link.lan.active(True)
    except OSError:
        pass


async def join(link):
    """One try. Returns whether the link is up; says why when it is not."""
    try:
        if link.lan is None:
            link.lan = _make_lan(link.wiring)
        if not link.lan.active():
            link.lan.active(True)
    except (OSError, RuntimeError) as error:
        return _failed(link, links.DOWN, "the driver is not ready (%s)" % error)
    except (ValueError, TypeError, AttributeError, KeyError) as error:
        return _failed(link, links.DOWN, "cannot be set up (%s): run hubtool configure" % error)
    deadline = runtime.ticks_add(runtime.ticks_ms(), _JOIN_TIMEOUT * 1000)
    while runtime.ticks_diff(deadline, runtime.ticks_ms()) > 0:
        if link.is_joined():
            return True
        await runtime.sleep(_POLL)
    if link.lan.status() == _CABLE_OUT:
        return _failed(link, links.ABSENT, "no cable: is it plugged in, and the switch on?")
    text = "no address within %d s: is there a DHCP server?" % _JOIN_TIMEOUT
    return _failed(link, links.DOWN, text)


def _failed(link, state, text):
    link.state = state
    say_new(link.part, text)
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
