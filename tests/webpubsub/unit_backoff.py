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


def after(count, seconds, **options):
    """A backoff, after so many delays and a connection that lasted for so many seconds."""
    backoff = Backoff(first=1, **options)
    for _ in range(count):
        backoff.next()
    backoff.connected(seconds)
    return backoff


def starts_anew(backoff):
    equal(backoff.attempt, 0)
    assert backoff.next() <= 1


def goes_on(backoff, count):
    equal(backoff.attempt, count)
    assert backoff.next() > 2 ** (count - 1)


def test_a_connection_as_long_as_the_last_delay_starts_anew():
    # 5 delays: the last one is of 8 to 16 s. A link that is cut every 25 s is never far from it.
    starts_anew(after(5, 16))
    starts_anew(after(5, 25))
    goes_on(after(5, 7.9), 5)
    goes_on(after(5, 0), 5)


def test_a_stable_connection_starts_anew_whatever_the_delay():
    starts_anew(after(20, 30, stable=30))
    starts_anew(after(20, 1000000))
    goes_on(after(4, 3.9, stable=10), 4)
    starts_anew(after(20, 10, stable=10))


def test_let_in_and_at_once_out_again():
    backoff = Backoff(first=1, maximum=60)
    for span in (1, 2, 4, 8, 16, 32, 60, 60):
        assert span / 2 <= backoff.next() <= span
        backoff.connected(0.4)


def test_settings_that_are_none():
    for first, maximum, factor in ((0, 1, 2), (-1, 1, 2), (2, 1, 2), (1, 2, 0.5)):
        raises(ValueError, Backoff, first, maximum, factor)
