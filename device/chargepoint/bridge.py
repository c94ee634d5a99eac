"""A charging point on a hub, beside OCPP: dashboards see it there, and may ask it for something.

Groups: "ev.<site>.<name>.tel" for what it says, "ev.<site>.<name>.cmd" and "ev.<site>.all.cmd" for
what it is asked. Times are Unix seconds, or null while the clock is not known. Transactions are
the central system's: what is said of them here is lost with the power or a full list.
"""

import asyncio

from webpubsub import WebPubSubError, once
from webpubsub.compat import const

_REMEMBERED = const(16)  # commands
_WAITING = const(32)  # messages
_NAME = "commands"
# What may be done as often as it comes.
_HARMLESS = ("get", "trigger")


class Bridge:
    """Shows a charging point in groups, and takes commands from there.

    point: a ChargePoint. client: a WebPubSubClient that somebody else opens. site, name: parts of
    the groups' names, str. interval: seconds between the meters of a transaction. joins: whether
    it joins the groups of commands by itself; it need not when the handler puts it there.

    dropped: messages for which there was no room. expired, refused: commands that came too late,
    and those that were none.
    """

    def __init__(self, point, client, site, name, interval=10, joins=False):
        self._point = point
        self._client = client
        self._interval = interval
        self._joins = joins
        self._group = "ev.%s.%s." % (site, name)
        self._asking = self._group + "cmd", "ev.%s.all.cmd" % site
        self.dropped = self.expired = self.refused = 0
        self._sequence = 0
        self._changed = []  # connectors whose state is to be shown: the present one, once
        self._waiting = []  # (message, what is to be done once it is out, or None)
        self._running = {}  # by connector: the transaction
        self._joined = False
        self._wake = asyncio.Event()
        found = point.storage.load(_NAME)
        # (id, status, data): what was answered is not done again, not after a power cut either.
        self._answered = found if isinstance(found, list) else []

    async def run(self):
        """Show and listen, for ever."""
        point, client = self._point, self._client
        # Each by one object: MicroPython makes a new one for each look at a method.
        heard = self._heard
        callbacks = [(name, self._connected) for name in ("connected", "reconnected")]
        callbacks.append(("group-message", self._asked))
        point.listeners.append(heard)
        for name, callback in callbacks:
            client.subscribe(name, callback)
        for connector in point.core.connectors:
            self._running[connector.number] = connector.local
        self._connected(None)
        # A task of its own: on CPython 3.11 wait_for can swallow a cancellation.
        measuring = asyncio.create_task(self._measure())
        try:
            while True:
                await self._wake.wait()
                self._wake.clear()
                if client.state == "connected":
                    try:
                        await self._send_all()
                    except (OSError, WebPubSubError):
                        pass  # with the next connection, or the next interval
        finally:
            measuring.cancel()
            point.listeners.remove(heard)
            for name, callback in callbacks:
                client.unsubscribe(name, callback)

    # what is shown

    def show(self, number=0):
        """Say the state of a connector anew, and its meter.

        number: of the connector; 0 for all."""
        for connector in self._point.core.connectors:
            if number in (0, connector.number):
                if connector.number not in self._changed:
                    self._changed.append(connector.number)
                self._meter(connector)
        self._wake.set()

    def _connected(self, _event):
        self._joined = False
        self.show()

    def _heard(self, kind, number, value):
        if kind in ("status", "offer"):
            if number not in self._changed:
                self._changed.append(number)
        elif kind == "message" and value != "MeterValues":
            connector = self._point.core.connector(number)
            said = {"t": "tx", "c": number, "tag": connector.id_tag}
            said["wh"] = self._point.core.hardware.energy(number)
            if value == "StartTransaction":
                self._running[number] = connector.local
            said["ev"] = "start" if value == "StartTransaction" else "stop"
            said["txu"] = self._running[number]
            if said["ev"] == "stop":
                self._running[number] = None
            self._put(said)
        else:
            return
        self._wake.set()

    async def _measure(self):
        while True:
            await asyncio.sleep(self._interval)
            for connector in self._point.core.connectors:
                if connector.local is not None:
                    self._meter(connector)
            if self._waiting or self._changed:
                self._wake.set()

    def _meter(self, connector):
        # Of each connector one, the last: what is old by now is no news.
        number = connector.number
        hardware = self._point.core.hardware
        said = {"t": "meter", "c": number, "tx": connector.local, "offer": connector.amperes}
        said["wh"] = hardware.energy(number)
        amperes = []
        for name in hardware.measurands:
            if name == "Power.Active.Import":
                said["w"] = hardware.measure(number, name)
            elif name.startswith("Current.Import"):
                amperes.append(hardware.measure(number, name))
        if amperes:
            said["a"] = amperes
        for at, (other, _) in enumerate(self._waiting):
            if other["t"] == "meter" and other["c"] == number:
                del self._waiting[at]
                break
        self._put(said)

    def _put(self, said, after=None):
        if len(self._waiting) >= _WAITING:
            self.dropped += 1
            if after:
                after()
            return
        said["ts"] = self._point.clock.utc()
        self._waiting.append((said, after))

    async def _send_all(self):
        if self._joins and not self._joined:
            for group in self._asking:
                await self._client.join_group(group)
            self._joined = True
        while self._waiting or self._changed:
            if self._waiting:
                said, after = self._waiting.pop(0)
                try:
                    await self._send(said, said["t"] != "meter")
                except (OSError, WebPubSubError):
                    if after is None and said["t"] != "meter":
                        self._waiting.insert(0, (said, None))
                    raise
                finally:
                    if after:
                        after()
                        self._point.uplink.wake()
                continue
            number = self._changed[0]
            connector = self._point.core.connector(number)
            said = {"t": "state", "c": number, "s": connector.status, "offer": connector.amperes}
            said["err"] = connector.fault or "NoError"
            said["ts"] = self._point.clock.utc()
            # What changes while it is under way is said again.
            self._changed.pop(0)
            try:
                await self._send(said, True)
            except (OSError, WebPubSubError):
                if number not in self._changed:
                    self._changed.append(number)
                raise

    async def _send(self, said, ack):
        if "seq" not in said:
            self._sequence += 1
            said["v"], said["seq"] = 1, self._sequence
        await self._client.send_to_group(self._group + "tel", said, ack=ack, no_echo=True)

    # what is asked

    def _asked(self, event):
        message = event.message
        if message.group not in self._asking:
            return
        command, utc = message.data, self._point.clock.utc()
        if not (
            isinstance(command, dict)
            and command.get("v") == 1
            and command.get("t") == "cmd"
            and isinstance(command.get("id"), str)
            and isinstance(command.get("op"), str)
            and isinstance(command.get("exp"), int)
        ):
            self.refused += 1
            return
        if utc is None or command["exp"] <= utc:
            self.expired += 1
            return
        for found in self._answered:
            if found[0] == command["id"]:
                self._answer(found, None)
                return
        status, data, after = once("chargepoint.commands").serve(
            self._point.core, self, command["op"], command.get("c"), command.get("arg")
        )
        found = [command["id"], status, data]
        if command["op"] not in _HARMLESS:
            self._answered = self._answered[1 - _REMEMBERED :] + [found]
            self._point.storage.save(_NAME, self._answered)
        self._answer(found, after)
        self._point.uplink.wake()

    def _answer(self, found, after):
        said = {"t": "res", "id": found[0], "st": found[1]}
        if found[2] is not None:
            said["data"] = found[2]
        self._put(said, after)
        self._wake.set()
