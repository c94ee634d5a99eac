"""Dates in the header fields of HTTP. Loaded for an answer that has one; see `once`."""

_MONTHS = "janfebmaraprmayjunjulaugsepoctnovdec"


def seconds_until(fields, name):
    """How long it is to the date in a header field, int, from 0 on; None without such a date.

    By the Date of the same answer: the clock of a board may be wrong, or not set.

    fields: dict of bytes, names in lower case. name: the one to read.
    """
    try:
        return max(0, _unix_time_of(fields[name]) - _unix_time_of(fields[b"date"]))
    except (KeyError, ValueError):
        return None


def _unix_time_of(value):
    # In one of the three forms of RFC 9110, section 5.6.7. ValueError when it is none of them.
    words = str(value, "ascii").lower().replace("-", " ").split()
    if len(words) == 5:  # Sun Nov  6 08:49:37 1994
        _, month, day, clock, year = words
    elif len(words) == 6 and words[5] == "gmt":
        # Sun, 06 Nov 1994 08:49:37 GMT and Sunday, 06-Nov-94 08:49:37 GMT
        _, day, month, year, clock, _ = words
    else:
        raise ValueError
    at = _MONTHS.find(month)
    hours, minutes, seconds = [int(part) for part in clock.split(":")]
    day, year = int(day), int(year)
    if year < 100:
        year += 2000
    if len(month) != 3 or at % 3 or not 1 <= day <= 31 or not 1970 <= year <= 9999:
        raise ValueError
    # Days since 1970: a year that begins in March has its leap day at its end.
    month = at // 3 - 2
    if month < 0:
        month += 12
        year -= 1
    days = 365 * year + year // 4 - year // 100 + year // 400 + (153 * month + 2) // 5 + day
    return (days - 719469) * 86400 + 3600 * hours + 60 * minutes + seconds
