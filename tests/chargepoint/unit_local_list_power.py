"""A power cut at each write of an update of the local list."""

import sys

from chargepoint.local_list import LocalList
from chargepoint.storage import Storage
from checks import equal


def test_a_list_of_before_or_after_when_the_power_goes():
    if sys.implementation.name != "micropython":
        return  # the flash that can be cut is a littlefs of MicroPython
    import power_cuts

    def first(folder):
        LocalList(Storage(folder)).write(1, 0, ())

    def second(folder):
        known = LocalList(Storage(folder))
        known.write(2, 1, (b"\x08\x00\x00\x00\x00\x00\x01a\x70",))

    def check(folder, cut):
        found = LocalList(Storage(folder))
        if found.version == 2:
            equal(found.find("A"), ("Accepted", None, "p"))
        else:
            assert cut is not None
            equal((found.version, found.find("A")), (1, None))

    assert power_cuts.cut_everywhere(first, second, check) > 2
