"""Calls of the central system are taken or refused as the official schemas say."""

from __future__ import annotations

from typing import Any

import jsonschema
import pytest
from chargepoint import actions
from chargepoint.calls import CallError
from hypothesis import given
from hypothesis import strategies as st

from tests.chargepoint.world import validate

GOOD: dict[str, dict[str, Any]] = {
    "ChangeAvailability": {"connectorId": 1, "type": "Operative"},
    "ChangeConfiguration": {"key": "HeartbeatInterval", "value": "60"},
    "ClearCache": {},
    "DataTransfer": {"vendorId": "v", "messageId": "m", "data": "d"},
    "GetConfiguration": {"key": ["HeartbeatInterval"]},
    "RemoteStartTransaction": {"idTag": "T1", "connectorId": 1},
    "RemoteStopTransaction": {"transactionId": 0},
    "Reset": {"type": "Soft"},
    "TriggerMessage": {"requestedMessage": "MeterValues", "connectorId": 1},
    "UnlockConnector": {"connectorId": 1},
}
CODES = (
    "FormationViolation",
    "OccurenceConstraintViolation",
    "PropertyConstraintViolation",
    "TypeConstraintViolation",
)
NAMES = sorted({name for payload in GOOD.values() for name in payload} | {"extra", "idtag"})
VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(0, 1 << 31),
    st.floats(allow_nan=False, allow_infinity=False).filter(lambda value: value % 1),
    st.sampled_from(("Hard", "Soft", "Operative", "Heartbeat", "BootNotification", "", "x" * 51)),
    st.integers(15, 600).map(lambda size: "\U0001f50c" * size),
    st.lists(st.sampled_from(("HeartbeatInterval", "", "k" * 50, "k" * 51, 1, None)), max_size=3),
    st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
)


@given(
    action=st.sampled_from(sorted(GOOD)),
    without=st.sets(st.sampled_from(NAMES), max_size=1),
    instead=st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=2),
)
def test_what_the_schema_refuses_is_refused(
    action: str, without: set[str], instead: dict[str, Any]
) -> None:
    payload = {name: value for name, value in GOOD[action].items() if name not in without}
    payload |= instead
    try:
        validate(action, payload)
        right = True
    except jsonschema.ValidationError:
        right = False
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(actions._SERVED, action, lambda *_: ({}, None))  # noqa: SLF001
        try:
            actions.call(None, action, payload)
            code = None
        except CallError as error:
            code = error.code
    assert (code is None) == right, payload
    assert code in (None, *CODES)
