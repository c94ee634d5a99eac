"""TriggerMessage: its answer, and what follows that. Loaded when it is called.

OCPP 1.6, section 5.17; errata 3.35."""

from .calls import Call


def call(core, action, number):
    """The status of the answer, and what is to be done once that is out: a function or None.

    core: a Core. action: requestedMessage, str. number: connectorId, or None.
    """
    count = len(core.connectors)
    values = action == "MeterValues"
    if action in ("DiagnosticsStatusNotification", "FirmwareStatusNotification"):
        return "NotImplemented", None
    if number is not None and not values <= number <= count:
        return "Rejected", None
    if values and core.clock.utc() is None:
        return "Rejected", None  # they must have a time
    if values and core.measuring is None:
        return "NotImplemented", None
    if action == "BootNotification" and core.registration == "Accepted":
        return "Rejected", None
    # Of all, where none is named; the charging point as such has no values.
    numbers = range(values, count + 1) if number is None else (number,)
    return "Accepted", lambda: _trigger(core, action, numbers)


def _trigger(core, action, numbers):
    for number in numbers:
        if action == "MeterValues":
            core.measuring.trigger(core, number)
        elif action == "StatusNotification":
            core.trigger_status(number)
        else:
            core.calls.append(Call(action, None))
            break
