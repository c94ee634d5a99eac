"""The time of day: from which year on a port counts, and whether anybody has set the clock.

A board powers up in 2000 or 1970, and shows that until something sets it.
"""

import time

# Unix time. No clock that is right shows less than when this package was made, so below it a
# clock counts as not set. The firmware puts the day of its deploy here, which is later.
floor = 1795305600  # 2026-11-22T00:00:00Z

# ESP32 counts from 2000-01-01, unix ports and CPython from 1970-01-01. Dates of tokens and
# certificates are off by 30 years for whoever forgets (on hardware only).
EPOCH = 946684800 if time.gmtime(0)[0] == 2000 else 0


def unix_time():
    """Seconds since 1970-01-01T00:00:00Z, an int, whatever the port counts from; right or not."""
    return int(time.time()) + EPOCH


def is_set():
    """Whether the clock can be right: it does not show a time before `floor`."""
    return unix_time() >= floor
