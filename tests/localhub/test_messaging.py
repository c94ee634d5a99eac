"""Groups, publishing, acks and permissions over both JSON subprotocols."""

from __future__ import annotations

import pytest

from tests.support.protocol import JSON, RELIABLE_JSON, ROLES


@pytest.mark.parametrize("protocol", [JSON, RELIABLE_JSON])
@pytest.mark.parametrize(
    ("sent", "received"),
    [
        ('"data":{"kw": 7.20}', '"dataType":"json","data":{"kw": 7.20}'),
        ('"dataType":"json","data":"x"', '"dataType":"json","data":"x"'),
        ('"dataType":"json","data":false', '"dataType":"json","data":false'),
        ('"dataType":"TEXT","data":"é\\u0001\\"\U0001f600"', None),
        ('"dataType":"binary","data":"AAH/"', '"dataType":"binary","data":"AAH/"'),
        ('"dataType":"protobuf","data":"CgA="', '"dataType":"protobuf","data":"CgA="'),
    ],
)
async def test_what_a_member_receives(localhub, connect, protocol, sent, received):
    alice = await connect(localhub, roles=ROLES, groups=["bay-7"], user_id="al", protocol=protocol)
    received = received or '"dataType":"text","data":"é\\u0001\\"\U0001f600"'
    await alice.websocket.send(f'{{"type":"sendToGroup","group":"bay-7","ackId":3,{sent}}}')
    number = ',"sequenceId":1' if protocol == RELIABLE_JSON else ""
    assert await alice.receive_text() == (
        f'{{"type":"message","from":"group","group":"bay-7",{received},"fromUserId":"al"{number}}}'
    )
    assert await alice.receive_text() == '{"type":"ack","ackId":3,"success":true}'


async def test_join_leave_and_no_echo(localhub, connect):
    alice = await connect(localhub, roles=ROLES)
    bob = await connect(localhub, roles=ROLES)
    for client in (alice, bob):
        assert (await client.ask(type="joinGroup", group="g", ackId=0))["success"]
    ack = await alice.ask(type="sendToGroup", group="g", data=1, noEcho=True, ackId=1)
    assert ack == {"type": "ack", "ackId": 1, "success": True}
    message = await bob.receive()
    assert message["data"] == 1
    assert message["fromUserId"] is None
    assert (await bob.ask(type="leaveGroup", group="g", ackId=2))["success"]
    await alice.send(type="sendToGroup", group="g", data=2)
    assert (await alice.receive())["data"] == 2
    await alice.quiet()
    await bob.quiet()


async def test_groups_are_case_sensitive_and_a_sender_needs_no_membership(localhub, connect):
    alice = await connect(localhub, roles=ROLES)
    bob = await connect(localhub, groups=["G"], user_id="b")
    await alice.send(type="sendToGroup", group="g", data=1)
    await alice.send(type="sendToGroup", group="G", data=2)
    assert (await bob.receive())["data"] == 2


async def test_hubs_are_apart_and_their_names_have_no_case(localhub, connect):
    here = await connect(localhub, name="Chargers", user_id="u", groups=["g"])
    there = await connect(localhub, name="other", user_id="u", groups=["g"])
    localhub.control.send("CHARGERS", 1)
    localhub.control.send("other", 2, group="g")
    assert (await here.receive())["data"] == 1
    assert (await there.receive())["data"] == 2


async def test_messages_of_the_application_server(localhub, connect):
    al = await connect(localhub, user_id="al", protocol=RELIABLE_JSON)
    bo = await connect(localhub, user_id="bo", groups=["g"])
    anonymous = await connect(localhub)
    localhub.control.send("chargers", "to all")
    localhub.control.send("chargers", b"\x00", user_id="al")
    localhub.control.send("chargers", {"a": 1}, group="g")
    localhub.control.send("chargers", [1], connection_id=anonymous.id)
    localhub.control.send("chargers", "nobody", connection_id="gone")
    server = '{"type":"message","from":"server","dataType":'
    assert await al.receive_text() == server + '"text","data":"to all","sequenceId":1}'
    assert await al.receive_text() == server + '"binary","data":"AA==","sequenceId":2}'
    assert await bo.receive_text() == server + '"text","data":"to all"}'
    assert await bo.receive_text() == (
        '{"type":"message","from":"group","group":"g","dataType":"json","data":{"a":1},'
        '"fromUserId":null}'
    )
    assert await anonymous.receive_text() == server + '"text","data":"to all"}'
    assert await anonymous.receive_text() == server + '"json","data":[1]}'


# -- permissions and acks -------------------------------------------------------------------


