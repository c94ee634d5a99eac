"""A charging point: hardware below, a central system above, flash in between."""

from webpubsub import once

# What the hardware reports; see `Core`.
_EVENTS = " plugged unplugged ready paused tag fault cleared "


class ChargePoint:
    """A charging point that talks OCPP 1.6-J to a central system.

    url: where the central system is, ws:// or wss://, to which "/" and the identity are added; or
    an endpoint of Azure Web PubSub, with the name of the hub in `hub`. identity: of the charging
    point, str of at most 48 characters. hardware: a Hardware, which gets this object as its
    `point`. key: the AuthorizationKey, bytes of 16 to 20 or str; None for none. folder: where it
    keeps what outlives power cuts. ssl: an SSL context, for wss. connectors: 1 to 8. options: see
    docs/chargepoint.md.

    listeners: functions(kind, connector, value), called at each change; see `Core`. clock: a
    Clock, which `clock.set(unix, False)` may tell the time before the central system does.

    Raises:
        TypeError, ValueError: an argument is wrong; the text says which.
        OSError: the folder cannot be used.
    """

    def __init__(self, url, identity, hardware, **options):
        once("chargepoint.opening").assemble(self, url, identity, hardware, options)
        hardware.point = self

    def __getattr__(self, name):
        # point.plugged(1), point.tag(1, "04A2B3C4"): at once in the core, then what follows.
        if " " + name + " " not in _EVENTS:
            raise AttributeError(name)
        report = getattr(self.core, name)

        def event(connector, *given):
            if self.core.connector(connector) is None:
                raise ValueError("connector must be 1 to %d" % len(self.core.connectors))
            report(connector, *given)
            self.uplink.wake()

        return event

    async def run(self):
        """Connect, and stay connected for ever; cancelled, it closes the connection."""
        await self.uplink.run()

    def hurry(self):
        """Try to connect now, whatever pause was due: there is a network again."""
        self.uplink.hurry()
