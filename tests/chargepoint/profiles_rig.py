"""A charging point with SmartCharging, whose profiles a test sets as a central system does."""

from chargepoint import timestamps
from chargepoint.smart_charging import KEYS, SmartCharging
from checks import equal
from core_rig import Rig as CoreRig

NOW = 1796112000  # 2026-12-01T08:00:00Z, a Tuesday


def at(seconds):
    """A time, in seconds from NOW."""
    return timestamps.format(NOW + seconds)


def periods(*pairs, **schedule):
    """A chargingSchedule of (startPeriod, limit) or (startPeriod, limit, numberPhases) each."""
    found = []
    for pair in pairs:
        found.append({"startPeriod": pair[0], "limit": pair[1]})
        if pair[2:]:
            found[-1]["numberPhases"] = pair[2]
    schedule.setdefault("chargingRateUnit", "A")
    schedule["chargingSchedulePeriod"] = found
    return schedule


def profile(number, schedule, purpose="TxDefaultProfile", level=0, kind="Absolute", **others):
    """A chargingProfile; a limit stands for a schedule of that alone."""
    if not isinstance(schedule, dict):
        schedule = periods((0, schedule), startSchedule=at(-3600))
    others["chargingProfileId"] = number
    others["stackLevel"] = level
    others["chargingProfilePurpose"] = purpose
    others["chargingProfileKind"] = kind
    others["chargingSchedule"] = schedule
    return others


class Rig(CoreRig):
    """It knows the time, unless a test wants it otherwise."""

    def __init__(self, count=2, before=None, resume=False, unix=NOW, **values):
        keys = dict(KEYS)
        keys.update(values)
        self.smart = None
        super().__init__(count, before, resume, self._limit, **keys)
        if unix is not None:
            self.clock.set(unix)
        self.smart = SmartCharging(self.storage, self.configuration, self.clock, self.box)
        self.smart.attach(self.core)

    def _limit(self, number, local):
        # As the shell has it: while the core is made there is no other one to ask.
        return self.smart.limit(number, local) if self.smart else 0

    def ask(self, action, payload):
        """The answer to a call of the central system."""
        answer, after = self.core.call(action, payload)
        equal(after, None)
        return answer

    def put(self, number, wanted):
        """SetChargingProfile; its status."""
        payload = {"connectorId": number, "csChargingProfiles": wanted}
        answer = self.ask("SetChargingProfile", payload)
        equal(list(answer), ["status"])
        return answer["status"]

    def accept(self, number, wanted):
        """SetChargingProfile, which must be accepted."""
        equal(self.put(number, wanted), "Accepted")

    def clear(self, **payload):
        """ClearChargingProfile; its status."""
        return self.ask("ClearChargingProfile", payload)["status"]

    def schedule(self, number, duration, unit=None):
        """GetCompositeSchedule, which must be accepted: (startPeriod, limit) each."""
        payload = {"connectorId": number, "duration": duration}
        if unit:
            payload["chargingRateUnit"] = unit
        answer = self.ask("GetCompositeSchedule", payload)
        equal((answer["status"], answer["connectorId"]), ("Accepted", number))
        equal(answer["scheduleStart"], timestamps.format(self.clock.utc()))
        found = answer["chargingSchedule"]
        equal(found["chargingRateUnit"], unit or "A")
        equal(found["duration"], duration)
        return [(each["startPeriod"], each["limit"]) for each in found["chargingSchedulePeriod"]]

    def ids(self):
        """The chargingProfileIds that are there."""
        return sorted(each[1] for each in self.smart.profiles)

    def offers(self):
        """What is offered: A of each connector."""
        return [each.amperes for each in self.core.connectors]

    def changes(self, seconds):
        """What is offered on connector 1 in the time that comes: (after seconds, A) each.

        Time goes on as the shell has it: to when the core wants to be called again."""
        found, gone = [(0, self.box.amperes[1])], 0
        pause = self.core.tick()
        while gone + pause < seconds:
            gone += pause
            pause = self.after(pause)
            if self.box.amperes[1] != found[-1][1]:
                found.append((gone, self.box.amperes[1]))
        self.after(seconds - gone)
        return found
