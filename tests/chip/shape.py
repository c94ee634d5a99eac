"""Shapes the heap of a chip in one of several situations, and prints what came of it, as JSON."""

import _thread
import gc
import json
import sys
import time

import _chip
from webpubsub.memory import idf_heap, once, python_heap


def total():
    gc.collect()
    return python_heap()[1]


def fill_and_forget():
    """Use all of the heap as it is now, then nothing of it."""
    count = (total() - python_heap()[0] - 6000) // 1024
    return len([bytearray(1000) for _ in range(count)])


def main(situation, growth, ballast):
    taken = None
    early = []
    if situation == "full":  # somebody else has the memory
        taken = _chip.take(idf_heap()[1] - growth)
    elif situation == "late":
        while total() == 56000:
            early.append(bytearray(1000))
    before = gc.mem_alloc()
    kept = once("webpubsub.heap").shape(growth, ballast)
    gc.collect()
    found = {
        "cost": gc.mem_alloc() - before,
        "total": total(),
        "idf": idf_heap(),
        "threshold": gc.threshold(),
        "stack_size": _thread.stack_size(),
        "kept": [part is not None for part in kept],
    }
    if situation == "unpinned":
        kept = kept[0], None
    fill_and_forget()
    found["total_later"] = total()
    if kept[0]:
        held = idf_heap()[0]
        kept[0].release()
        for _ in range(500):  # until the thread has ended
            if idf_heap()[0] > held + ballast:
                break
            time.sleep_ms(10)
        found["idf_released"] = idf_heap()
    if taken is not None:
        _chip.give(taken)
    print(json.dumps(found))


main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
