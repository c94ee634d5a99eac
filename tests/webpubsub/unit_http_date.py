"""Dates of HTTP: how long until then."""

from checks import equal
from webpubsub.decision import refusal
from webpubsub.http_date import seconds_until

DATE = b"Sun, 06 Nov 1994 08:49:37 GMT"


def until(value, now=DATE):
    fields = {b"retry-after": value}
    if now:
        fields[b"date"] = now
    return seconds_until(fields, b"retry-after")


def test_three_forms():
    for later in (
        b"Sun, 06 Nov 1994 08:50:37 GMT",
        b"Sunday, 06-Nov-1994 08:50:37 GMT",
        b"Sun Nov  6 08:50:37 1994",
    ):
        equal(until(later), 60)
    equal(until(b"Monday, 30-Nov-26 00:00:10 GMT", b"Mon, 30 Nov 2026 00:00:00 GMT"), 10)


def test_months_years_and_leap_days():
    for later, now, days in (
        (b"Fri, 01 Mar 2024 00:00:00 GMT", b"Wed, 28 Feb 2024 00:00:00 GMT", 2),
        (b"Sat, 01 Mar 2025 00:00:00 GMT", b"Fri, 28 Feb 2025 00:00:00 GMT", 1),
        (b"Fri, 01 Jan 2027 00:00:00 GMT", b"Thu, 31 Dec 2026 00:00:00 GMT", 1),
        (b"Fri, 01 Jan 2027 00:00:00 GMT", b"Thu, 01 Jan 2026 00:00:00 GMT", 365),
        (b"Mon, 01 Mar 2100 00:00:00 GMT", b"Sun, 28 Feb 2100 00:00:00 GMT", 1),
        (b"Tue, 01 Aug 2000 00:00:00 GMT", b"Thu, 01 Jan 1970 00:00:00 GMT", 11170),
    ):
        equal(until(later, now), days * 86400)


def test_what_is_over_is_now():
    equal(until(b"Sun, 06 Nov 1994 08:00:00 GMT"), 0)


def test_no_date():
    for value in (
        b"",
        b"soon",
        b"-5",
        b"1.5",
        b"Sun, 06 Nov 1994",
        b"Sun, 6 Now 1994 8:49:37 GMT",
    ):
        equal(until(value), None)
    for value in (b"Sun, 06 Nov 1994 8:49 GMT", b"Sun, 66 Nov 1994 08:49:37 GMT", b"\xff a b c d"):
        equal(until(value), None)
    for value in (
        b"Sun, 06 anf 1994 08:49:37 GMT",
        b"Sun, 06 Now 1994 08:49:37 GMT",
        b"Sun, 06 Nov 1994 08:49:37 CET",
    ):
        equal(until(value), None)


def test_without_the_date_of_the_answer():
    for now in (None, b"today"):
        equal(until(b"Fri, 01 Jan 2100 00:00:00 GMT", now), None)


def test_a_refusal_tells_it():
    fields = {b"retry-after": b"Sun, 06 Nov 1994 08:50:37 GMT", b"date": DATE}
    equal(refusal(503, fields, "").retry_after, 60)
    equal(refusal(503, {b"retry-after": b"7"}, "").retry_after, 7)
    equal(refusal(503, {b"retry-after": b"soon"}, "").retry_after, None)
