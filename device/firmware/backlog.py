"""Messages that an app has missed while it was started again; loaded only by who has some."""

from webpubsub.stream import hand_over


class WithBacklog:
    """A client whose first messages are those that its app has missed.

    Args:
        client: WebPubSubClient; everything but iteration is its own.
        missed: list of messages, the oldest first; taken out one by one.
    """

    def __init__(self, client, missed):
        self._client = client
        self._missed = missed

    def __getattr__(self, name):
        return getattr(self._client, name)

    def __aiter__(self):
        self._client.__aiter__()
        return self

    async def __anext__(self):
        if self._missed:
            # Also of who asks without a loop: what comes meanwhile is for him, too.
            self._client.__aiter__()
            hand_over()
            return self._missed.pop(0)
        return await self._client.__anext__()
