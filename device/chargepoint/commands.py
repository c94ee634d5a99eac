"""What a hub may ask of a charging point, in the words of OCPP. Loaded for each command."""

from .calls import CallError

# Whose status means that it is done, or will be.
_DONE = ("Accepted", "Scheduled", "Unlocked", "RebootRequired")
# What only the central system may change.
_NEVER = ("authorizationkey", "securityprofile")


def serve(core, bridge, operation, number, argument):
    """Do a command: (status, data or None, what is to be done once that is out, or None).

    core: a Core. bridge: a Bridge. operation: what JSON had as `op`. number: as `c`, the connector
    or None. argument: as `arg`.
    """
    payload = {}
    if operation == "start":
        action, payload["idTag"] = "RemoteStartTransaction", argument
        if number is not None:
            payload["connectorId"] = number
    elif operation == "unlock":
        action, payload["connectorId"] = "UnlockConnector", number
    elif operation == "reset":
        action, payload["type"] = "Reset", argument or "Soft"
    elif operation == "avail":
        action, payload["type"] = "ChangeAvailability", argument
        payload["connectorId"] = number or 0
    elif operation == "get":
        action = "GetConfiguration"
        if argument is not None:
            payload["key"] = argument if isinstance(argument, list) else [argument]
    elif operation == "set":
        action, payload = "ChangeConfiguration", argument
        key = argument.get("key") if isinstance(argument, dict) else None
        if isinstance(key, str) and key.lower() in _NEVER:
            return "Rejected", None, None
    elif operation in ("stop", "trigger"):
        known = isinstance(number, int) and core.connector(number)
        if operation == "trigger" and (known or not number):
            bridge.show(number or 0)
            return "Accepted", None, None
        if not known or known.local is None:
            return "Rejected", None, None
        core.stop(known, "Remote")
        return "Accepted", None, None
    else:
        return "NotSupported", None, None
    try:
        answer, after = core.call(action, payload)
    except CallError as error:
        missing = error.code in ("NotSupported", "NotImplemented")
        status = "NotSupported" if missing else "Rejected"
        return status, {"code": error.code, "text": error.description}, None
    said = answer.get("status", "Accepted")
    status = said if said == "NotSupported" else "Accepted" if said in _DONE else "Rejected"
    if said == status:
        answer.pop("status", None)
    return status, answer or None, after
