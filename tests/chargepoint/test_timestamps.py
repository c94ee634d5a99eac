"""Times as the standard library of CPython has them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

from chargepoint import timestamps
from hypothesis import given
from hypothesis import strategies as st

FIRST, LAST = datetime(1970, 1, 2), datetime(9999, 12, 30)


@given(st.datetimes(FIRST, LAST), st.integers(-14 * 60, 14 * 60))
def test_any_time_is_read_and_written_as_it_is(moment: datetime, offset: int) -> None:
    seconds = int((moment.replace(microsecond=0) - datetime(1970, 1, 1)).total_seconds())
    assert timestamps.format(seconds) == moment.strftime("%Y-%m-%dT%H:%M:%SZ").zfill(20)
    assert timestamps.parse(timestamps.format(seconds)) == seconds
    there = moment.replace(tzinfo=UTC).astimezone(timezone(timedelta(minutes=offset)))
    assert timestamps.parse(there.isoformat()) == seconds


@given(st.text(max_size=30))
def test_no_text_is_too_odd(text: str) -> None:
    found = timestamps.parse(text)
    assert found is None or timestamps.format(found)[:4] >= "1969"
