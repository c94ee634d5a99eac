"""Runs the test_ functions of one module; the same on MicroPython and CPython.

    micropython run.py unit_settings

The last line is `OK n`, and only a run without a failure prints it; or `SKIPPED reason`, when
the module says that it is not for this interpreter.
"""

import sys

from firmware.runtime import print_exception


def main():
    module = __import__(sys.argv[1])
    if hasattr(module, "SKIPPED"):
        print("SKIPPED", module.SKIPPED)
        return
    names = sorted(name for name in dir(module) if name.startswith("test_"))
    failures = 0
    for name in names:
        try:
            getattr(module, name)()
        except Exception as error:  # noqa: BLE001 - a test may fail in any way
            failures += 1
            print("FAIL", name)
            print_exception(error)
    if failures or not names:
        sys.exit(1)
    print("OK", len(names))


main()
