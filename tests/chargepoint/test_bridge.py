"""A charging point that a hub shows beside its central system, on all interpreters."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from typing import Any

from localhub import LocalHub
from webpubsub import WebPubSubClient

from tests.chargepoint.conftest import Device
from tests.chargepoint.test_point import started
from tests.support.protocol import ROLES

HUB = "dashboards"
TEL, CMD = "ev.s1.CP-7.tel", "ev.s1.CP-7.cmd"


class Dashboard:
    """Sees what a charging point says, and asks it for something."""

    def __init__(self, client: WebPubSubClient) -> None:
        self._client = client
        self.seen: list[dict[str, Any]] = []
        self._count = 0
        client.subscribe("group-message", lambda event: self.seen.append(event.message.data))

    def of(self, kind: str) -> list[dict[str, Any]]:
        """What came of a kind."""
        return [each for each in self.seen if each["t"] == kind]

    async def until(self, condition: Any) -> None:
        """Wait until something is true."""
        async with asyncio.timeout(20):
            while not condition():
                await asyncio.sleep(0.05)

    async def ask(self, operation: str, seconds: int = 60, **fields: Any) -> str:
        """A command; the status of its answer."""
        self._count += 1
        command = {"v": 1, "t": "cmd", "id": f"d{self._count}", "op": operation, **fields}
        command["exp"] = int(time.time()) + seconds
        await self._client.send_to_group(CMD, command)
        await self.until(lambda: any(each["id"] == command["id"] for each in self.of("res")))
        found = [each["st"] for each in self.of("res") if each["id"] == command["id"]]
        assert len(found) == 1
        return str(found[0])


@contextlib.asynccontextmanager
async def dashboard(hub: LocalHub) -> AsyncIterator[Dashboard]:
    """One that is connected and listens."""
    client = WebPubSubClient(hub.client_url(HUB, user_id="dashboard", roles=ROLES))
    async with client:
        found = Dashboard(client)
        await client.join_group(TEL)
        yield found


async def test_dashboards_see_and_ask(everywhere):
    async def scenario(device: Device) -> None:
        async with LocalHub({"hubs": [{"name": HUB}]}) as hub, dashboard(hub) as view:
            url = hub.client_url(HUB, user_id="CP-7", roles=ROLES)
            central = await started(device, dashboards=url)
            await view.until(lambda: len(view.of("state")) >= 2)
            assert await view.ask("start", c=1, arg="T1") == "Accepted"
            await device.do("plugged 1")
            await device.do("ready 1")
            await central.heard("StartTransaction")
            await view.until(lambda: "Charging" in [each["s"] for each in view.of("state")])
            await device.do("energy 1 250")
            await view.until(lambda: view.of("meter")[-1]["wh"] == 1250)
            assert view.of("meter")[-1]["w"] == 7400
            assert abs(view.of("meter")[-1]["ts"] - time.time()) < 30
            # Its connection may go: afterwards it says what holds then.
            for info in hub.control.connections(HUB):
                if info.user_id == "CP-7":
                    hub.control.drop(info.id)
            assert await view.ask("stop", c=1) == "Accepted"
            stop = (await central.heard("StopTransaction")).payload
            assert (stop["meterStop"], stop["reason"]) == (1250, "Remote")
            await view.until(lambda: len(view.of("tx")) == 2)
            assert [(each["ev"], each["wh"]) for each in view.of("tx")] == [
                ("start", 1000),
                ("stop", 1250),
            ]
            await view.until(lambda: view.of("state")[-1]["s"] == "Finishing")
            await device.end()

    await everywhere(scenario)
