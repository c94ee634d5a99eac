"""Delays between attempts."""

from checks import equal, raises
from webpubsub.backoff import Backoff


def test_delays_grow_within_their_range():
    for _ in range(20):
        backoff = Backoff(first=1, maximum=60, factor=2)
        for span in (1, 2, 4, 8, 16, 32, 60, 60, 60):
            delay = backoff.next()
            assert span / 2 <= delay <= span, (span, delay)


def test_delays_are_jittered():
    delays = {Backoff(first=10).next() for _ in range(40)}
    assert len(delays) > 5, delays


def test_attempts():
    backoff = Backoff(attempts=2)
    assert backoff.next() and backoff.next()  # noqa: PT018
    equal(backoff.next(), None)
    equal(backoff.next(), None)
    equal(backoff.attempt, 2)
    equal(Backoff(attempts=0).next(), None)


def test_for_ever():
    backoff = Backoff()
    for _ in range(2000):
        assert 0 < backoff.next() <= 60


def test_only_a_stable_connection_starts_anew():
    backoff = Backoff(first=1, stable=30)
    for _ in range(5):
        backoff.next()
    backoff.connected(29)
    assert backoff.next() > 8
    backoff.connected(30)
    equal(backoff.attempt, 0)
    assert backoff.next() <= 1


def test_a_connection_longer_than_the_clock_can_tell():
    backoff = Backoff(first=1, stable=30)
    for _ in range(5):
        backoff.next()
    backoff.connected(1000000)
    equal(backoff.attempt, 0)


def test_settings_that_are_none():
    for first, maximum, factor in ((0, 1, 2), (-1, 1, 2), (2, 1, 2), (1, 2, 0.5)):
        raises(ValueError, Backoff, first, maximum, factor)
