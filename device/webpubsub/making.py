"""Makes the parts of a client, of what its constructor was given. Loaded for it; see `once`."""

from .inbox import Inbox
from .keeper import Keeper
from .memory import once, tidy_up
from .session import Session
from .stream import ticks_diff


def make(
    client,
    credential,
    *,
    protocol="json.reliable.webpubsub.azure.v1",
    ssl=None,
    headers=None,
    ack_timeout=30,
    ping_interval=20,
    silence_timeout=60,
    max_message_size=65536,
    buffer_size=None,
    queue_messages=32,
    queue_bytes=65536,
    rejoin=True,
    backoff=None,
    recovery_timeout=30,
    ready=None,
):
    """Check the arguments of a WebPubSubClient, and give it its parts.

    client: it. credential, protocol, ssl, headers, ack_timeout, ping_interval, silence_timeout,
    max_message_size, buffer_size, queue_messages, queue_bytes, rejoin, backoff, recovery_timeout,
    ready: see there.

    Raises:
        TypeError, ValueError: one of them is wrong; the text says which.
    """
    once("webpubsub.arguments").check(
        "client",
        credential,
        protocol,
        ssl,
        headers,
        ack_timeout,
        ping_interval,
        silence_timeout,
        max_message_size,
        buffer_size,
        queue_messages,
        queue_bytes,
        backoff,
        recovery_timeout,
        ready,
    )
    # A JSON device does not pay for protobuf, nor the other way round.
    if protocol.startswith("json"):
        from . import json_protocol as codec
    else:
        from . import protobuf_protocol as codec
    tidy_up()
    client.codec = codec
    client.ack_timeout = int(1000 * ack_timeout)
    client.rejoins = rejoin
    client.session = Session("reliable" in protocol, ticks_diff)
    client.inbox = Inbox(queue_messages, queue_bytes)
    options = {
        "protocols": (protocol,),
        "headers": headers,
        "ssl": ssl,
        "ping_interval": ping_interval,
        "silence_timeout": silence_timeout,
    }
    client.keeper = keeper = Keeper(client, credential, options, buffer_size, max_message_size)
    keeper.backoff = backoff
    keeper.recovery_timeout = recovery_timeout
    keeper.ready = ready
