"""What a credential's own code does wrong is tried again; what is wrong for good is not.

Without a network, on the wire of unit_keeper.
"""

from checks import equal
from unit_keeper import Wire, connected, live, names, until
from webpubsub import AccessToken

URL = "ws://127.0.0.1/client/hubs/a"


class Failing:
    """A credential that fails a few times; `ready` of it does, too."""

    def __init__(self, times=2):
        self.left = times

    async def url(self):
        await self.ready()
        return URL

    async def ready(self):
        if self.left:
            self.left -= 1
            raise ValueError("a page of HTML is no JSON")


def is_tried_again(credential, **options):
    wire = Wire([connected(1)])

    async def body(client, diary):
        await until(lambda: client.connection_id == "c1")
        equal(names(diary), ["reconnecting", "reconnecting", "connected"])

    live(wire, body, credential, **options)


def stops(credential, wire, **options):
    async def body(client, diary):
        await until(lambda: client.state == "stopped")
        equal(names(diary), ["stopped"])
        assert isinstance(diary[-1].reason, ValueError)

    live(wire, body, credential, **options)


def test_an_object_as_a_callable():
    is_tried_again(Failing())
    is_tried_again(Failing().url)


def test_an_address_that_is_none():
    # As with a callable: the next one may be better.
    class Credential:
        urls = ["nothing", "ftp://h/", URL]

        async def url(self):
            return self.urls.pop(0)

    is_tried_again(Credential().url)


def test_ready_fails():
    is_tried_again(URL, ready=Failing().ready)
    is_tried_again(AccessToken("ws://127.0.0.1", "a", "a.b.c"), ready=Failing().ready)


def test_what_holds_for_good():
    stops("ftp://h/client/hubs/a", Wire())
    stops("nothing", Wire())
    # What opening says of the client's own options.
    token = AccessToken("ws://127.0.0.1", "a", "a.b.c")
    stops(token, Wire(ValueError("wss:// needs CA certificates")))
    stops(URL, Wire(ValueError("a header must not hold a line break")))
