"""Meter values: which are due, what they are in records, and in OCPP's words.

OCPP 1.6, sections 3.13 and 7.31 (Measurand). A value is an int of 32 bits in a record: hundredths
of an A, tenths of a W, as the table says; the measurand and its phase are one byte.
"""

from webpubsub.compat import const

from . import timestamps
from .calls import Call

_DAY = const(86400)
_PHASE = const(32)  # more than there are measurands
_REGISTER = const(7)  # the place of Energy.Active.Import.Register in the table
# Measurand, unit, and how many of a record's make one; in one text, since names cost heap each.
# They are numbered as they stand here, and records hold that number: new ones go to the end.
_TABLE = (
    "|Current.Export,A,100|Current.Import,A,100|Current.Offered,A,100"
    "|Energy.Active.Export.Interval,Wh,1|Energy.Active.Export.Register,Wh,1"
    "|Energy.Active.Import.Interval,Wh,1|Frequency,,100|Energy.Active.Import.Register,Wh,1"
    "|Energy.Reactive.Export.Interval,varh,1|Energy.Reactive.Export.Register,varh,1"
    "|Energy.Reactive.Import.Interval,varh,1|Energy.Reactive.Import.Register,varh,1"
    "|Power.Active.Export,W,10|Power.Active.Import,W,10|Power.Factor,,1000|Power.Offered,W,10"
    "|Power.Reactive.Export,var,10|Power.Reactive.Import,var,10|RPM,,1|SoC,Percent,10"
    "|Temperature,Celsius,10|Voltage,V,10|"
)
_PHASES = "L1 L2 L3 N L1-N L2-N L3-N"
_LIMIT = const(0x7FFFFFFF)


