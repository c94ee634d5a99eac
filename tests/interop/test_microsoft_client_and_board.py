"""Microsoft's unmodified Python client SDK on one side, a simulated board on the other."""

from __future__ import annotations

import asyncio
import queue
from pathlib import Path
from typing import Any

import pytest
from azure.messaging.webpubsubclient import WebPubSubClient
from azure.messaging.webpubsubclient.models import CallbackType
from hubtool.demo.boards import PASSWORD_FILE, Profile, power_up, provision, settings_text
from localhub import LocalHub
from simboard.timeserver import TimeServer

HUB, DEVICE = "chargers", "sensor-1"
DEVICE_ROLES = ("webpubsub.sendToGroup.telemetry", "webpubsub.sendToGroup.replies")
USER_ROLES = ("webpubsub.sendToGroup.commands", "webpubsub.joinLeaveGroup")


class Application:
    """A back end as a user of the SDK writes it; blocking, so it runs in a thread."""

    def __init__(self, url: str) -> None:
        self.messages: queue.Queue[Any] = queue.Queue()
        self.client = WebPubSubClient(url)
        self.client.subscribe(
            CallbackType.GROUP_MESSAGE, lambda event: self.messages.put((event.group, event.data))
        )

    def talk(self) -> tuple[dict[str, Any], list[tuple[str, dict[str, Any]]]]:
        """Wait for telemetry, give a command, and see what comes up to the next report but one."""
        with self.client:
            for group in ("telemetry", "replies"):
                self.client.join_group(group)
            _, report = self.messages.get(timeout=30)
            self.client.send_to_group(
                "commands", {"command": "ping", "id": "7", "device": DEVICE}, "json"
            )
            after = [self.messages.get(timeout=30)]
            while [group for group, _ in after].count("telemetry") < 2:
                after.append(self.messages.get(timeout=30))
            return report, after


@pytest.mark.parametrize("user", ["operator", "stranger"])
async def test_application_and_board_understand_each_other(user, tmp_path: Path):
    config = {
        # The synchronous SDK misses an acknowledgement that comes before it begins to wait.
        "service": {"ack_delay_in_seconds": 0.05},
        "hubs": [{"name": HUB}],
    }
    with TimeServer() as clock:
        async with LocalHub(config) as hub:
            await converse(hub, clock.address, user, tmp_path)


async def converse(hub: LocalHub, clock: str, user: str, tmp_path: Path) -> None:
    """Provision a board, let the application talk to it, and judge what came."""
    token_url = hub.client_url(HUB, user_id=DEVICE, roles=DEVICE_ROLES, groups=["commands"])
    (tmp_path / "token").write_text(token_url.partition("access_token=")[2])
    (tmp_path / PASSWORD_FILE).write_text("wifi password")
    settings = settings_text(
        device=DEVICE,
        kind="sensor",
        endpoint=hub.endpoint,
        hub=HUB,
        credential='token = { file = "token" }',
        interval=1,
        ntp=clock,
    )
    profile = Profile(DEVICE, "token", "", settings, None)
    board = await asyncio.to_thread(power_up, profile, "wifi password")
    try:
        await asyncio.to_thread(provision, board, profile, tmp_path)
        application = Application(hub.client_url(HUB, user_id=user, roles=USER_ROLES))
        report, after = await asyncio.to_thread(application.talk)
    finally:
        await asyncio.to_thread(board.close)
    assert report["kind"] == "sensor"
    assert 0 < report["heap_used"] < report["heap_total"]
    replies = [data for group, data in after if group == "replies"]
    # A stranger is not among the users whose commands the board's settings allow.
    expected = {"device": DEVICE, "reply": "7", "ok": True, "result": "pong"}
    assert replies == ([expected] if user == "operator" else [])
