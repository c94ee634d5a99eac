"""Small states on the flash: the old one or the new one, and never half of one."""

import sys

from chargepoint.storage import Storage
from checks import equal

FOLDER = (sys.argv[2] if len(sys.argv) > 2 else "/tmp") + "/states"


def test_what_was_saved_is_there():
    storage = Storage(FOLDER)
    for value in ([1, 2, {"a": None}], {"x": "ü"}, "", 0, False):
        assert storage.save("one", value)
        equal(Storage(FOLDER).load("one"), value)
    equal(storage.load("other"), None)
    equal((storage.damaged, storage.failures), (0, 0))


def test_damage_at_each_byte_is_seen():
    storage = Storage(FOLDER)
    storage.save("one", {"a": 12})
    path = FOLDER + "/one.json"
    with open(path, "rb") as file:
        good = file.read()
    count = 0
    for at in range(len(good)):
        for bad in (good[:at], good[:at] + bytes((good[at] ^ 1,)) + good[at + 1 :]):
            with open(path, "wb") as file:
                file.write(bad)
            equal(storage.load("one"), None)
            count += 1
    equal(storage.damaged, count)


def test_a_folder_that_cannot_be_written():
    storage = Storage(FOLDER + "/none/none")
    assert not storage.save("one", 1)
    equal((storage.load("one"), storage.failures), (None, 1))


def test_each_write_may_be_the_last():
    if sys.implementation.name != "micropython":
        return  # the flash that can be cut is a littlefs of MicroPython
    import power_cuts

    def check(folder, cut):
        found = Storage(folder).load("one")
        assert found == "new" or (cut is not None and found == "old"), (cut, found)

    writes = power_cuts.cut_everywhere(
        lambda folder: Storage(folder).save("one", "old"),
        lambda folder: Storage(folder).save("one", "new"),
        check,
    )
    assert writes > 2, writes
