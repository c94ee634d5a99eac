"""Microsoft's unmodified client SDK for Python, synchronous and asynchronous, over reliable JSON.

The synchronous client overlooks an ack that arrives before it waits, so the service holds acks
back by some milliseconds here, as its users would have it do.
"""

from __future__ import annotations

import asyncio
import threading

import pytest
from azure.messaging.webpubsubclient import WebPubSubClient
from azure.messaging.webpubsubclient.aio import WebPubSubClient as AsyncClient
from azure.messaging.webpubsubclient.aio import WebPubSubClientCredential as AsyncCredential
from azure.messaging.webpubsubclient.models import (
    CallbackType,
    SendMessageError,
    WebPubSubDataType,
    WebPubSubProtocolType,
)
from azure.messaging.webpubsubservice import WebPubSubServiceClient
from localhub import LocalHub

from tests.support.protocol import ROLES

ACK_DELAY = {"service": {"ack_delay_in_seconds": 0.02}}
pytestmark = pytest.mark.localhub(ACK_DELAY)


def access_url(localhub: LocalHub, **claims) -> str:
    """A client access URL, made by Microsoft's service SDK."""
    with WebPubSubServiceClient.from_connection_string(
        localhub.connection_string, hub="chargers"
    ) as service:
        return service.get_client_access_token(**claims)["url"]


class Notes:
    """What the callbacks of a client were called with."""

    def __init__(self, client) -> None:
        self.connected, self.groups, self.servers = [], [], []
        self.disconnected, self.stopped = [], threading.Event()
        self._client = client

    def _subscriptions(self):
        return (
            (CallbackType.CONNECTED, self.connected.append),
            (CallbackType.GROUP_MESSAGE, self.groups.append),
            (CallbackType.SERVER_MESSAGE, self.servers.append),
            (CallbackType.DISCONNECTED, self.disconnected.append),
            (CallbackType.STOPPED, self.stopped.set),
        )

    def subscribe(self) -> Notes:
        for kind, callback in self._subscriptions():
            self._client.subscribe(kind, callback)
        return self

    async def subscribe_async(self) -> Notes:
        for kind, callback in self._subscriptions():

            async def call(*arguments, callback=callback) -> None:
                callback(*arguments)

            await self._client.subscribe(kind, call)
        return self


@pytest.mark.parametrize("protocol", list(WebPubSubProtocolType))
async def test_the_synchronous_client(localhub, eventually, protocol):
    client = WebPubSubClient(
        access_url(localhub, user_id="al", roles=ROLES), protocol_type=protocol
    )
    notes = Notes(client).subscribe()

    def session() -> None:
        client.open()
        client.join_group("g")
        client.send_to_group("g", {"a": 1}, WebPubSubDataType.JSON)
        client.send_to_group("g", "hé", WebPubSubDataType.TEXT)
        client.send_to_group("g", memoryview(b"\x00\xff"), WebPubSubDataType.BINARY)
        client.send_to_group("g", "mine", WebPubSubDataType.TEXT, no_echo=True)
        client.send_to_group("g", "last", WebPubSubDataType.TEXT, ack=False)

    await asyncio.to_thread(session)
    await eventually(lambda: len(notes.groups) == 4)
    assert [(m.data_type, m.data) for m in notes.groups] == [
        ("json", {"a": 1}),
        ("text", "hé"),
        ("binary", b"\x00\xff"),
        ("text", "last"),
    ]
    assert {(m.group, m.from_user_id) for m in notes.groups} == {("g", "al")}
    localhub.control.send("chargers", "to you", user_id="al")
    await eventually(lambda: notes.servers)
    assert notes.servers[0].data == "to you"
    assert notes.connected[0].user_id == "al"
    await asyncio.to_thread(client.leave_group, "g")
    assert localhub.control.connections()[0].groups == set()
    await asyncio.to_thread(client.close)
    await eventually(lambda: not localhub.control.connections())


