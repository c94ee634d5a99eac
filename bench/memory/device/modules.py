"""What each module takes: those that stay, one on top of the other; then those that do not."""

import gc
import os
import sys

import micropython
import rig


def taken():
    gc.collect()
    gc.collect()
    return gc.mem_alloc()


def load(name):
    # Nothing is freed while it is being loaded: that is the most that a load can need.
    before = taken()
    gc.disable()
    module = __import__(name, None, None, ("*",))
    high = gc.mem_alloc() - before
    gc.enable()
    return module, before, high


def stay(name):
    _, before, high = load(name)
    print("stays", name, taken() - before, high)
    micropython.qstr_info()


def forget(name):
    package, _, attribute = name.rpartition(".")
    del sys.modules[name]
    delattr(sys.modules[package], attribute)


def pass_by(name):
    # What it loads for itself is a load of its own, and there before.
    known = set(sys.modules)
    __import__(name)
    others = [other for other in sys.modules if other not in known and other != name]
    forget(name)
    # Loaded twice, for what is made once (its names) is no part of a load.
    for _ in range(2):
        module, before, high = load(name)
        size = taken() - before
        forget(name)
        del module
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
