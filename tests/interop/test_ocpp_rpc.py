"""`hubtool charger` against a central system made of `ocpp-rpc` in strict mode, directly and
through a hub: an independent implementation, with schemas of its own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support.charger import Charger
from tests.support.gateway import world

from .nodes import Node, NodeError, Start

KEY = "0123456789abcdef"


class Central:
    """What a test asks of the central system."""

    def __init__(self, node: Node) -> None:
        self.node = node

    def calls(self, method: str) -> list[dict[str, Any]]:
        """The payloads of the calls of an action."""
        return [event["params"] for event in self.node.named("call") if event["method"] == method]

    async def heard(self, method: str, count: int = 1, **fields: Any) -> dict[str, Any]:
        """Wait for so many calls of an action with such fields; the payload of the last."""
        async with asyncio.timeout(30):
            while True:
                found = [
                    params
                    for params in self.calls(method)
                    if all(params.get(name) == value for name, value in fields.items())
                ]
                if len(found) >= count:
                    return found[count - 1]
                await asyncio.sleep(0.05)

    async def ask(self, action: str, **fields: Any) -> Any:
        """Call the charging point."""
        return await self.node.call(action, "CP-7", fields)

    async def status(self, action: str, **fields: Any) -> str:
        """The status of its answer."""
        return str((await self.ask(action, **fields))["status"])


@asynccontextmanager
async def rig(
    way: str, node: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[tuple[Central, str, list[str]]]:
    """The central system, the URL for the charging point, and its further words."""
    central = await node("central")
    port = (await central.wait_for("listening"))[0]["port"]
    url = f"ws://127.0.0.1:{port}/ocpp"
    words = ["--connectors", "2", "--key-env", "TEST_KEY"]
    if way == "directly":
        yield Central(central), url, words
    else:
        async with world(f"{url}/{{query.id}}", tmp_path, monkeypatch) as hub:
            yield Central(central), f"ws://127.0.0.1:{hub.port}", [*words, "--hub", "chargers"]
    assert central.named("invalid") == []


@pytest.mark.parametrize("way", ["directly", "through a hub"])
async def test_a_charging_point_and_ocpp_rpc(
    way: str, node: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with rig(way, node, tmp_path, monkeypatch) as (central, url, words):
        await central.node.call("plan", "BootNotification", {"status": "Pending", "interval": 1})
        await central.node.call("plan", "StartTransaction", {"error": "InternalError"})
        async with Charger(url, tmp_path / "cp7", *words, TEST_KEY=KEY) as charger:
            await central.heard("BootNotification", 2)
            handshake = central.node.named("handshake")[0]
            assert (handshake["identity"], handshake["password"]) == ("CP-7", KEY)
            await central.heard("StatusNotification", connectorId=2)
            await a_session(central, charger)
            await what_it_asks_for(central, charger)
            await lists_and_profiles(central, charger)
            await resets(central, charger)
        assert not any("Traceback" in line for line in charger.lines)


async def a_session(central: Central, charger: Charger) -> None:
    """From plug to stop, with a start that is refused at first and a cut connection."""
    for key, value in (
        ("MeterValueSampleInterval", "1"),
        ("TransactionMessageRetryInterval", "1"),
        (
            "MeterValuesSampledData",
            "Energy.Active.Import.Register,Power.Active.Import,Current.Import,Voltage",
        ),
        ("StopTxnSampledData", "Energy.Active.Import.Register"),
    ):
        assert await central.status("ChangeConfiguration", key=key, value=value) == "Accepted"
    await charger.type("plug 1", "swipe 1 04A2B3C4")
    await central.heard("StatusNotification", connectorId=1, status="Charging")
    await central.heard("StartTransaction", 2)
    # The first id is 0, which is one.
    await central.heard("MeterValues", 2, connectorId=1, transactionId=0)
    await central.node.call("drop")
    await asyncio.sleep(1.2)
    await charger.type("swipe 1 04a2b3c4")
    stop = await central.heard("StopTransaction", transactionId=0)
    assert len(stop["transactionData"]) >= 2
    opened = (await charger.until(r"contactor 1 open (\d+)"))[1]
    assert stop["meterStop"] == int(opened) > 0
    await charger.type("unplug 1")
    await central.heard("StatusNotification", 2, connectorId=1, status="Available")


async def what_it_asks_for(central: Central, charger: Charger) -> None:
    """Remote start and stop at two connectors, availability, unlock, triggers, keys."""
    assert await central.status("RemoteStartTransaction", idTag="R2", connectorId=2) == "Accepted"
    assert await central.status("RemoteStartTransaction", idTag="R1") == "Accepted"
    await charger.type("plug 2", "plug 1")
    starts = [await central.heard("StartTransaction", idTag=tag) for tag in ("R1", "R2")]
    assert [start["connectorId"] for start in starts] == [1, 2]
    values = await central.heard("MeterValues", connectorId=2)
    second = values["transactionId"]
    first = (await central.heard("MeterValues", connectorId=1, transactionId=3 - second))[
        "transactionId"
    ]
    assert await central.status("RemoteStopTransaction", transactionId=77) == "Rejected"
    assert await central.status("RemoteStopTransaction", transactionId=first) == "Accepted"
    assert (await central.heard("StopTransaction", transactionId=first))["reason"] == "Remote"
    assert (
        await central.status("ChangeAvailability", connectorId=2, type="Inoperative")
    ) == "Scheduled"
    assert await central.status("UnlockConnector", connectorId=2) == "Unlocked"
    stop = await central.heard("StopTransaction", transactionId=second)
    assert stop["reason"] == "UnlockCommand"
    await central.heard("StatusNotification", connectorId=2, status="Unavailable")
    answer = await central.status("ChangeAvailability", connectorId=0, type="Operative")
    assert answer == "Accepted"
    await charger.type("unplug 1", "unplug 2")
    for message in ("MeterValues", "StatusNotification", "Heartbeat"):
        before = len(central.calls(message))
        assert await central.status("TriggerMessage", requestedMessage=message) == "Accepted"
        await central.heard(message, before + 1)
    found = await central.ask("GetConfiguration", key=[])
    assert len(found["configurationKey"]) > 25
    assert (await central.ask("GetConfiguration", key=["nonsense"]))["unknownKey"] == ["nonsense"]
    assert await central.status("ClearCache") == "Accepted"
    assert await central.status("DataTransfer", vendorId="x") == "UnknownVendorId"
    with pytest.raises(NodeError) as caught:
        await central.ask("GetDiagnostics", location="ftp://x/")
    assert caught.value.details["rpcErrorCode"] == "NotSupported"
    await charger.type("fault 1 GroundFailure")
    await central.heard("StatusNotification", connectorId=1, errorCode="GroundFailure")
    await charger.type("clear 1")


async def lists_and_profiles(central: Central, charger: Charger) -> None:
    """A local list, and a limit that comes and goes."""
    entry = {"idTag": "L1", "idTagInfo": {"status": "Accepted"}}
    assert (
        await central.status(
            "SendLocalList", listVersion=3, updateType="Full", localAuthorizationList=[entry]
        )
    ) == "Accepted"
    assert await central.ask("GetLocalListVersion") == {"listVersion": 3}
    await charger.type("plug 1", "swipe 1 L1")
    await central.heard("StartTransaction", idTag="L1")
    profile = {
        "chargingProfileId": 5,
        "stackLevel": 0,
        "chargingProfilePurpose": "TxDefaultProfile",
        "chargingProfileKind": "Absolute",
        "chargingSchedule": {
            "chargingRateUnit": "A",
            "startSchedule": "2026-01-01T00:00:00Z",
            "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 0}],
        },
    }
    assert (
        await central.status("SetChargingProfile", connectorId=1, csChargingProfiles=profile)
    ) == "Accepted"
    await charger.until("offer 1 0")
    await central.heard("StatusNotification", connectorId=1, status="SuspendedEVSE")
    schedule = await central.ask("GetCompositeSchedule", connectorId=1, duration=60)
    assert schedule["chargingSchedule"]["chargingSchedulePeriod"][0]["limit"] == 0
    assert await central.status("ClearChargingProfile", id=5) == "Accepted"
    assert await central.status("ClearChargingProfile", id=5) == "Unknown"
    await charger.until("offer 1 32", 4)


async def resets(central: Central, charger: Charger) -> None:
    """A soft one in a transaction, and a hard one."""
    boots = len(central.calls("BootNotification"))
    assert await central.status("Reset", type="Soft") == "Accepted"
    await central.heard("StopTransaction", reason="SoftReset")
    await central.heard("BootNotification", boots + 1)
    await charger.type("swipe 1 L1")
    await central.heard("StartTransaction", 2, idTag="L1")
    assert await central.status("Reset", type="Hard") == "Accepted"
    await central.heard("BootNotification", boots + 2)
    await central.heard("StopTransaction", reason="HardReset")
