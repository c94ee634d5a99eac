"""What a maker writes for the electronics of a charging point: one class with a few methods."""


class Hardware:
    """The electronics, as the charging point asks for them; subclass it.

    Every call is plain, quick and never waits. Safety stays with the electronics: residual
    current, welded contacts and the timing of the control pilot are not looked at here.

    measurands: what `measure` knows beside the register, a tuple of OCPP's names. maximum: A that
    one connector may offer, on each of its phases. voltage, phases: between phase and neutral in
    V, and how many phases there are; limits in W become A by them. fixed_cable: whether the cable
    cannot be taken out. listeners: functions(kind, connector, value), called at each change from
    the power-up on; see `ChargePoint`.
    """

    measurands = ()
    maximum = 32
    voltage = 230
    phases = 3
    fixed_cable = False
    listeners = ()

    def contactor(self, connector, closed):
        """Switch the contactor, at once.

        connector: its number, from 1 on. closed: bool."""
        raise NotImplementedError

    def offer(self, connector, amperes):
        """Say by the control pilot what the vehicle may draw.

        connector: int. amperes: 6 to `maximum` in steps of 0.1, or 0 for nothing."""

    def lock(self, connector, locked):
        """Lock the plug, or unlock it; returns False when that did not work.

        connector: int. locked: bool."""

    def energy(self, connector):
        """The register of the meter in Wh, an int that never falls.

        connector: int."""
        raise NotImplementedError

    def measure(self, connector, measurand):
        """A value of one of `measurands` in its unit of OCPP, a number; None when there is none.

        connector: int. measurand: such as "Power.Active.Import" (W) or "Voltage" (V)."""

    def reset(self, hard):
        """Start anew; a board calls machine.reset().

        hard: whether everything is to be switched off for it, bool."""
        raise NotImplementedError
