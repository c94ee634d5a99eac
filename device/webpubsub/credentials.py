"""How a device is let in: the client access URL, and where it comes from."""

from .errors import HandshakeError
from .url import host_header, parse_url, quote, refuse_open_line, with_query

_HUB = "_`,.[]"


def client_url(endpoint, hub):
    """The client endpoint of a hub: wss://host/client/hubs/hub.

    Raises:
        ValueError: the endpoint has no scheme or more than a host, or the hub name is not one
            (a letter, then at most 127 letters, digits and characters of ``_`,.[]``).
    """
    secure, host, port, target = parse_url(endpoint)
    if target != "/":
        raise ValueError("the endpoint must end after its host: wss://name.webpubsub.azure.com")
    good = 0 < len(hub) <= 128 and hub[0].isalpha()
    for character in hub:
        good = good and (
            character < "\x7f"
            and (character.isalpha() or character.isdigit() or character in _HUB)
        )
    if not good:
        raise ValueError("not a hub name: a letter, then letters, digits and _`,.[]")
    scheme = "wss" if secure else "ws"
    return "%s://%s/client/hubs/%s" % (scheme, host_header(secure, host, port), quote(hub))


class Anonymous:
    """Connect without a token; the hub must allow anonymous connections.

    query: a dict of str, for the hub's connect handler, such as {"id": "CP-7"}.
    """

    def __init__(self, endpoint, hub, query=None):
        self._url = client_url(endpoint, hub)
        if query:
            if "access_token" in query:
                raise ValueError("a token belongs into AccessToken")
            self._url = with_query(self._url, query.items())

    async def url(self):
        """The URL for a new connection."""
        return self._url


class AccessToken:
    """Connect with a Client Access Token that was made beforehand.

    token: the JWT, a secret. allow_insecure: take ws:// to another machine all the same, where
    everybody on the way can read the token. warn: how many seconds before the token ends the
    client emits `token-expires`.
    """

    def __init__(self, endpoint, hub, token, allow_insecure=False, warn=604800):
        if not allow_insecure:
            refuse_open_line(endpoint)
        if not token or token.count(".") != 2:
            raise ValueError("not a Client Access Token (three parts with two dots)")
        self._url = client_url(endpoint, hub)
        self._token = token.strip()
        self._warn = warn
        self._watcher = None

    @property
    def expires(self):
        """When the token ends, in Unix time (whatever the board's epoch is); None: unknown."""
        return self._expiry().times(self._token)[1]

    @property
    def seconds_left(self):
        """Seconds until the token ends, negative afterwards; None while the clock is not set."""
        return self._expiry().seconds_left(self._token)

    async def url(self):
        """The URL for a new connection: a secret."""
        return with_query(self._url, (("access_token", self._token),))

    def refused(self, error):
        """Turn the service's refusal into the error to raise: it may be that the token ended."""
        text = error.status == 401 and self._expiry().expired(self._token)
        return HandshakeError(text, 401, error.reason) if text else error

    def watch(self, client):
        """Let a client emit `token-expires` in time."""
        if self._watcher is None or self._watcher.done():
            watching = self._expiry().watch(self._token, self._warn, client._emit)
            self._watcher = client._task(watching)

    def _expiry(self):
        # Loaded when first used. Not `from . import`: see client.py.
        import webpubsub.expiry as expiry

        return expiry
