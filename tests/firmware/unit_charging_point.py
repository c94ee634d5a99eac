import asyncio

import charging_point
import fakes
from checks import raises
from firmware.commands import CommandError

start, stop = charging_point.commands["start"], charging_point.commands["stop"]


def test_a_session():
    assert charging_point.status() == {"state": "Available", "kwh": 0.0}
    assert start({"limit": 0.5})["state"] == "Preparing"
    with raises(CommandError):
        start({})
    charging_point.step()
    assert charging_point.status() == {"state": "Charging", "kwh": 0.0}
    seen = []
    while charging_point.status()["state"] == "Charging":
        charging_point.step()
        seen.append(charging_point.status()["kwh"])
    assert seen == sorted(seen)
    assert seen[0] > 0
    assert seen[-1] >= 0.5
    with raises(CommandError):
        stop({})


def test_stop_ends_a_session():
    start({})
    charging_point.step()
    assert stop({})["state"] == "Available"


def test_the_status_goes_to_the_telemetry_group():
    sent = []

    class Client:
        async def send_to_group(self, group, content):
            sent.append((group, content))
            if len(sent) == 1:
                raise OSError("not connected")
            if len(sent) == 3:
                raise asyncio.CancelledError

    async def at_once(seconds):
        pass

    saved = charging_point.asyncio
    charging_point.asyncio = fakes.Module(sleep=at_once)
    settings = fakes.Module(telemetry_group="telemetry", device_id="CP-7")
    try:
        with raises(asyncio.CancelledError):
            asyncio.run(charging_point.main(Client(), settings))
    finally:
        charging_point.asyncio = saved
    assert [group for group, _ in sent] == ["telemetry"] * 3
    assert sorted(sent[0][1]) == ["device", "kwh", "state"]
