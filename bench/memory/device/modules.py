"""What each module takes: those that stay, one on top of the other; then those that do not."""

import gc
import os
import sys

import micropython
import rig


def clean_stack(depth=30):
    # What calls have left there would be taken for pointers; a frame begins with zeros.
    if depth:
        clean_stack(depth - 1)


def taken():
    clean_stack()
    gc.collect()
    gc.collect()
    return gc.mem_alloc()


# What the build calls modules, and the function that loads one and keeps it.
AS = dict(each.split("=") for each in os.getenv("AS", "").split())
NAMES = {new: name for name, new in AS.items()}
LOADER = os.getenv("LOADER")


def load(name):
    # Nothing is freed while it is being loaded: that is the most that a load can need.
    before = taken()
    gc.disable()
    module = imported(name)
    high = gc.mem_alloc() - before
    gc.enable()
    return module, before, high


def imported(name):
    if name in AS:
        return getattr(sys.modules["webpubsub"], LOADER)(AS[name])
    return __import__(name, None, None, ("*",))


def stay(name):
    _, before, high = load(name)
    print("stays", name, taken() - before, high)
    micropython.qstr_info()


def forget(name):
    if name in AS:
        sys.modules["webpubsub"].__dict__.pop(AS[name])
        return
    package, _, attribute = name.rpartition(".")
    del sys.modules[name]
    delattr(sys.modules[package], attribute)


def all_there():
    ours = [NAMES[new] for new in sys.modules["webpubsub"].__dict__ if new in NAMES]
    # Those of the image stay.
    return ours + [name for name in sys.modules if "." in name]


def loaded_with(name):
    known = set(all_there())
    imported(name)
    others = [other for other in all_there() if other not in known]
    others.remove(name)
    forget(name)
    return others


def passed(name):
    # In a function of its own, as the one above: a frame keeps what was on its stack.
    _module, before, high = load(name)
    return before, high, taken() - before


def pass_by(name):
    # What it imports has a line of its own; what it loads for its own use is a part of it.
    others = loaded_with(name)
    # Loaded twice, for what is made once (its names) is no part of a load.
    for _ in range(2):
        before, high, size = passed(name)
        forget(name)
        rest = taken() - before
    print("passes", name, size, high, rest)
    micropython.qstr_info()
    for other in others:
        forget(other)


def run():
    for name in os.getenv("FIRST").split():
        __import__(name)
    taken()
    micropython.qstr_info()
    for name in os.getenv("STAYS").split():
        stay(name)
    for name in os.getenv("PASSES").split():
        pass_by(name)


rig.begin()
run()
