import endless
import fakes
from firmware import console, ethernet, link, runtime

WIRING = {"phy": "LAN8720", "address": 1, "mdc": 23, "mdio": 18, "power": 12}
OUT, CONNECTED, GOT_IP = 4, 3, 5


class Lan:
    """A fake network.LAN; `script(seconds since active)` gives its status."""

    made = []

    def __init__(self, number, **options):
        self.number = number
        self.options = options
        self.calls = []
        self._active = False
        Lan.made.append(self)

    def active(self, value=None):
        if value is None:
            return self._active
        self.calls.append(value)
        self._active = value
        return None

    def status(self):
        return Lan.script() if self._active else 2

    def isconnected(self):
        # As some versions have it: the cable counts, not the address.
        return self.status() in (CONNECTED, GOT_IP)

    def ifconfig(self):
        address = "192.168.7.9" if self.status() == GOT_IP else "0.0.0.0"
        return (address, "255.255.255.0", "192.168.7.1", "192.168.7.1")


class Pin:
    OUT = 3
    IN = 1

    def __init__(self, number):
        self.number = number


class Spi:
    def __init__(self, number, **pins):
        self.number = number
        self.pins = {name: pin.number for name, pin in pins.items()}


class Bench:
    def __init__(self, script, wiring=None, lan=Lan, reset_after=1800):
        Lan.made = []
        Lan.script = staticmethod(script)
        fakes.install("network", LAN=lan, PHY_LAN8720=1, PHY_W5500=102)
        fakes.install("machine", Pin=Pin, SPI=Spi)
        self.time = fakes.VirtualTime()
        self.console = fakes.Console(console)
        console.said.clear()
        self.resets = 0
        self.link = ethernet.Ethernet(wiring or WIRING, progress=self.step)
        runtime.reset = self.reset
        self.link.reset_after = reset_after

    def step(self, duty):
        assert duty == "link"

    def reset(self):
        self.resets += 1

    def run_until(self, condition):
        endless.run_until(self.link.run(), condition, self.console.last)


def test_comes_up():
    bench = Bench(lambda: GOT_IP)
    bench.run_until(bench.link.is_up)
    assert "[ethernet] joined as 192.168.7.9" in bench.console
    assert bench.link.address() == "192.168.7.9"
    assert bench.link.rssi() is None
    options = Lan.made[0].options
    assert (options["phy_type"], options["phy_addr"]) == (1, 1)
    assert [options[name].number for name in ("mdc", "mdio", "power")] == [23, 18, 12]
    assert sorted(options) == ["mdc", "mdio", "phy_addr", "phy_type", "power"]


def test_a_chip_on_spi_and_a_clock_that_we_give():
    wiring = {
        "phy": "W5500",
        "spi": {"id": 1, "sck": 14, "mosi": 13, "miso": 12},
        "cs": 15,
        "interrupt": 4,
    }
    bench = Bench(lambda: GOT_IP, wiring)
    bench.run_until(bench.link.is_up)
    options = Lan.made[0].options
    assert options["spi"].pins == {"sck": 14, "mosi": 13, "miso": 12}
    assert (options["cs"].number, options["int"].number) == (15, 4)
    bench = Bench(lambda: GOT_IP, dict(WIRING, ref_clk=17, ref_clk_output=True))
    bench.run_until(bench.link.is_up)
    assert Lan.made[0].options["ref_clk_mode"] == Pin.OUT


def test_a_cable_without_an_address_is_no_link():
    bench = Bench(lambda: CONNECTED)
    bench.run_until(lambda: "no address within 20 s" in bench.console)
    assert not bench.link.is_up()
    assert bench.link.state == link.DOWN
    assert bench.link.address() is None


def test_no_cable():
    bench = Bench(lambda: OUT)
    bench.run_until(lambda: "no cable" in bench.console)
    assert bench.link.state == link.ABSENT


def test_a_cable_that_is_pulled_and_put_in_again():
    state = [GOT_IP]
    bench = Bench(lambda: state[0])
    bench.run_until(bench.link.is_up)
    state[0] = OUT
    bench.run_until(lambda: "[ethernet] lost the link" in bench.console)
    assert not bench.link.is_up()
    state[0] = GOT_IP
    bench.run_until(lambda: bench.link.joins == 2)
    assert len(Lan.made) == 1


def test_power_cycle_then_reset_as_the_last_steps():
    bench = Bench(lambda: OUT, reset_after=600)
    bench.run_until(lambda: bench.resets)
    assert 600000 < bench.time.ms < 700000
    assert Lan.made[0].calls.count(False) >= 2
    assert "resetting the board" in bench.console


def test_a_chip_that_does_not_answer_yet():
    tries = []

    def lan(number, **options):
        tries.append(1)
        if len(tries) < 4:
            raise OSError("esp_eth_driver_install failed")
        return Lan(number, **options)

    bench = Bench(lambda: GOT_IP, lan=lan)
    bench.run_until(bench.link.is_up)
    assert bench.console.count("the driver is not ready (esp_eth_driver_install failed)") == 1


def test_wiring_that_cannot_be():
    for wiring in ({"phy": "NE2000"}, {"phy": "W5500", "spi": {"id": 1}}):
        try:
            bench = Bench(lambda: GOT_IP, wiring)
            bench.run_until(lambda bench=bench: "run hubtool configure" in bench.console)
        except KeyError:
            raise AssertionError("not reported") from None
        assert not bench.link.is_up()
