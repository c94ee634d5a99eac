"""What the central system calls: checked, done, answered. Loaded for each call.

OCPP 1.6, section 5; the codes of what is wrong are those of OCPP-J, section 4.2.3.
"""

from webpubsub import once

from .calls import CallError

# Of each action its fields, as `fields.check` takes them. A text of any length has 65535.
_ACTIONS = """
ChangeAvailability connectorId n type Inoperative|Operative
ChangeConfiguration key 50 value 500
ClearCache
DataTransfer vendorId 255 messageId? 50 data? 65535
GetConfiguration key? l
RemoteStartTransaction idTag 20 connectorId? n chargingProfile? o
RemoteStopTransaction transactionId i
Reset type Hard|Soft
TriggerMessage requestedMessage BootNotification|DiagnosticsStatusNotification|\
FirmwareStatusNotification|Heartbeat|MeterValues|StatusNotification connectorId? n
UnlockConnector connectorId n
"""
# What OCPP has beside them, and this charging point does not.
_OTHERS = (
    " CancelReservation GetDiagnostics ReserveNow UpdateFirmware CertificateSigned"
    " DeleteCertificate ExtendedTriggerMessage GetInstalledCertificateIds GetLog"
    " InstallCertificate SignedUpdateFirmware "
)
# What it has with modules of their own, when these are switched on.
_LISTS = ("GetLocalListVersion", "SendLocalList")
_PROFILES = ("ClearChargingProfile", "GetCompositeSchedule", "SetChargingProfile")


def call(core, action, payload):
    """Serve a call of the central system.

    core: a Core. action: str. payload: what JSON had there.

    Returns (payload of the answer, what is to be done once that is out: a function or None).

    Raises:
        CallError: it is answered with a CALLERROR.
    """
    if not isinstance(payload, dict):
        raise CallError("FormationViolation", "the payload is no object")
    for line in _ACTIONS.strip().split("\n"):
        name, _, fields = line.partition(" ")
        if name == action:
            once("chargepoint.fields").check(payload, fields)
            return _SERVED[action](core, payload)
    if action in _LISTS:
        _must_have(core.authorization.local_list)
        return once("chargepoint.list_calls").call(core, action, payload)
    if action in _PROFILES:
        _must_have(core.charging)
        return once("chargepoint.profile_calls").call(core, action, payload)
    if " " + action + " " in _OTHERS and " " not in action:
        raise CallError("NotSupported", "not a part of this charging point")
    raise CallError("NotImplemented", "an unknown action")


def _must_have(module):
    if module is None:
        raise CallError("NotSupported", "this feature profile is not switched on")


def _requests():
    return once("chargepoint.requests")


def _status(yes, after=None):
    return {"status": "Accepted" if yes else "Rejected"}, after


def _change_availability(core, payload):
    operative = payload["type"] == "Operative"
    return {
        "status": _requests().change_availability(core, payload["connectorId"], operative)
    }, None


def _change_configuration(core, payload):
    return {"status": core.configuration.set(payload["key"], payload["value"])}, None


def _clear_cache(core, _payload):
    return _status(core.authorization.clear())


def _data_transfer(core, payload):
    if core.data_transfer is None:
        return {"status": "UnknownVendorId"}, None
    status, data = core.data_transfer(
        payload["vendorId"], payload.get("messageId"), payload.get("data")
    )
    answer = {"status": status}
    if data is not None:
        answer["data"] = data
    return answer, None


def _get_configuration(core, payload):
    configuration = core.configuration
    asked = payload.get("key")
    if asked and len(asked) > configuration.value("GetConfigurationMaxKeys"):
        raise CallError("OccurenceConstraintViolation", "more keys than GetConfigurationMaxKeys")
    keys, unknown = [], []
    # None at all are all of them, however that is said.
    for name in asked or configuration.keys():
        key = configuration.find(name)
        if key is None:
            unknown.append(name)
        else:
            keys.append(
                {
                    "key": key,
                    "readonly": configuration.is_read_only(key),
                    "value": configuration.text(key),
                }
            )
    answer = {}
    if keys:
        answer["configurationKey"] = keys
    if unknown:
        answer["unknownKey"] = unknown
    return answer, None


def _remote_start(core, payload):
    profile = None
    # Who knows no charging profiles ignores the one of this call (OCPP 1.6, section 5.11).
    if core.charging is not None and "chargingProfile" in payload:
        profile = once("chargepoint.profile_calls").for_remote_start(
            core, payload["chargingProfile"]
        )
        if profile is None:
            return _status(False)
    number = payload.get("connectorId")
    return _status(_requests().start(core, payload["idTag"], number, profile))


def _remote_stop(core, payload):
    connector = _requests().transaction(core, payload["transactionId"])
    if connector is None:
        return _status(False)
    local = connector.local

    def stop():
        if connector.local == local:
            core.stop(connector, "Remote")

    return _status(True, stop)


def _reset(core, payload):
    hard = payload["type"] == "Hard"
    return _status(True, lambda: _requests().reset(core, hard))


def _trigger(core, payload):
    status, after = once("chargepoint.triggering").call(
        core, payload["requestedMessage"], payload.get("connectorId")
    )
    return {"status": status}, after


def _unlock(core, payload):
    return {"status": _requests().unlock(core, payload["connectorId"])}, None


_SERVED = {
    "ChangeAvailability": _change_availability,
    "ChangeConfiguration": _change_configuration,
    "ClearCache": _clear_cache,
    "DataTransfer": _data_transfer,
    "GetConfiguration": _get_configuration,
    "RemoteStartTransaction": _remote_start,
    "RemoteStopTransaction": _remote_stop,
    "Reset": _reset,
    "TriggerMessage": _trigger,
    "UnlockConnector": _unlock,
}
