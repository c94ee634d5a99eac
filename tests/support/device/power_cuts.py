"""Cuts the power at every write of something; on MicroPython."""

import os
import sys

from flash import BLOCK, erase_all, format_flash, mount, unmount

_BLOCKS = 16
_WHERE = "/chip"
# Allocated once: a heap of 256 K has room for one, when it is still empty.
_content = bytearray(BLOCK * _BLOCKS)


def cut_everywhere(prepare, work, check):
    """Cut the power at every write of `work`, complete and torn; returns how many writes it has.

    prepare(folder): makes the files that are there before.
    work(folder): what is under test.
    check(folder, cut): after the power is back; cut is the number of writes that got through,
        None after a run without a cut.
    """
    erase_all(_content)
    format_flash(_content)
    mount(_content, _WHERE)
    folder = _WHERE + "/hub"
    os.mkdir(folder)
    prepare(folder)
    # Two images would be most of a board's memory: one is kept outside.
    kept = sys.argv[2] + "/image"
    with open(kept, "wb") as file:
        file.write(_content)
    unmount(_WHERE)
    flash = mount(_content, _WHERE)
    work(folder)
    total = flash.writes
    # What the file system had in RAM is gone: mount what is on the flash.
    unmount(_WHERE)
    mount(_content, _WHERE)
    check(folder, None)
    for torn in (False, True):
        for cut in range(total):
            unmount(_WHERE)
            flash.dead = True
            with open(kept, "rb") as file:
                file.readinto(_content)
            flash = mount(_content, _WHERE, cut, torn)
            try:
                work(folder)
            except BaseException:
                # What code does without power is nobody's affair.
                if not flash.dead:
                    raise
            assert flash.dead, f"write {cut} of {total} never came"
            unmount(_WHERE)
            flash = mount(_content, _WHERE)
            check(folder, cut)
    unmount(_WHERE)
    return total
