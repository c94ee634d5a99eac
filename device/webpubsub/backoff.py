"""Delays between attempts to connect: growing, jittered, bounded."""

import os

from .memory import once


class Backoff:
    """Delays in seconds: about `first`, then `factor` times longer each, at most `maximum`.

    Each delay is drawn from the upper half of its range, so that a fleet of devices that lost
    the service together does not come back together. attempts: how many in a row until the
    client gives up; None for never.

    The delays start anew after a connection that was worth its name: something that the program
    sent was acknowledged, or it lasted longer than the last delay, or for `stable` seconds. So a
    link that is cut now and then gets short ones, and a service that lets us in and at once out
    again is met with delays that grow.

    Raises TypeError or ValueError for what cannot be such.
    """

    def __init__(self, first=1, maximum=60, factor=2, attempts=None, stable=30):
        once("webpubsub.arguments").check("backoff", first, maximum, factor, attempts, stable)
        if first > maximum or factor < 1:
            raise ValueError("first must be at most maximum, and factor at least 1")
        self.first = first
        self.maximum = maximum
        self.factor = factor
        self.attempts = attempts
        self.stable = stable
        self.attempt = 0  # how many attempts have failed in a row
        self.delay = 0  # the last one

    def next(self):
        """The delay before the next attempt; None when there were enough."""
        if self.attempts is not None and self.attempt >= self.attempts:
            return None
        span = self.first
        for _ in range(self.attempt):
            if span >= self.maximum or self.factor == 1:
                break
            span = min(span * self.factor, self.maximum)
        self.attempt += 1
        self.delay = span * (0.5 + os.urandom(1)[0] / 512)
        return self.delay

    def connected(self, seconds):
        """Say that a connection ended that had lasted for `seconds`.

        So many that it counts in any case, if something was acknowledged.
        """
        if seconds >= min(self.stable, self.delay):
            self.attempt = 0
