"""Runs the test_ functions of one module; the same on MicroPython and CPython.

    micropython run.py unit_frames

The last line is `OK n`, and only a run without a failure prints it; or `SKIPPED reason`, when
the module says that it is not for this interpreter.
"""

import gc
import sys


def show(error):
    """Print an exception with its traceback."""
    if hasattr(sys, "print_exception"):
        sys.print_exception(error)
    else:
        import traceback

        traceback.print_exception(type(error), error, error.__traceback__, file=sys.stdout)


def main():
    """Run them in the order of their names."""
    module = __import__(sys.argv[1])
    if hasattr(module, "SKIPPED"):
        print("SKIPPED", module.SKIPPED)
        return
    names = sorted(name for name in dir(module) if name.startswith("test_"))
    failures = 0
    fakes = sys.modules.get("fakes")  # what stands for hardware and time, if it was imported
    for name in names:
        gc.collect()
        if hasattr(fakes, "restore"):
            fakes.restore()
        try:
            getattr(module, name)()
        except Exception as error:  # noqa: BLE001 a test may fail in any way
            failures += 1
            print("FAIL", name)
            show(error)
    if failures or not names:
        sys.exit(1)
    print("OK", len(names))


main()
