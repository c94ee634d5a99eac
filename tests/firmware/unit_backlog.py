"""What an app gets that is started again: every message once, however it asks."""

import asyncio

import fakes
from firmware import console, node
from firmware.backlog import WithBacklog


class Client:
    """Gives the messages of a list, and then none; `callback` gets them while nobody asks."""

    def __init__(self, messages=()):
        self.messages = list(messages)
        self.iterating = False
        self.released = 0
        self.callback = None

    def __aiter__(self):
        self.iterating = True
        return self

    async def __anext__(self):
        self.iterating = True
        while not self.messages:
            await asyncio.sleep(0)
        return self.messages.pop(0)

    def come(self, message):
        if self.iterating:
            self.messages.append(message)
        else:
            self.callback(message)

    def release(self):
        self.iterating = False
        self.released += 1


def taken(client, count, ask):
    async def work():
        found = []
        while len(found) < count:
            found.append(await ask(client))
        return found

    return asyncio.run(work())


def test_the_missed_ones_come_first_in_a_loop():
    async def work():
        found = []
        async for message in WithBacklog(Client([3, 4]), [1, 2]):
            found.append(message)
            if len(found) == 4:
                break
        return found

    assert asyncio.run(work()) == [1, 2, 3, 4]


def test_the_missed_ones_come_first_to_who_asks_with_a_deadline():
    def ask(client):
        return asyncio.wait_for(client.__anext__(), 1)

    assert taken(WithBacklog(Client([3, 4]), [1, 2]), 4, ask) == [1, 2, 3, 4]


def test_what_comes_while_a_missed_one_is_worked_on_is_for_who_asks():
    client = Client()
    client.callback = lambda message: None
    backlog = WithBacklog(client, [1])

    async def work():
        first = await backlog.__anext__()
        client.come(2)
        return first, await backlog.__anext__()

    assert asyncio.run(work()) == (1, 2)


def test_all_else_is_the_client_s():
    client = Client()
    WithBacklog(client, [1]).release()
    assert client.released == 1


class HubConnection:
    connected = True

    def __init__(self, client):
        self.client = client


def restarted(*apps):
    """The messages that apps got, one after the other; each fails, and 10 come in between."""
    lines = fakes.Console(console, node)
    board = node.Node()
    board.hub = HubConnection(Client())
    board.commands = fakes.Module(accept=lambda message: None, more={})
    board.settings = None
    board.hub.client.callback = board.accept
    got = []

    async def work():
        for number, main in enumerate(apps):
            fakes.install("app", main=main(got))
            try:
                await board.run_app()
                raise AssertionError("it did not fail")
            except OSError:
                pass
            for each in range(10):
                board.hub.client.come(10 * number + each)

    try:
        asyncio.run(work())
    finally:
        fakes.uninstall("app")
    return got, lines


def fails(after=0):
    """The main of an app that fails after so many messages."""

    def of(got):
        async def main(client, settings):
            for _ in range(after):
                got.append(await client.__anext__())
            raise OSError("broken")

        return main

    return of


def test_an_app_that_fails_again_loses_nothing_of_what_it_has_left():
    assert restarted(fails(), fails(), fails(14))[0] == list(range(4, 18))
    assert restarted(fails(), fails(3), fails(), fails(10))[0][:6] == [0, 1, 2, 14, 15, 16]
