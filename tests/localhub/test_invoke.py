"""Invocations: a client's question, the event handler's answer."""

from __future__ import annotations

import base64

import pytest
from aiohttp import web
from localhub import LocalHub

JSON = "json.webpubsub.azure.v1"
RELIABLE = "json.reliable.webpubsub.azure.v1"


def invoke(event="price", invocation_id="1", **others):
    return {
        "type": "invoke",
        "invocationId": invocation_id,
        "target": "event",
        "event": event,
        **others,
    }


def response(invocation_id="1", **others):
    return {"type": "invokeResponse", "invocationId": invocation_id, **others}


@pytest.mark.parametrize("protocol", [JSON, RELIABLE])
async def test_the_answer_of_the_handler_is_the_response(handler, connect, protocol):
    answers = {
        "a": web.json_response({"ct": [1.0, None]}),
        "b": web.Response(text="hé"),
        "c": web.Response(body=b"\x00\xff"),
        "d": None,
        "e": web.Response(status=200),
    }
    handler.react = lambda event: answers.get(event.name)
    async with LocalHub(handler.config()) as hub:
        client = await connect(hub, protocol=protocol, user_id="cp-7")
        for event, expected in {
            "a": {"dataType": "json", "data": {"ct": [1.0, None]}},
            "b": {"dataType": "text", "data": "hé"},
            "c": {"dataType": "binary", "data": base64.b64encode(b"\x00\xff").decode()},
            "d": {},
            "e": {},
        }.items():
            answer = await client.ask(**invoke(event, event * 3, data={"kwh": 3}))
            assert answer == response(event * 3, success=True, **expected)
        await client.quiet()
