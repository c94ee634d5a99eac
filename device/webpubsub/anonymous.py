"""How a device is let in without a token."""

from .memory import once


class Anonymous:
    """Connect without a token; the hub must allow anonymous connections.

    query: a dict of str, for the hub's connect handler, such as {"id": "CP-7"}.
    """

    def __init__(self, endpoint, hub, query=None):
        once("webpubsub.arguments").check("credential", endpoint, hub, "", 0, query)
        tools = once("webpubsub.access_url")
        self._url = tools.client_url(endpoint, hub)
        if query:
            if "access_token" in query:
                raise ValueError("a token belongs into AccessToken")
            self._url = tools.with_query(self._url, query.items())

    async def url(self):
        """The URL for a new connection."""
        return self._url
