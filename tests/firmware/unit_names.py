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


def connect(names):
    """Open a stream; the address that it got."""
    saved = sockets.socket, sockets.ADDRESS_TIMEOUT
    sockets.socket, sockets.ADDRESS_TIMEOUT = Socket(names), 0.3
    try:
        asyncio.run(sockets.open_stream("hub.example", 443)).close()
        return good_addresses[("hub.example", 443)][1]
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
            assert good_addresses[("hub.example", 443)][0] == second
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
    good_addresses[("hub.example", 443)] = (socket.AF_INET, old.address)
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
