"""The rule for names: all addresses, the last good one first, and it survives an outage."""

import asyncio
import socket
import sys

from checks import raises

ON_BOARDS = sys.implementation.name == "micropython"
if ON_BOARDS:
    import webpubsub.sockets as sockets
    from webpubsub.stream import good_addresses
else:
    SKIPPED = "CPython's own loop does this there"


NAME = ("hub.example", 443)


class Server:
    """A port on loopback: 'good' takes connections, 'silent' lets them wait for ever."""

    def __init__(self, kind, family=socket.AF_INET):
        self.socket = socket.socket(family)
        self.family = family
        self.waiting = []
        host = "127.0.0.1" if family == socket.AF_INET else "::1"
        for port in range(43123, 43523):
            self.address = socket.getaddrinfo(host, port)[0][-1]
            try:
                self.socket.bind(self.address)
                break
            except OSError:
                pass
        if kind == "refusing":
            self.socket.close()
            return
        self.socket.listen(8 if kind == "good" else 0)
        # A queue that is full makes the kernel drop further attempts, as a firewall does.
        for _ in range(3 if kind == "silent" else 0):
            each = socket.socket()
            each.setblocking(False)
            try:
                each.connect(self.address)
            except OSError:
                pass
            self.waiting.append(each)

    def close(self):
        for each in self.waiting:
            each.close()
        self.socket.close()


class Names:
    """Stands for getaddrinfo: a list of servers, or None while names are out of order."""

    def __init__(self, *servers):
        self.servers = servers
        self.asked = 0

    def __call__(self, host, port, family, kind):
        self.asked += 1
        if self.servers is None:
            raise OSError(-202)
        return [(each.family, kind, 0, "", each.address) for each in self.servers]


class Socket:
    """The socket module with other names."""

    SOCK_STREAM = socket.SOCK_STREAM
    socket = socket.socket

    def __init__(self, names):
        self.getaddrinfo = names


def connect(names, answers=True):
    """Open a stream; the address that it got. answers: whether the right server is there."""
    saved = sockets.socket, sockets.ADDRESS_TIMEOUT
    sockets.socket, sockets.ADDRESS_TIMEOUT = Socket(names), 0.3
    try:
        stream = asyncio.run(sockets.open_stream(*NAME))
        stream.close()
        name, found = stream.address
        assert name == NAME
        if answers:
            good_addresses[NAME] = found
        return found[0][1]
    finally:
        sockets.socket, sockets.ADDRESS_TIMEOUT = saved


def fresh(*kinds):
    good_addresses.clear()
    return [Server(kind) for kind in kinds]


def test_each_address_is_tried_silent_ones_too():
    servers = fresh("silent", "refusing", "good")
    try:
        assert connect(Names(*servers)) == servers[2].address
    finally:
        for server in servers:
            server.close()


def test_addresses_of_both_families_are_tried():
    families = (socket.AF_INET, socket.AF_INET6)
    for first, second in (families, (socket.AF_INET6, socket.AF_INET)):
        try:
            servers = [Server("refusing", first), Server("good", second)]
        except OSError as error:
            print("this computer has no IPv6:", error)
            return
        good_addresses.clear()
        try:
            assert connect(Names(*servers)) == servers[1].address
            assert good_addresses[NAME][0][0] == second
        finally:
            for server in servers:
                server.close()


def test_the_last_good_address_needs_no_names():
    (server,) = fresh("good")
    names = Names(server)
    try:
        connect(names)
        names.servers = None
        assert connect(names) == server.address
        assert names.asked == 1
    finally:
        server.close()


def test_the_last_good_address_survives_an_outage_of_names_and_hub():
    (server,) = fresh("good")
    names = Names(server)
    connect(names)
    server.close()
    names.servers = None
    for _ in range(2):
        with raises(OSError) as caught:
            connect(names)
        assert "cannot resolve hub.example" in caught.text
    again = Server("good")
    assert again.address == server.address
    try:
        assert connect(names) == server.address
    finally:
        again.close()


def test_a_last_good_address_that_has_fallen_silent_is_replaced():
    old, new = fresh("silent", "good")
    good_addresses[NAME] = (socket.AF_INET, old.address), True
    try:
        assert connect(Names(new)) == new.address
    finally:
        old.close()
        new.close()


def test_nobody_answers():
    servers = fresh("refusing", "silent")
    try:
        with raises(OSError) as caught:
            connect(Names(*servers))
        assert "cannot connect to hub.example port 443: no answer" in caught.text, caught.text
    finally:
        for server in servers:
            server.close()


def test_an_address_without_an_answer_is_not_good():
    old, new = fresh("good", "good")
    names = Names(old)
    try:
        assert connect(names) == old.address
        # Something else listens there now: the name is asked, and leads to the new machine.
        names.servers = (new,)
        assert connect(names, answers=False) == old.address
        assert names.asked == 1
        assert connect(names, answers=False) == new.address
        assert connect(names) == new.address
        assert names.asked == 3
        assert connect(names) == new.address
        assert names.asked == 3
    finally:
        old.close()
        new.close()


def test_what_answers_and_then_fails_is_left_at_the_second_attempt():
    old, new = fresh("good", "good")
    names = Names(old)
    try:
        connect(names)
        names.servers = (new,)
        assert connect(names) == old.address  # a 101, and the end
        assert connect(names) == new.address
    finally:
        old.close()
        new.close()


def test_the_last_address_serves_while_names_are_out_of_order():
    (server,) = fresh("good")
    names = Names(server)
    try:
        connect(names)
        names.servers = None
        for _ in range(2):
            assert connect(names, answers=False) == server.address
        assert names.asked == 2
    finally:
        server.close()


def test_of_several_machines_that_one_comes_last_which_did_not_answer():
    old, new = fresh("good", "good")
    names = Names(old, new)
    try:
        connect(names)
        assert connect(names, answers=False) == old.address
        assert connect(names) == new.address
    finally:
        old.close()
        new.close()
