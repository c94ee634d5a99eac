"""A session over real connections, against a central system made of mobilityhouse's `ocpp`."""

from __future__ import annotations

import asyncio
import time

import pytest
from ocpp.exceptions import OCPPError

from tests.chargepoint.conftest import Device
from tests.support.central_system import Close, Error, Late, Never, Raw, call


async def test_boot_queue_and_heartbeat(everywhere):
    async def scenario(device: Device) -> None:
        central = device.central
        central.will("BootNotification", {"interval": 1})
        await device.start()
        await central.heard("BootNotification")
        await central.heard("Heartbeat", 2)
        await device.do('put MeterValues {"connectorId":1,"meterValue":[]}'.replace("[]", VALUES))
        await central.heard("MeterValues")
        found = await device.state()
        assert abs(found["utc"] - time.time()) < 3
        assert [entry.action for entry in central.calls("BootNotification")] == [
            "BootNotification"
        ]
        # A mere reconnect is no boot.
        central.drop()
        await central.heard("Heartbeat", len(central.calls("Heartbeat")) + 2)
        assert len(central.calls("BootNotification")) == 1
        assert (await device.state())["connections"] == 2
        await device.end()

    await everywhere(scenario)


VALUES = '[{"timestamp":"2026-12-01T08:00:00Z","sampledValue":[{"value":"7"}]}]'
METER = f'put MeterValues {{"connectorId":1,"meterValue":{VALUES}}}'


async def test_pending_then_rejected_then_accepted(everywhere):
    async def scenario(device: Device) -> None:
        central = device.central
        central.will("BootNotification", {"status": "Pending", "interval": 2})
        central.will("BootNotification", {"status": "Rejected", "interval": 4})
        central.will("BootNotification", Error("InternalError"))
        central.will("BootNotification", {"status": "Pending", "interval": 0})
        await device.start()
        await central.heard("BootNotification")
        await device.do(METER)  # answered while it is pending, but nothing goes out
        await central.heard("BootNotification", 2)
        central.timeout = 1
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(device.do("state"), 1.5)
        await central.heard("BootNotification", 5)
        boots = [entry.at for entry in central.calls("BootNotification")]
        assert 1.5 < boots[1] - boots[0] < 5
        assert 3.5 < boots[2] - boots[1] < 8
        await central.heard("MeterValues")
        assert {entry.action for entry in central.calls()} == {"BootNotification", "MeterValues"}
        assert central.calls("MeterValues")[0].at > boots[4]
        await asyncio.sleep(1)
        found = await device.state()
        assert found["ignored"] == 1
        await device.end()

    await everywhere(scenario)


async def test_answers_that_are_late_never_errors_or_cut_the_connection(everywhere):
    async def scenario(device: Device) -> None:
        central = device.central
        central.patience = 1
        await device.start(keys={"MessageTimeout": 1})
        await central.heard("BootNotification")
        for number, answer in enumerate(
            (
                Never(),
                Late(3),
                Error("FormationViolation"),
                Close(),
                Close(1012),
                Raw('[3,"{id}",null]'),
                Raw("nonsense"),
                Raw('[3,"another",{}]'),
                Raw('[3,"{id}",{}]'),
            ),
            1,
        ):
            central.will("MeterValues", answer)
            await device.do(METER)
            await central.heard("MeterValues", number)
            if isinstance(answer, Close):
                await central.until(lambda: not central.stations, 10)
                await central.until(lambda: central.stations, 10)
            await asyncio.sleep(0.2)

            async def settled(number: int = number) -> bool:
                found = await device.state()
                return len(found["errors"]) + found["results"] == number

            async with asyncio.timeout(20):
                while not await settled():
                    await asyncio.sleep(0.3)
        found = await device.state()
        assert found["errors"] == [
            None,
            None,
            "FormationViolation",
            None,
            None,
            "FormationViolation",
            None,
            None,
        ]
        assert found["results"] == 1
        assert found["timeouts"] == 4
        assert found["malformed"] == 1
        assert found["ignored"] >= 1
        assert len({entry.id for entry in central.calls()}) == len(central.calls())
        await device.end()

    await everywhere(scenario)


async def test_calls_of_the_central_system_are_answered_while_a_call_is_open(everywhere):
    async def scenario(device: Device) -> None:
        central = device.central
        await device.start()
        await central.heard("BootNotification")
        central.will("MeterValues", Late(3))
        await device.do(METER)
        await central.heard("MeterValues")
        for text in ("\U0001f50c", "\x00", 'a"b\\', "x" * 2000):
            assert await device.do("echo " + text) == text
        assert (await device.state())["results"] == 0
        with pytest.raises(OCPPError):
            await central.ask(call.DataTransfer(vendor_id="test", data="unknown"))
        await asyncio.sleep(3.5)
        found = await device.state()
        assert (found["results"], found["failures"]) == (1, 1)
        # 64 KB in one message: a board that has no memory for them lives on.
        assert await device.do("size " + "x" * 8000) == "8000"
        central.timeout = 3
        enough = device.interpreter.name == "cpython"
        try:
            enough = await device.do("size " + "x" * 65000) == "65000"
        except (OCPPError, TimeoutError):
            await asyncio.sleep(3)
        assert enough or device.interpreter.name != "cpython"
        assert await device.do("size " + "x" * 2000) == "2000"
        await device.end()

    await everywhere(scenario)
