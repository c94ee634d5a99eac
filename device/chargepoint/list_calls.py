"""What the central system asks about the local authorization list. Loaded for each call.

OCPP 1.6, sections 5.10 and 5.15.
"""

from struct import pack

from webpubsub import once

from . import timestamps
from .local_list import STATUSES

# As this module it goes after its use.
_check = once("chargepoint.fields").check


def call(core, action, payload):
    """Serve GetLocalListVersion or SendLocalList.

    core: a Core with a local list. action: str. payload: what JSON had there.

    Returns (payload of the answer, None).

    Raises:
        CallError: it is answered with a CALLERROR.
    """
    known, value = core.authorization.local_list, core.configuration.value
    enabled = value("LocalAuthListEnabled")
    if action == "GetLocalListVersion":
        _check(payload, "")
        return {"listVersion": known.version if enabled else -1}, None
    _check(payload, "listVersion i updateType Full|Differential localAuthorizationList? a")
    new = _read(payload.get("localAuthorizationList", ()))
    if not enabled:
        return {"status": "NotSupported"}, None
    return {"status": _update(known, value, payload, new)}, None


def _read(entries):
    # By idTag the bytes of an entry, or None for one that is to go; None when one comes twice.
    new = {}
    for entry in entries:
        _check(entry, "idTag 20 idTagInfo? o")
        tag, body = entry["idTag"].lower().encode(), None
        if "idTagInfo" in entry:
            info = entry["idTagInfo"]
            _check(info, "status " + "|".join(STATUSES) + " expiryDate? d parentIdTag? 20")
            expiry = timestamps.parse(info.get("expiryDate")) or 0
            body = pack("<BIB", STATUSES.index(info["status"]), min(expiry, 0xFFFFFFFF), len(tag))
            body += tag + info.get("parentIdTag", "").encode()
            body = bytes((len(body),)) + body
        if tag in new:
            return None
        new[tag] = body
    return new


def _update(known, value, payload, new):
    version = payload["listVersion"]
    full = payload["updateType"] == "Full"
    if not full and version <= known.version:
        return "VersionMismatch"
    if new is None:
        return "Failed"  # nobody knows which one is meant
    added = [body for body in new.values() if body]
    if full and len(added) < len(new):
        return "Failed"  # there is nothing to remove them from
    if len(new) > value("SendLocalListMaxLength"):
        known.refused += 1
        return "Failed"

    try:
        count = len(added) + sum(1 for _ in _kept(known, new, full))
        if count > value("LocalAuthListMaxLength"):
            known.refused += 1
        elif count and not 0 < version < 0x80000000:
            pass  # 0 says that it is empty, and -1 that there is none
        elif known.write(version if count else 0, count, _all(known, new, full)):
            return "Accepted"
    except OSError:
        pass  # the old one cannot be read any more
    return "Failed"


def _kept(known, new, full):
    # The entries of before that stay as they are.
    if not full:
        for entry in known.entries():
            if entry[7 : 7 + entry[6]] not in new:
                yield entry


def _all(known, new, full):
    for entry in _kept(known, new, full):
        yield entry
    for entry in new.values():
        if entry:
            yield entry
