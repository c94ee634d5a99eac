"""The session: acknowledgements, outcomes, sequence ids, and what a close means."""

from checks import equal, raises
from webpubsub.errors import NOT_SENT, UNKNOWN, AckError, DeadlineError, SessionLost
from webpubsub.session import Request, Session


def new_session(reliable=True):
    session = Session(reliable, lambda end, start: end - start)
    session.connected("c1", "u", "t" if reliable else None)
    return session


def add(session, sent=True, deadline=1000, ack_id=None):
    """A request in the session's care; `.ended` counts how often its end was reported."""
    ended = []
    request = Request(
        session.next_ack_id() if ack_id is None else ack_id, b"", deadline, lambda: ended.append(1)
    )
    request.connection = int(sent)
    request.outcome = UNKNOWN if sent else NOT_SENT
    request.ended = ended
    session.add(request)
    return request


def over(request, kind=None, outcome=None):
    equal(len(request.ended), 1)
    if kind is None:
        equal(request.error, None)
    else:
        assert isinstance(request.error, kind), request.error
        if outcome:
            equal(request.error.outcome, outcome)


def pending(request):
    equal((len(request.ended), request.error), (0, None))


# acknowledgements


def test_an_ack_ends_its_request_only():
    session = new_session()
    first, second = add(session), add(session)
    session.acknowledge(second.ack_id, None, None)
    over(second)
    pending(first)
    equal(list(session.waiting), [first])


def test_a_refusal():
    session = new_session()
    request = add(session)
    session.acknowledge(request.ack_id, "Forbidden", "no right")
    over(request, AckError, "refused")
    equal((request.error.name, str(request.error)), ("Forbidden", "Forbidden: no right"))
    equal(list(session.waiting), [])


def test_unknown_error_names():
    session = new_session()
    request = add(session)
    session.acknowledge(request.ack_id, "SomethingNew", "")
    over(request, AckError)
    equal(request.error.name, "SomethingNew")


def test_duplicate_is_success():
    session = new_session()
    request = add(session)
    session.acknowledge(request.ack_id, "Duplicate", "has been processed")
    over(request)


def test_acks_nobody_waits_for():
    session = new_session()
    request = add(session)
    session.acknowledge(99, None, None)
    pending(request)
    session.acknowledge(request.ack_id, None, None)
    session.acknowledge(request.ack_id, "Forbidden", "")
    over(request)


def test_a_caller_who_has_gone():
    session = new_session()
    request = add(session)
    session.finish(request)
    equal(list(session.waiting), [])
    session.finish(request)
    session.acknowledge(request.ack_id, "Forbidden", "")
    over(request)


def test_ack_ids():
    session = new_session()
    equal([session.next_ack_id() for _ in range(3)], [1, 2, 3])
    add(session, ack_id=50)
    equal(session.next_ack_id(), 51)
    add(session, ack_id=7)
    equal(session.next_ack_id(), 52)
    raises(ValueError, add, session, ack_id=50)


def test_ids_are_not_used_again_in_the_next_session():
    session = new_session()
    add(session)
    session.lost()
    session.connected("c2", None, "t")
    equal(session.next_ack_id(), 2)


# deadlines


def test_deadlines():
    session = new_session()
    early, late = add(session, deadline=100), add(session, sent=False, deadline=200)
    equal(session.expire(0), 100)
    equal(session.expire(99), 1)
    pending(early)
    equal(session.expire(100), 100)
    over(early, DeadlineError, UNKNOWN)
    pending(late)
    equal(session.expire(300), None)
    over(late, DeadlineError, NOT_SENT)
    equal(session.expire(300), None)


def test_a_clock_that_wraps():
    # As MicroPython's ticks: 30 bits.
    def ticks_diff(end, start):
        return ((end - start + (1 << 29)) & ((1 << 30) - 1)) - (1 << 29)

    session = Session(True, ticks_diff)
    request = add(session, deadline=50)
    equal(session.expire((1 << 30) - 50), 100)
    pending(request)
    session.expire(51)
    over(request, DeadlineError)


# outcomes


def test_a_lost_session_fails_what_was_sent():
    session = new_session()
    sent, waiting = add(session), add(session, sent=False)
    session.lost()
    over(sent, SessionLost, UNKNOWN)
    pending(waiting)
    equal(list(session.waiting), [waiting])
    equal((session.connection_id, session.user_id, session.token), (None, None, None))


def test_the_end_fails_everything():
    session = new_session()
    sent, waiting = add(session), add(session, sent=False)
    session.lost(True)
    over(sent, SessionLost, UNKNOWN)
    over(waiting, SessionLost, NOT_SENT)
    equal(list(session.waiting), [])


def test_a_recoverable_close_fails_nothing():
    session = new_session()
    request = add(session)
    for code in (1000, 1001, 1005, 1006, 1011, 1012, 1013, 4000):
        assert session.recoverable(code), code
    pending(request)


def test_closes_that_rule_a_recovery_out():
    for code in (1008, 1002, 1003, 1007, 1009):
        assert not new_session().recoverable(code), code
    for code in (1000, 1006):
        assert not new_session(reliable=False).recoverable(code)
    session = Session(True, lambda end, start: end - start)
    assert not session.recoverable(1006)  # there never was a connected frame
    session.connected("c", None, None)
    assert not session.recoverable(1006)  # nor a token in it


# sequence ids


def test_consuming_never_goes_back():
    session = new_session()
    session.consume(3)
    session.consume(2)
    session.consume(None)
    equal(session.consumed, 3)


def test_many_are_urgent():
    session = new_session()
    assert not session.consume(63)
    assert session.consume(64)
    assert session.consume(None)
    session.acknowledged = session.consumed
    assert not session.consume(65)


def test_a_recovery_goes_on_counting():
    session = new_session()
    session.received = 5
    session.consume(3)
    session.connected("c1", "u", "t2")
    equal((session.received, session.consumed, session.token), (5, 3, "t2"))
    session.connected("c1", "u", None)
    equal(session.token, "t2")


def test_a_new_session_starts_anew():
    session = new_session()
    session.received = 5
    session.consume(5)
    session.acknowledged = 4
    session.lost()
    session.connected("c2", None, "t2")
    equal((session.received, session.consumed, session.acknowledged), (0, 0, 0))
    equal((session.connection_id, session.user_id, session.token), ("c2", None, "t2"))


def test_another_connection_id_is_a_new_session():
    session = new_session()
    sent, kept = add(session), add(session, sent=False)
    session.received = session.consumed = 7
    session.groups = ["a"]
    session.connected("c2", "v", None)
    over(sent, SessionLost, UNKNOWN)
    equal(kept.ended, [])
    equal((session.received, session.consumed, session.groups), (0, 0, ["a"]))
    equal((session.connection_id, session.user_id, session.token), ("c2", "v", None))
