"""Simulated electronics: a meter, contactors, and vehicles that draw what they are offered.

For a charging point on the desk (`console`) and for tests; it needs nothing but time and flash.
"""

from webpubsub.compat import const
from webpubsub.stream import ticks_diff, ticks_ms

from .hardware import Hardware
from .storage import Storage

_VOLTS = const(230)
_USUAL = const(7400)  # W
_PER_WH = const(3600000)  # W times ms
_NAME = "meter"


class Outlet:
    """One connector with its meter, and the vehicle that may be at it.

    cable: whether there is one between them. wants: whether the vehicle wants energy. watts: what
    it draws at most. closed, locked: of contactor and lock. amperes: that are offered. register:
    in Wh times 3,600,000, as a meter has it inside.
    """

    cable = wants = closed = locked = False
    amperes = 0
    watts = _USUAL

    def __init__(self, register, now):
        self.register = register
        self._since = now

    def power(self):
        """What flows, in W."""
        if not (self.closed and self.cable and self.wants):
            return 0
        return min(self.watts, int(self.amperes * _VOLTS))

    def count(self, now):
        """Let the meter count until now.

        now: in ticks."""
        self.register += self.power() * ticks_diff(now, self._since)
        self._since = now


class Simulated(Hardware):
    """The electronics of a charging point that is not there.

    count: of connectors. folder: where the meters keep their registers. restart: function(hard),
    called for a reset.
    """

    measurands = ("Power.Active.Import", "Current.Import", "Voltage", "Current.Offered")
    voltage = _VOLTS
    phases = 1

    def __init__(self, count, folder, restart):
        self._storage = Storage(folder)
        self._restart = restart
        found = self._storage.load(_NAME)
        self._kept = found if isinstance(found, list) else []
        self._kept += [0] * (count - len(self._kept))
        now = ticks_ms()
        self.outlets = [Outlet(wh * _PER_WH, now) for wh in self._kept[:count]]

    def outlet(self, connector):
        """The Outlet of a connector, with all that has flowed.

        connector: int."""
        outlet = self.outlets[connector - 1]
        outlet.count(ticks_ms())
        return outlet

    # what the charging point asks for

    def contactor(self, connector, closed):
        """As of Hardware.

        connector: int. closed: bool."""
        self.outlet(connector).closed = closed

    def offer(self, connector, amperes):
        """As of Hardware.

        connector: int. amperes: number."""
        self.outlet(connector).amperes = amperes

    def lock(self, connector, locked):
        """As of Hardware.

        connector: int. locked: bool."""
        self.outlet(connector).locked = locked

    def energy(self, connector):
        """As of Hardware; what was read once is never taken back, whatever happens to the power.

        connector: int."""
        value = self.outlet(connector).register // _PER_WH
        if value > self._kept[connector - 1]:
            self._kept[connector - 1] = value
            self._storage.save(_NAME, self._kept)
        return value

    def measure(self, connector, measurand):
        """As of Hardware.

        connector: int. measurand: str."""
        outlet = self.outlet(connector)
        if measurand == "Power.Active.Import":
            return outlet.power()
        if measurand == "Current.Import":
            return outlet.power() / _VOLTS
        if measurand == "Current.Offered":
            return outlet.amperes
        return _VOLTS

    def reset(self, hard):
        """As of Hardware.

        hard: bool."""
        self._restart(hard)
