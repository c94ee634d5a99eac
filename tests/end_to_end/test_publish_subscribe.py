"""One scenario, four times and more: {anonymous, token} x {MicroPython, CPython}."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from hubtool.servers import handler
from hubtool.servers.handler_table import HandlerTable
from localhub import LocalHub
from websockets.asyncio.client import ClientConnection, connect

from tests.support.protocol import JSON, PROTOBUF, RELIABLE_JSON, RELIABLE_PROTOBUF

SCENARIO = Path(__file__).parent / "publish_subscribe.py"
TABLE = HandlerTable.model_validate(
    {
        "devices": [
            {
                "match": {"query.id": "CP-*"},
                "user_id": "{query.id}",
                "roles": ["webpubsub.joinLeaveGroup.site", "webpubsub.sendToGroup.site"],
            }
        ]
    }
)
EXPECTED = """\
state connected user CP-7 id True
elsewhere Forbidden refused
event accepted
sequence {sequence}
group site binary 256 bytes True from {own}
group site json kw=7.2, note=é€, phases=[1, 2, 3] from {own}
group site text forgotten from {own}
group site text goodbye from {peer}
group site text hello, device from {peer}
group site text text (plug) from {own}
connected as ['CP-7']
state closed
"""


async def peer(url: str, ready: asyncio.Event) -> list[object]:
    """Greet the device once it is there; returns what it published."""
    published = []
    async with connect(url, subprotocols=[JSON]) as socket:  # type: ignore[list-item]
        await _say(socket, type="joinGroup", group="site", ackId=1)
        ready.set()
        async for text in socket:
            frame = json.loads(text)
            if frame["type"] != "message":
                continue
            published.append(frame["data"])
            if frame["data"] == "forgotten":
                await _publish(socket, "hello, device")
            elif frame["data"] == {"last": True}:
                await _publish(socket, "goodbye")
                break
    return published


async def _publish(socket: ClientConnection, data: str) -> None:
    await _say(socket, type="sendToGroup", group="site", dataType="text", data=data, noEcho=True)


async def _say(socket: ClientConnection, **frame: object) -> None:
    await socket.send(json.dumps(frame))


@pytest.mark.parametrize(
    "subprotocol",
    [
        RELIABLE_JSON,
        JSON,
        RELIABLE_PROTOBUF,
        PROTOBUF,
    ],
)
@pytest.mark.parametrize("credential", ["anonymous", "token"])
async def test_publish_and_subscribe(credential, subprotocol, interpreter):
    async with handler.running(TABLE, port=0, report=lambda line: None) as url:
        config = {
            "hubs": [
                {
                    "name": "chargers",
                    "anonymous_connect_policy": "allow",
                    "event_handlers": [
                        {
                            "url_template": f"{url}/{{event}}",
                            "user_event_pattern": "*",
                            "system_events": ["connect"] if credential == "anonymous" else [],
                        }
                    ],
                }
            ]
        }
        async with LocalHub(config) as hub:
            roles = ["webpubsub.joinLeaveGroup.site", "webpubsub.sendToGroup.site"]
            token = hub.client_url("chargers", user_id="CP-7", roles=roles).partition("=")[2]
            watcher = hub.client_url("chargers", user_id="peer", roles=roles)
            if credential == "anonymous":
                # The handler stands for everybody on this hub; it knows the peer by its query.
                watcher = hub.client_url("chargers").partition("?")[0] + "?id=CP-peer"
            ready = asyncio.Event()
            watching = asyncio.create_task(peer(watcher, ready))
            await asyncio.wait_for(ready.wait(), 10)
            output = await interpreter.run_beside(
                SCENARIO,
                ENDPOINT=hub.endpoint,
                HUB="chargers",
                TOKEN=token if credential == "token" else "",
                SUBPROTOCOL=subprotocol,
            )
            published = await asyncio.wait_for(watching, 10)
    senders = {"own": "CP-7", "peer": "peer" if credential == "token" else "CP-peer"}
    if subprotocol.startswith("protobuf"):
        senders = {"own": None, "peer": None}  # it has no field for the sender
    assert output == EXPECTED.format(
        sequence="True" if "reliable" in subprotocol else "none",
        **senders,
    )
    assert published[0] == {"kw": 7.2, "phases": [1, 2, 3], "note": "é€"}
    assert published[1] == "text \U0001f50c"
    assert published[3:] == ["not for me", "forgotten", {"last": True}]
