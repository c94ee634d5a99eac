"""Device code keeps to what the oldest MicroPython that is supported can do.

The interpreters of the tests are newer than the firmware of many boards, and CPython can do more
than all of them: what only these have, no test would find. `python -m tests.lint` looks for it.
"""
