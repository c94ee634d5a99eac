"""How a device is let in by a Client Access Token; see also `anonymous` and `negotiate`."""

from .memory import once


class AccessToken:
    """Connect with a Client Access Token that was made beforehand.

    token: the JWT, a secret. allow_insecure: take ws:// to another machine all the same, where
    everybody on the way can read the token. warn: how many seconds before the token ends the
    client emits `token-expires`.
    """

    def __init__(self, endpoint, hub, token, allow_insecure=False, warn=604800):
        once("webpubsub.arguments").check("credential", endpoint, hub, token or "", warn)
        # A URL with the token would be the token twice.
        self._url, self._token = once("webpubsub.access_url").parts_of_access(
            endpoint, hub, token, allow_insecure
        )
        self._warn = warn

    @property
    def expires(self):
        """When the token ends, in Unix time (whatever the board's epoch is); None: unknown."""
        return once("webpubsub.expiry").times(self._token)[1]

    @property
    def seconds_left(self):
        """Seconds until the token ends, negative afterwards; None while the clock is not set."""
        return once("webpubsub.expiry").seconds_left(self._token)

    async def url(self):
        """The URL for a new connection: a secret."""
        return once("webpubsub.access_url").with_query(self._url, (("access_token", self._token),))

    def refused(self, error):
        """Turn the service's refusal into the error to raise: it may be that the token ended."""
        if error.status != 401:
            return error
        return once("webpubsub.expiry").refused(self._token, error)

    def watch(self, client):
        """Let a client emit `token-expires` in time; returns the task that sees to it.

        client: the WebPubSubClient."""
        return once("webpubsub.expiry").watcher(self._token, self._warn, client)
