"""Whether what a call brings has the fields that it should have. Loaded for each call."""

from . import timestamps
from .calls import CallError


def check(record, fields):
    """Refuse an object that has not the fields that it should have.

    record: what JSON had there. fields: a text, for each field its name, "?" where it may be
    missing, and what it is. A number is the longest text; "i" an int, "n" one that is not
    negative, "f" a number that is not negative, "o" an object, "a" an array, "l" an array of texts
    of at most 50 characters, "d" a dateTime, "*" anything; else it is one of these words, between
    which "|" stands.

    Raises:
        CallError: with the code that OCPP-J has for it, section 4.2.3.
    """
    if not isinstance(record, dict):
        raise CallError("TypeConstraintViolation", "an object is missing")
    fields = fields.split()
    known = {}
    for at in range(0, len(fields), 2):
        name = fields[at]
        known[name.rstrip("?")] = fields[at + 1]
        if not name.endswith("?") and name not in record:
            raise CallError("OccurenceConstraintViolation", name + " is missing")
    for name, value in record.items():
        if name not in known:
            raise CallError("FormationViolation", "no field of this action: " + name[:50])
        wrong = _wrong(known[name], value)
        if wrong is not None:
            raise CallError(
                ("Property" if wrong else "Type") + "ConstraintViolation",
                "%s: %s" % (name, wrong or "another type"),
            )


def _wrong(kind, value):
    # What is wrong with a value: a text, "" for its type; None when nothing is.
    if kind == "*":
        return None
    wanted = {"i": int, "n": int, "f": (int, float), "o": dict, "a": list, "l": list}
    if isinstance(value, bool) or not isinstance(value, wanted.get(kind, str)):
        return ""
    if kind == "l":
        for one in value:
            wrong = _wrong("50", one)
            if wrong is not None:
                return wrong
    elif kind in ("n", "f"):
        # Whatever is no number at all is not equal to anything either.
        if not value >= 0:
            return "negative"
    elif kind == "d":
        if timestamps.parse(value) is None:
            return "no dateTime"
    elif isinstance(value, str):
        if kind.isdigit():
            if len(value) > int(kind):
                return "more than %s characters" % kind
        elif value not in kind.split("|"):
            return "none of " + kind
    return None
