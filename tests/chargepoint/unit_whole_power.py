"""A whole charging point under a power cut at each write of the flash, torn and untorn.

A session with an outage in it, in which one transaction ends and another begins: whatever is cut,
bills are what the meter counted, each message with an answer on the flash came once.
"""

import sys

if sys.implementation.name == "micropython":
    import power_cuts
else:
    SKIPPED = "the flash that can be cut is a littlefs of MicroPython"

from checks import equal
from whole_rig import Meter, Rig

KEYS = {
    "MeterValueSampleInterval": "20",
    "StopTxnSampledData": "Energy.Active.Import.Register",
    "AllowOfflineTxForUnknownId": "true",
}


class Central:
    """Keeps bills; a start that comes again gets another id."""

    def __init__(self):
        self.starts = {}
        self.bills = {}

    def answer(self, action, payload):
        if action == "StartTransaction":
            id_ = len(self.starts) - 1  # -1 and 0 are ids
            self.starts[id_] = payload["meterStart"]
            return {"transactionId": id_, "idTagInfo": {"status": "Accepted"}}
        if action == "StopTransaction":
            start = self.starts[payload["transactionId"]]
            bill = payload["meterStop"] - start
            equal(self.bills.setdefault(start, bill), bill)
        return None


class Place:
    """What does not go with the power: meter and central system."""

    def __init__(self):
        self.box = Meter()
        self.box.registers = {1: 1000}
        self.central = Central()

    def power_up(self, folder, boot, keys=None):
        self.box.amperes = {}
        self.rig = Rig(folder, 1, self.box, boot, keys=keys)

    def flow(self, seconds):
        """Energy flows, if it does; a register of its own for each transaction."""
        for _ in range(seconds):
            self.is_powered()
            if self.box.is_closed.get(1):
                self.box.registers[1] += 3
            self.rig.after(1)
        self.is_powered()

    def is_powered(self):
        # A flash without power fails as a full one does: nothing runs on then.
        if self.rig.queue.failures or self.rig.storage.failures:
            raise OSError("the power went")

    def talk(self):
        self.rig.settle(answer=self.central.answer)
        self.is_powered()


def test_at_each_write():
    places = []

    def work(folder):
        place = Place()
        places[:] = [place]
        place.power_up(folder, 1, KEYS)
        rig, core = place.rig, place.rig.core
        rig.boot()
        core.plugged(1)
        core.ready(1)
        core.tag(1, "T1")
        place.talk()
        place.flow(25)
        place.talk()
        rig.session.lost()
        place.flow(5)
        core.tag(1, "T1")
        place.is_powered()
        core.unplugged(1)
        core.plugged(1)
        core.ready(1)
        core.tag(1, "T2")
        place.flow(21)
        rig.session.connected()
        place.talk()
        place.flow(2)
        rig.ask("ChangeAvailability", connectorId=1, type="Inoperative")
        place.talk()
        core.tag(1, "T2")
        place.talk()

    def check(folder, cut):
        place = places[-1]
        place.power_up(folder, 2)
        rig = place.rig
        rig.session.connected()
        place.talk()
        equal((cut, rig.queue.waiting, rig.queue.open), (cut, 0, []))
        equal((cut, sum(place.central.bills.values())), (cut, place.box.registers[1] - 1000))
        place.power_up(folder, 3)
        equal((cut, place.rig.queue.waiting, place.rig.queue.open), (cut, 0, []))
        if cut is None:
            equal(place.rig.core.connector(1).status, "Unavailable")

    writes = power_cuts.cut_everywhere(lambda folder: None, work, check)
    assert writes > 30, writes