async def test_a_handler_answers_the_synchronous_client(handler, eventually):
    handler.react = lambda event: {"answer": 42} if event.name == "ask" else None
    async with LocalHub(handler.config(ACK_DELAY["service"])) as hub:
        client = WebPubSubClient(access_url(hub))
        notes = Notes(client).subscribe()
        await asyncio.to_thread(client.open)
        await asyncio.to_thread(client.send_event, "ask", "?", WebPubSubDataType.TEXT)
        await eventually(lambda: notes.servers)
        assert notes.servers[0].data == {"answer": 42}
        await asyncio.to_thread(client.close)


async def test_the_synchronous_client_recovers(localhub, eventually):
    client = WebPubSubClient(access_url(localhub, user_id="al", groups=["g"]))
    notes = Notes(client).subscribe()
    await asyncio.to_thread(client.open)
    localhub.control.send("chargers", "before", group="g")
    await eventually(lambda: len(notes.groups) == 1)
    (info,) = localhub.control.connections()
    localhub.control.drop(info.id, "fin")
    localhub.control.send("chargers", "during", group="g")
    await eventually(lambda: len(notes.groups) == 2)
    localhub.control.send("chargers", "after", group="g")
    await eventually(lambda: len(notes.groups) == 3)
    assert [m.data for m in notes.groups] == ["before", "during", "after"]
    assert [m.sequence_id for m in notes.groups] == [1, 2, 3]
    assert localhub.control.connections()[0].id == info.id
    await asyncio.to_thread(client.close)


async def test_errors_reach_the_synchronous_client(localhub, eventually):
    client = WebPubSubClient(access_url(localhub), message_retry_total=0)
    await asyncio.to_thread(client.open)
    with pytest.raises(SendMessageError) as error:
        await asyncio.to_thread(client.join_group, "g")
    assert error.value.error_detail.name == "Forbidden"
    await asyncio.to_thread(client.close)


async def test_the_asynchronous_client(localhub, eventually):
    client = AsyncClient(access_url(localhub, user_id="al", roles=ROLES))
    notes = await Notes(client).subscribe_async()
    async with client:
        await client.join_group("g")
        await client.send_to_group("g", [1, 2], WebPubSubDataType.JSON)
        await client.send_to_group("g", "two", WebPubSubDataType.TEXT)
        await eventually(lambda: len(notes.groups) == 2)
        assert [m.data for m in notes.groups] == [[1, 2], "two"]
        (info,) = localhub.control.connections()
        localhub.control.drop(info.id, "fin")
        localhub.control.send("chargers", "during", group="g")
        await eventually(lambda: len(notes.groups) == 3)
        assert notes.groups[-1].sequence_id == 3
        assert localhub.control.connections()[0].id == info.id
    await eventually(lambda: not localhub.control.connections())


async def test_the_asynchronous_client_comes_back_after_a_lost_session(localhub, eventually):
    async def fresh_url() -> str:
        return access_url(localhub, user_id="al", roles=ROLES)

    client = AsyncClient(AsyncCredential(fresh_url), reconnect_retry_backoff_factor=0.05)
    notes = await Notes(client).subscribe_async()
    async with client:
        await client.join_group("g")
        (info,) = localhub.control.connections()
        # Closed for good: the recovery that the client tries is refused with 1008.
        localhub.control.close(info.id, "over")
        await eventually(lambda: len(notes.connected) == 2)
        assert notes.disconnected[0].message == "over"
        (again,) = await eventually(
            lambda: [c for c in localhub.control.connections() if "g" in c.groups]
        )
        assert again.id != info.id
        await client.send_to_group("g", 1, WebPubSubDataType.JSON)
        await eventually(lambda: notes.groups)


async def test_an_upgrade_refused_with_503_is_tried_again(localhub, eventually):
    client = AsyncClient(access_url(localhub, user_id="al", groups=["g"]))
    notes = await Notes(client).subscribe_async()
    async with client:
        (info,) = localhub.control.connections()
        localhub.control.refuse_upgrades(503, 1)
        localhub.control.drop(info.id, "fin")
        localhub.control.send("chargers", "during", group="g")
        await eventually(lambda: notes.groups)
        assert localhub.control.connections()[0].id == info.id


async def test_bad_tokens_are_said_at_once(localhub):
    url = access_url(localhub)[:-4] + "AAAA"
    with pytest.raises(Exception, match=r"401|Invalid|open"):
        await AsyncClient(url, reconnect_retry_total=0).open()
