"""The whole charging point over real connections, against a central system made of `ocpp`."""

from __future__ import annotations

import pytest
from ocpp.exceptions import OCPPError

from tests.chargepoint.conftest import Device
from tests.support.central_system import CentralSystem, call


def statuses(central: CentralSystem, connector: int) -> list[str]:
    """What was told of a connector."""
    return [
        entry.payload["status"]
        for entry in central.calls("StatusNotification")
        if entry.payload["connectorId"] == connector
    ]


async def started(device: Device, **given: object) -> CentralSystem:
    """Power it up, and wait until the statuses of all connectors came."""
    central = device.central
    before = len(central.calls("StatusNotification"))
    await device.start("device_point", folder=str(device.folder), **given)
    await central.heard("StatusNotification", before + 3)
    return central


async def test_a_session_from_plug_to_stop(everywhere):
    async def scenario(device: Device) -> None:
        central = await started(device)
        assert central.calls("BootNotification")[0].payload == {
            "chargePointVendor": "Test",
            "chargePointModel": "Two",
        }

        async def reported(*expected: str) -> None:
            # What changes while another message is on its way is not told: only what holds then.
            await central.until(lambda: statuses(central, 1) == list(expected))

        await reported("Available")
        await device.do("plugged 1")
        await reported("Available", "Preparing")
        await device.do("tag 1 T1")
        start = (await central.heard("StartTransaction")).payload
        assert (start["connectorId"], start["idTag"], start["meterStart"]) == (1, "T1", 1000)
        await reported("Available", "Preparing", "SuspendedEV")
        await device.do("ready 1")
        assert (await device.state())["closed"] == [True, False]
        await device.do("set MeterValuesSampledData Energy.Active.Import.Register,Voltage.L1")
        await device.do("set MeterValueSampleInterval 1")
        await device.do("energy 1 250")
        values = (await central.heard("MeterValues", 2)).payload
        assert values["transactionId"] == central.transaction
        register, voltage = values["meterValue"][0]["sampledValue"]
        assert (register["value"], register["unit"]) == ("1250", "Wh")
        assert (voltage["value"], voltage["phase"], voltage["measurand"]) == (
            "230.1",
            "L1",
            "Voltage",
        )
        await device.do("tag 1 t1")  # the same card: idTags are CiStrings
        stop = (await central.heard("StopTransaction")).payload
        assert (stop["meterStop"], stop["transactionId"]) == (1250, central.transaction)
        so_far = ["Available", "Preparing", "SuspendedEV", "Charging", "Finishing"]
        await reported(*so_far)
        await device.do("unplugged 1")
        await reported(*so_far, "Available")
        found = await device.state()
        assert found["counts"] == [0, 0, 0, 0]
        await device.end()

    await everywhere(scenario)


async def test_what_the_central_system_asks_for(everywhere):
    async def scenario(device: Device) -> None:
        central = await started(device)
        ask = central.ask
        answer = await ask(call.RemoteStartTransaction(id_tag="T2", connector_id=2))
        assert answer.status == "Accepted"
        await central.until(lambda: "Preparing" in statuses(central, 2))
        await device.do("plugged 2")
        start = (await central.heard("StartTransaction")).payload
        assert (start["connectorId"], start["idTag"]) == (2, "T2")
        await device.do("ready 2")
        # Two at once.
        await device.do("plugged 1")
        await device.do("tag 1 T1")
        await central.heard("StartTransaction", 2)
        await central.until(lambda: central.transaction == 2)
        first, second = 1, 2
        assert (await ask(call.RemoteStopTransaction(transaction_id=99))).status == "Rejected"
        assert (await ask(call.ChangeAvailability(connector_id=2, type="Inoperative"))).status == (
            "Scheduled"
        )
        assert (await ask(call.RemoteStopTransaction(transaction_id=first))).status == "Accepted"
        stop = (await central.heard("StopTransaction")).payload
        assert (stop["transactionId"], stop["reason"]) == (first, "Remote")
        await central.until(lambda: statuses(central, 2)[-1:] == ["Unavailable"])
        unlocked = await ask(call.UnlockConnector(connector_id=1))
        assert unlocked.status == "Unlocked"
        stop = (await central.heard("StopTransaction", 2)).payload
        assert (stop["transactionId"], stop["reason"]) == (second, "UnlockCommand")
        assert (await ask(call.UnlockConnector(connector_id=3))).status == "NotSupported"
        answer = await ask(call.GetConfiguration(key=["heartbeatinterval", "Nonsense"]))
        assert [one["key"] for one in answer.configuration_key] == ["HeartbeatInterval"]
        assert answer.unknown_key == ["Nonsense"]
        answer = await ask(call.GetConfiguration(key=[]))
        assert len(answer.configuration_key) > 25
        assert not any("uthorizationKey" in one["key"] for one in answer.configuration_key)
        answer = await ask(
            call.ChangeConfiguration(key="MeterValuesSampledData", value="Voltage.L1,Nonsense")
        )
        assert answer.status == "Rejected"
        assert (await ask(call.ClearCache())).status == "Accepted"
        for action, count in (("Heartbeat", 1), ("MeterValues", 2), ("StatusNotification", 3)):
            before = len(central.calls(action))
            answer = await ask(call.TriggerMessage(requested_message=action))
            assert answer.status == "Accepted"
            await central.heard(action, before + count)
        answer = await ask(call.TriggerMessage(requested_message="BootNotification"))
        assert answer.status == "Rejected"
        with pytest.raises(OCPPError, match="NotSupported"):
            await ask(call.GetLocalListVersion())
        found = await device.state()
        assert (found["closed"], found["waiting"]) == ([False, False], 0)
        assert found["counts"] == [0, 0, 0, 0]
        assert (await ask(call.Reset(type="Hard"))).status == "Accepted"
        await central.until(lambda: True)
        assert (await device.state())["resets"] == [True]
        await device.end()

    await everywhere(scenario)


async def test_a_power_cut_in_an_outage_loses_no_watt_hour(everywhere):
    async def scenario(device: Device) -> None:
        central = await started(device)
        await device.do("plugged 1")
        await device.do("tag 1 T1")
        await central.heard("StartTransaction")
        await device.do("ready 1")
        await device.do("set MeterValueSampleInterval 1")
        await device.do("energy 1 500")
        await central.heard("MeterValues")
        await device.kill()
        await central.until(lambda: not central.stations)
        await started(device)
        stop = (await central.heard("StopTransaction")).payload
        assert stop["reason"] == "PowerLoss"
        assert stop["transactionId"] == central.transaction
        # The simulated register forgets; what was told of it counts.
        assert stop["meterStop"] in (1000, 1500)
        assert len(central.calls("StartTransaction")) == 1
        await device.end()

    await everywhere(scenario)
