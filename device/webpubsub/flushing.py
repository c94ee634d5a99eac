"""Waits until nothing is under way any more: before sleep. Loaded for it; see `once`."""

from .errors import DeadlineError
from .memory import once
from .stream import sleep_ms, ticks_add, ticks_diff, ticks_ms


async def flush(client, timeout):
    """Wait until everything sent is acknowledged, and every outbox is empty.

    timeout: seconds. Raises DeadlineError.

    client: the WebPubSubClient.
    """
    once("webpubsub.arguments").check("wait", timeout)
    end = ticks_add(ticks_ms(), int(timeout * 1000))
    for outbox in client.outboxes:
        await outbox.flush(max(0, ticks_diff(end, ticks_ms())) / 1000)
    client.keeper.send_sequence_ack()
    while client.session.waiting:
        if ticks_diff(end, ticks_ms()) <= 0:
            raise DeadlineError("not everything was acknowledged within %s s" % timeout)
        await sleep_ms(50)
