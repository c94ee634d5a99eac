"""Times as OCPP writes them (dateTime of XML Schema, RFC 3339) to Unix seconds, and back.

By the calendar's rules alone: the epoch of the port, and what its time module can do, play no
part. Plain functions without state.
"""


def _days(year, month, day):
    # Since 1970-01-01; of years that begin in March, so that the leap day is the last one.
    if month < 3:
        year -= 1
        month += 12
    days = 365 * year + year // 4 - year // 100 + year // 400
    return days + (153 * month - 457) // 5 + day - 719469


def _number(text, start, end):
    part = text[start:end]
    if len(part) != end - start or not part.isdigit():
        raise ValueError
    return int(part)


def parse(text):
    """Unix seconds, an int; None for what is no time.

    text: such as "2026-12-01T08:00:00Z", with a fraction of any length or none, and an offset
    with or without a colon. Without a zone it counts as UTC, which is what OCPP recommends.
    """
    if not isinstance(text, str):
        return None
    try:
        year, month, day = _number(text, 0, 4), _number(text, 5, 7), _number(text, 8, 10)
        hour, minute = _number(text, 11, 13), _number(text, 14, 16)
        second = _number(text, 17, 19)
        marks = text[4] + text[7] + text[10].upper() + text[13] + text[16]
        if marks not in ("--T::", "-- ::"):
            return None
        if not (1970 <= year and 1 <= month <= 12 and 1 <= day <= 31):
            return None
        if hour > 24 or minute > 59 or second > 60:
            return None
        zone = text[19:].strip()
        if zone[:1] in (".", ","):
            fraction = zone[1:]
            zone = fraction.lstrip("0123456789")
            if zone == fraction:
                return None
        offset = 0
        if zone[:1] in ("+", "-"):
            zone = zone[:3] + zone[3:].replace(":", "")
            if len(zone) not in (3, 5):
                return None
            offset = 60 * _number(zone, 1, 3) + (_number(zone, 3, 5) if zone[3:] else 0)
            if zone[:1] == "-":
                offset = -offset
        elif zone not in ("", "Z", "z"):
            return None
        days = _days(year, month, day)
        if days >= _days(year + month // 12, month % 12 + 1, 1):
            return None  # the 30th of February
        return ((days * 24 + hour) * 60 + minute - offset) * 60 + second
    except (IndexError, ValueError):
        return None


def format(seconds):
    """The time as text, such as "2026-12-01T08:00:00Z".

    seconds: Unix time, int."""
    days, seconds = divmod(seconds, 86400)
    # The same rules, the other way: eras of 400 years, which begin on a 1st of March.
    days += 719468
    era, days = divmod(days, 146097)
    year = (days - days // 1460 + days // 36524 - days // 146096) // 365
    days -= 365 * year + year // 4 - year // 100
    month = (5 * days + 2) // 153
    day = days - (153 * month + 2) // 5 + 1
    month = month + 3 if month < 10 else month - 9
    year += 400 * era + (month < 3)
    return "%04d-%02d-%02dT%02d:%02d:%02dZ" % (
        year,
        month,
        day,
        seconds // 3600,
        seconds // 60 % 60,
        seconds % 60,
    )