async def test_without_a_role_only_events_are_allowed(localhub, connect):
    client = await connect(localhub)
    for ack_id, frame in enumerate(
        (
            {"type": "joinGroup", "group": "g"},
            {"type": "leaveGroup", "group": "g"},
            {"type": "sendToGroup", "group": "g", "data": 1},
        )
    ):
        ack = await client.ask(**frame, ackId=ack_id)
        assert ack["ackId"] == ack_id
        assert ack["error"]["name"] == "Forbidden"
        assert "'g'" in ack["error"]["message"]
    await client.quiet()


async def test_roles_for_some_groups(localhub, connect):
    client = await connect(
        localhub, roles=["webpubsub.joinLeaveGroup.a.b*", "webpubsub.sendToGroups.site1.*"]
    )
    for group, may_join, may_send in (
        ("a.b*", True, False),
        ("a.bc", False, False),
        ("site1.bay", False, True),
        ("site1.bay.2", False, False),
    ):
        joined = await client.ask(type="joinGroup", group=group, ackId=1000 + hash(group) % 999)
        assert joined["success"] == may_join
        sent = await client.ask(
            type="sendToGroup", group=group, data=1, noEcho=True, ackId=2000 + hash(group) % 999
        )
        assert sent["success"] == may_send


async def test_a_request_without_an_ack_id_is_never_answered(localhub, connect):
    client = await connect(localhub)
    await client.send(type="joinGroup", group="g")
    await client.send(type="joinGroup", group="g", ackId=None)
    await client.send(type="event", event="e", data=1)
    await client.quiet()


async def test_illegal_names_are_a_bad_request(localhub, connect):
    client = await connect(localhub, roles=ROLES)
    for ack_id, frame in enumerate(
        (
            {"type": "joinGroup", "group": " \t"},
            {"type": "leaveGroup", "group": ""},
            {"type": "sendToGroup", "group": "x" * 1025, "data": 1},
            {"type": "event", "event": "1st", "data": 1},
        )
    ):
        ack = await client.ask(**frame, ackId=ack_id)
        assert ack["error"]["name"] == "BadRequest"


async def test_one_ack_id_is_executed_once(localhub, connect):
    client = await connect(localhub, roles=ROLES, groups=["g"])
    assert (await client.ask(type="joinGroup", group="h", ackId=7))["success"]
    ack = await client.ask(type="leaveGroup", group="h", ackId=7)
    assert ack["error"] == {
        "name": "Duplicate",
        "message": "Message with ack-id: 7 has been processed",
    }
    (info,) = localhub.control.connections()
    assert info.groups == {"g", "h"}


async def test_a_failed_ack_id_may_be_used_again(localhub, connect):
    client = await connect(localhub, roles=["webpubsub.joinLeaveGroup.g"])
    assert not (await client.ask(type="joinGroup", group="h", ackId=7))["success"]
    assert (await client.ask(type="joinGroup", group="g", ackId=7))["success"]


async def test_the_last_thousand_ack_ids_are_remembered(localhub, connect):
    client = await connect(localhub, roles=ROLES)
    for ack_id in range(1001):
        await client.send(type="joinGroup", group="g", ackId=ack_id)
    for _ in range(1001):
        assert (await client.receive())["success"]
    assert not (await client.ask(type="joinGroup", group="g", ackId=1))["success"]
    assert (await client.ask(type="joinGroup", group="g", ackId=0))["success"]


async def test_acks_can_be_lost_and_delayed(localhub, connect):
    client = await connect(localhub, roles=ROLES)
    localhub.control.withhold_acks()
    await client.send(type="joinGroup", group="g", ackId=1)
    await client.quiet()
    assert localhub.control.connections()[0].groups == {"g"}
    ack = await client.ask(type="joinGroup", group="g", ackId=1)
    assert ack["error"]["name"] == "Duplicate"


@pytest.mark.localhub({"service": {"ack_delay_in_seconds": 0.05}})
async def test_every_ack_can_be_held_back(localhub, connect):
    client = await connect(localhub, roles=ROLES)
    await client.send(type="joinGroup", group="g", ackId=1)
    assert await client.ask(type="ping") == {"type": "pong"}
    assert (await client.receive())["ackId"] == 1


async def test_a_sequence_ack_needs_a_reliable_subprotocol(localhub, connect):
    client = await connect(localhub)
    await client.send(type="sequenceAck", sequenceId=1)
    assert (await client.close_code())[0] == 1007


async def test_a_connection_closed_by_the_service(localhub, connect):
    client = await connect(localhub)
    localhub.control.close(client.id, "maintenance")
    assert await client.receive() == {
        "type": "system",
        "event": "disconnected",
        "message": "maintenance",
    }
    assert await client.close_code() == (1000, "maintenance")
    assert localhub.control.connections() == []
    with pytest.raises(LookupError):
        localhub.control.close(client.id)
