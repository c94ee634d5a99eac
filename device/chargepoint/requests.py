"""What the central system may ask of the core, in the core's words. Loaded when it does."""

from webpubsub.compat import const

# Seconds that a soft reset waits for the queue.
_PATIENCE = const(30)


def start(core, id_tag, number=None, profile=None):
    """RemoteStartTransaction: whether it is accepted.

    core: a Core. id_tag: str. number: of the connector, or None. profile: a charging profile, or
    None."""
    if number is None:
        free = [each for each in core.connectors if _is_free(each)]
        free.sort(key=lambda each: not each.plugged)
        connector = free[0] if free else None
    else:
        connector = core.connector(number)
    if connector is None or not _is_free(connector) or core.resetting:
        return False

    def decided(accepted, parent):
        if accepted:
            core.prepare(connector, id_tag, parent, profile)

    if core.configuration.value("AuthorizeRemoteTxRequests"):
        core.authorize(id_tag, decided)
    else:
        decided(True, None)
    return True


def _is_free(connector):
    return (
        connector.local is None
        and connector.tag is None
        and connector.operative
        and not connector.fault
    )


def transaction(core, transaction_id):
    """RemoteStopTransaction: the Connector to stop, or None.

    core: a Core. transaction_id: int."""
    return core.connector_of(core.queue.local_of(transaction_id))


def unlock(core, number):
    """UnlockConnector: its status.

    core: a Core. number: of the connector, int."""
    connector = core.connector(number)
    if connector is None or core.hardware.fixed_cable:
        return "NotSupported"
    core.stop(connector, "UnlockCommand", unlock=False)
    unlocked = connector.lock(core.hardware, False, core.say)
    core.settle(connector)
    return "Unlocked" if unlocked else "UnlockFailed"


def change_availability(core, number, operative):
    """ChangeAvailability: its status.

    core: a Core. number: of the connector, 0 for all. operative: bool."""
    chosen = [core.connector(number)]
    if number == 0:
        chosen = core.connectors
        core.operative = operative
    elif chosen == [None]:
        return "Rejected"
    status = "Accepted"
    for connector in chosen:
        if connector.local is not None and not operative:
            connector.after = False
            status = "Scheduled"
        else:
            core.set_operative(connector, operative, False)
    core.save_availability()
    for connector in chosen:
        core.settle(connector)
    return status


def reset(core, hard):
    """Reset, for when its answer is out: stop what runs, then start anew.

    core: a Core. hard: bool."""
    for connector in core.connectors:
        connector.forget_tag()
        core.stop(connector, "HardReset" if hard else "SoftReset")
    core.resetting = hard, core.clock.uptime() + (0 if hard else _PATIENCE)
    core.tick()
