"""Local list and charging profiles of a whole charging point, against a central system."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from ocpp.exceptions import OCPPError

from tests.chargepoint.conftest import Device
from tests.chargepoint.test_point import started, statuses
from tests.support.central_system import call


def profile(number: int, limit: float, purpose: str = "TxDefaultProfile", **more: Any) -> Any:
    """A chargingProfile of one limit from a while ago on."""
    start = (datetime.now(UTC) - timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {
        "chargingProfileId": number,
        "stackLevel": 0,
        "chargingProfilePurpose": purpose,
        "chargingProfileKind": "Absolute",
        "chargingSchedule": {
            "chargingRateUnit": "A",
            "startSchedule": start,
            "chargingSchedulePeriod": [{"startPeriod": 0, "limit": limit}],
        },
        **more,
    }


async def offers(device: Device) -> list[Any]:
    """What was offered on connector 1, one after the other."""
    said = (await device.state())["said"]
    return [value for kind, number, value in said if (kind, number) == ("offer", 1)]


async def test_charging_profiles(everywhere):
    async def scenario(device: Device) -> None:
        central = await started(device, features=["smart-charging"])
        ask = central.ask

        async def put(number: int, wanted: Any) -> str:
            request = call.SetChargingProfile(connector_id=number, cs_charging_profiles=wanted)
            answer = await ask(request)
            return str(answer.status)

        answer = await ask(call.GetConfiguration(key=["SupportedFeatureProfiles"]))
        assert answer.configuration_key[0]["value"] == "Core,RemoteTrigger,SmartCharging"
        assert await put(0, profile(1, 20)) == "Accepted"
        assert await put(1, profile(2, 10, "TxProfile")) == "Rejected"
        assert await put(1, profile(2, 10, "ChargePointMaxProfile")) == "Rejected"
        with pytest.raises(OCPPError, match="PropertyConstraintViolation"):
            await put(3, profile(2, 10))
        # The profile of a RemoteStart is for its transaction.
        answer = await ask(
            call.RemoteStartTransaction(
                id_tag="T1", connector_id=1, charging_profile=profile(3, 8.5, "TxProfile")
            )
        )
        assert answer.status == "Accepted"
        await device.do("plugged 1")
        await device.do("ready 1")
        await central.until(lambda: "Charging" in statuses(central, 1))
        assert await offers(device) == [8.5]
        await central.heard("StartTransaction")
        while (await device.state())["waiting"]:
            pass  # it has not got the answer yet
        # No current is no end, and what comes after counts again.
        request = profile(4, 0, "TxProfile", transactionId=central.transaction)
        assert await put(1, request) == "Accepted"
        await central.until(lambda: statuses(central, 1)[-1] == "SuspendedEVSE")
        assert (await device.state())["closed"] == [False, False]
        answer = await ask(
            call.GetCompositeSchedule(connector_id=1, duration=60, charging_rate_unit="A")
        )
        periods = answer.charging_schedule["charging_schedule_period"]
        assert [(each["start_period"], each["limit"]) for each in periods] == [(0, 0)]
        assert (await ask(call.ClearChargingProfile(id=4))).status == "Accepted"
        assert (await ask(call.ClearChargingProfile(id=4))).status == "Unknown"
        await central.until(lambda: statuses(central, 1)[-1] == "Charging")
        assert central.calls("StopTransaction") == []
        assert (await offers(device))[-1] == 20
        # A power cut later the default still holds, and the limit of all together comes to it.
        await device.kill()
        await started(device)
        stop = (await central.heard("StopTransaction")).payload
        assert stop["reason"] == "PowerLoss"
        assert await put(0, profile(5, 12, "ChargePointMaxProfile")) == "Accepted"
        await device.do("plugged 1")
        await device.do("tag 1 T2")
        await central.heard("StartTransaction", 2)
        assert await offers(device) == [12]
        answer = await ask(call.ClearChargingProfile(charging_profile_purpose="TxDefaultProfile"))
        assert answer.status == "Accepted"
        with pytest.raises(OCPPError, match="NotSupported"):
            await ask(call.GetLocalListVersion())
        assert (await device.state())["counts"] == [0, 0, 0, 0]
        await device.end()

    await everywhere(scenario)


async def test_a_local_list(everywhere):
    async def scenario(device: Device) -> None:
        central = await started(device, features=["local-list"])
        ask = central.ask

        async def send(version: int, kind: str, *entries: Any) -> str:
            answer = await ask(
                call.SendLocalList(
                    list_version=version, update_type=kind, local_authorization_list=list(entries)
                )
            )
            return str(answer.status)

        async def version() -> int:
            found = (await ask(call.GetLocalListVersion())).list_version
            assert isinstance(found, int)
            return found

        assert await version() == 0
        friend = {"idTag": "Friend", "idTagInfo": {"status": "Accepted"}}
        thief = {"idTag": "Thief", "idTagInfo": {"status": "Blocked"}}
        assert await send(3, "Full", friend, thief) == "Accepted"
        assert await send(3, "Differential", friend) == "VersionMismatch"
        assert await version() == 3
        await device.do("set LocalPreAuthorize true")
        asked = len(central.calls("Authorize"))
        await device.kill()
        await started(device)
        # Who is in the list need not be asked for; whoever else is.
        assert await version() == 3
        await device.do("plugged 1")
        await device.do("tag 1 fRIEND")
        start = (await central.heard("StartTransaction")).payload
        assert start["idTag"] == "fRIEND"
        assert len(central.calls("Authorize")) == asked
        await device.do("plugged 2")
        await device.do("tag 2 thief")
        await central.heard("Authorize", asked + 1)
        assert await send(4, "Differential", {"idTag": "THIEF"}) == "Accepted"
        assert await version() == 4
        await device.do("set LocalAuthListEnabled false")
        assert (await version(), await send(5, "Full")) == (-1, "NotSupported")
        with pytest.raises(OCPPError, match="NotSupported"):
            await ask(call.ClearChargingProfile())
        assert (await device.state())["counts"] == [0, 0, 0, 0]
        await device.end()

    await everywhere(scenario)
