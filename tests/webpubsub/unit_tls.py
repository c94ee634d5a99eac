import time

import webpubsub.clock as clock
import webpubsub.tls as tls
from checks import equal

DATED = (
    "TLS with h failed: The certificate validity starts in the future",
    "TLS with h failed: The certificate validity has expired",
    "certificate verify failed: certificate is not yet valid (_ssl.c:1006)",
)


class Clock:
    """Stands for the time module."""

    def __init__(self, *today):
        self._today = today

    def gmtime(self):
        return self._today + (0,) * 6

    def time(self):
        # In that year: all that is asked of it.
        return (self._today[0] - 1970) * 31556952 - clock.EPOCH


def at(today, text):
    real, clock.time = clock.time, Clock(*today)
    try:
        return tls.with_clock(text)
    finally:
        clock.time = real


def test_a_clock_that_was_never_set_is_named_with_the_remedy():
    for today, shown in (((2000, 1, 1), "2000-01-01"), ((1970, 1, 2), "1970-01-02")):
        for text in DATED:
            expected = text + ": the clock shows " + shown + " and was never set: set it by NTP"
            equal(at(today, text), expected)


def test_a_clock_that_was_set_is_named():
    for text in DATED:
        equal(at((2036, 12, 31), text), text + ": the clock shows 2036-12-31")


def test_other_errors_are_not_about_the_clock():
    for text in ("The certificate is not correctly signed", "connection reset", ""):
        equal(at((2000, 1, 1), text), text)


def test_the_clock_of_this_computer():
    year, month, day = time.gmtime()[:3]
    equal(tls.with_clock("expired"), f"expired: the clock shows {year}-{month:02d}-{day:02d}")