class Measuring:
    """The meter values of a charging point.

    hardware: a Hardware. configuration: a Configuration. clock: a Clock.
    """

    def __init__(self, hardware, configuration, clock):
        self._hardware = hardware
        self._configuration = configuration
        self._clock = clock
        self._slot = None  # Unix seconds at which the last clock-aligned values were due
        self._lists = {}  # by key: the text, and what it means
        for key in (
            "MeterValuesSampledData",
            "MeterValuesAlignedData",
            "StopTxnSampledData",
            "StopTxnAlignedData",
        ):
            configuration.validators[key] = self.knows

    def knows(self, text):
        """Whether a list of measurands may be taken: each is one that the hardware has.

        text: with commas between them, str."""
        for name in text.split(",") if text.strip() else ():
            name = name.strip()
            code = _code(name)
            if code is None or (code != _REGISTER and name not in self._hardware.measurands):
                return False
        return True

    # when they are taken

    def tick(self, core, now):
        """Take what is due; returns the seconds until something will be.

        core: a Core. now: uptime, int."""
        soonest = self._tick_aligned(core)
        interval = self._configuration.value("MeterValueSampleInterval")
        if interval > 0:
            for connector in core.connectors:
                if connector.local is not None:
                    late = now - connector.sampled_at - interval
                    if late >= 0:
                        # However late it is, once.
                        late %= interval
                        connector.sampled_at = now - late
                        self.take(core, connector, "Sampled", "Sample.Periodic")
                        late -= interval
                    soonest = min(soonest, -late)
        return soonest

    def _tick_aligned(self, core):
        # From midnight on, in UTC.
        interval = self._configuration.value("ClockAlignedDataInterval")
        utc = self._clock.utc()
        if interval <= 0 or utc is None:
            self._slot = None
            return _DAY
        slot = utc - utc % _DAY % interval
        # A clock that was put back by less than that has had these.
        if self._slot is None or slot < self._slot - interval:
            self._slot = slot
        elif slot > self._slot:
            self._slot = slot
            for connector in core.connectors:
                self.take(core, connector, "Aligned", "Sample.Clock")
        return max(1, min(slot + interval, utc - utc % _DAY + _DAY) - utc)

    def take(self, core, connector, which, context):
        """Take values now, for a message and for what goes with the end of a transaction.

        core: a Core. connector: a Connector. which: "Sampled" or "Aligned". context: a
        ReadingContext, str."""
        number, local = connector.number, connector.local
        samples = self.samples(number, "MeterValues" + which + "Data")
        if samples:
            core.queue.values(local, number, context, samples)
            core.say("message", number, "MeterValues")
        self.keep(core, connector, which, context)

    def keep(self, core, connector, which, context):
        """Take values for what goes with the end of a transaction only; parameters as for `take`.

        core, connector, which, context: see there."""
        if connector.local is not None:
            samples = self.samples(connector.number, "StopTxn" + which + "Data")
            if samples:
                core.queue.values(connector.local, connector.number, context, samples, True)

    def trigger(self, core, number):
        """Have values told that are no part of the queue: TriggerMessage.

        core: a Core. number: of the connector, int."""
        core.calls.append(Call("MeterValues", lambda: self._triggered(core, number)))

    def _triggered(self, core, number):
        samples = self.samples(number, "MeterValuesSampledData")
        if not samples:
            samples = [(_REGISTER, self._hardware.energy(number))]
        value = {
            "timestamp": timestamps.format(self._clock.utc() or 0),
            "sampledValue": self.sampled(samples, "Trigger"),
        }
        payload = {"connectorId": number, "meterValue": [value]}
        local = core.connector(number).local
        if local is not None and core.queue.transaction_id(local) is not None:
            payload["transactionId"] = core.queue.transaction_id(local)
        return payload

    # what they are

    def samples(self, number, key):
        """What is measured now, as records keep it: tuples of (measurand and phase, value).

        number: of the connector, int. key: the configuration key that names the measurands."""
        text = self._configuration.value(key)
        known = self._lists.get(key)
        if known is None or known[0] != text:
            known = self._lists[key] = (text, [])
            for name in text.split(","):
                code = _code(name.strip())
                if code is not None:
                    known[1].append((code, name.strip(), int(_entry(code)[2])))
        found = []
        for code, name, scale in known[1]:
            try:
                if code == _REGISTER:
                    value = int(self._hardware.energy(number))
                else:
                    value = self._hardware.measure(number, name) * scale
                    value = int(value + (0.5 if value >= 0 else -0.5))
            except (OverflowError, TypeError, ValueError):
                continue  # None, or no number: there is none for now
            found.append((code, max(-_LIMIT, min(value, _LIMIT))))
        return found

    def meter_of(self, samples):
        """The register among samples, in Wh; None when it is not there.

        samples: from `samples`."""
        for code, value in samples:
            if code == _REGISTER:
                return value
        return None

    def sampled(self, samples, context):
        """sampledValue of OCPP, a list of dicts.

        samples: from `samples`. context: a ReadingContext, str."""
        found = []
        for code, value in samples:
            name, unit, scale = _entry(code)
            one = {"value": _text(value, int(scale)), "context": context, "measurand": name}
            if code >= _PHASE:
                one["phase"] = _PHASES.split()[code // _PHASE - 1]
            if unit:
                one["unit"] = unit
            found.append(one)
        return found


def _entry(code):
    # [measurand, unit, scale]
    at = 0
    for _ in range(code % _PHASE):
        at = _TABLE.find("|", at + 1)
    return _TABLE[at + 1 : _TABLE.find("|", at + 1)].split(",")


def _code(name):
    # Of a measurand, perhaps with a phase behind it, as in Voltage.L1; None when there is none.
    at = _TABLE.find("|" + name + ",")
    if at >= 0 and name:
        return _TABLE[:at].count("|")
    base, _, phase = name.rpartition(".")
    phases = _PHASES.split()
    if base and phase in phases:
        code = _code(base)
        if code is not None and code < _PHASE:
            return code + _PHASE * (phases.index(phase) + 1)
    return None


def _text(value, scale):
    units, rest = divmod(abs(value), scale)
    text = str(units)
    if rest:
        text += "." + str(scale + rest)[1:].rstrip("0")
    return "-" + text if value < 0 else text
