"""The transaction queue under a power cut at each write of the flash, torn and untorn.

A session with an outage in it: whatever is cut, the central system gets each transaction, and its
bill is what the meter counted. No message comes again whose answer was stored.
"""

import sys

if sys.implementation.name == "micropython":
    import power_cuts
else:
    SKIPPED = "the flash that can be cut is a littlefs of MicroPython"

from checks import equal
from queue_rig import Central, Rig


def check_power(rig):
    """Nothing runs on without power; a flash that is full fails in the same way."""
    if rig.queue.failures:
        raise OSError("the power went")


class Box:
    """A meter that goes on counting, and what a person would write down."""

    def __init__(self):
        self.register = 1000
        self.begun = []  # registers at which a transaction surely began
        self.central = Central(0)

    def power_loss(self, rig):
        """What the core does at power-up."""
        for transaction in list(rig.queue.open):
            rig.queue.stop(
                transaction.local, max(transaction.last_meter, self.register), "PowerLoss"
            )

    def charge(self, rig, values):
        self.register += 7  # so that each one begins with a register of its own
        local = rig.queue.start(1, "T1", self.register)
        check_power(rig)
        self.begun.append(self.register)
        for _ in range(values):
            rig.after(60)
            self.register += 50
            rig.queue.values(local, 1, "Sample.Periodic", [(0, self.register)])
            check_power(rig)
        rig.queue.stop(local, self.register, "Remote")
        check_power(rig)


def test_at_each_write():
    boxes = []

    def work(folder):
        box = Box()
        boxes[:] = [box]
        rig = Rig(folder + "/queue")
        box.charge(rig, 2)
        rig.deliver(box.central, lambda: check_power(rig))
        # The outage, with more than fits.
        for number in range(3):
            box.charge(rig, 5 + number)
        # Some get through, and then the connection is gone again.
        for _ in range(5):
            box.central.take(rig.queue.next(), lambda: check_power(rig))
        box.charge(rig, 3)
        rig.deliver(box.central, lambda: check_power(rig))
        box.charge(rig, 1)

    def check(folder, cut):
        box = boxes[-1]
        central = box.central
        rig = Rig(folder + "/queue", boot=2)
        box.power_loss(rig)
        rig.deliver(central)
        equal((rig.queue.waiting, rig.queue.open), (0, []))
        starts, stops = {}, {}
        for action, payload in central.said:
            if action == "StartTransaction":
                # Twice is possible when the power went between its answer and the flash.
                starts.setdefault(payload["meterStart"], []).append(payload)
            elif action == "StopTransaction":
                id_ = payload["transactionId"]
                assert id_ not in stops or stops[id_] == payload, (cut, id_)
                stops[id_] = payload
        for begun in box.begun:
            assert begun in starts, (cut, "lost", begun)
        # Whatever was said twice has the same register: the ids of the others are all stopped.
        equal((cut, len(stops)), (cut, len(starts)))
        for found in starts.values():
            assert len(found) <= 2, cut
        for payload in stops.values():
            assert payload["meterStop"] <= box.register, cut
        assert Rig(folder + "/queue", boot=3).queue.waiting == 0, cut

    writes = power_cuts.cut_everywhere(lambda folder: None, work, check)
    assert writes > 30, writes
