"""A peer: chumicro-websockets from PyPI, driven by its `check` and `handle`.

Between them it waits for its socket, as the runner of its family does. Its budgets per tick are
raised to the size of the message, for its defaults take 16 KiB in sixteen turns.

HEAP: print the heap bytes of one echo, with the collector off, from the 20th message on.
"""

import gc
import os
import select

from chumicro_sockets.sockets_factory import connector_factory
from chumicro_timing import ticks_ms
from chumicro_websockets import WebSocketClient, WebSocketState

URL, SIZE, COUNT, CA, HEAP = (os.getenv(name) for name in ("URL", "SIZE", "COUNT", "CA", "HEAP"))
WARM = 20
# Longer than any frame without a message.
OVERHEAD = 16


class Echo:
    def __init__(self, size, count, ssl):
        budget = max(1024, size + OVERHEAD)
        self.client = WebSocketClient(
            connector_factory(ssl_context=ssl),
            recv_budget_per_tick=budget,
            send_budget_per_tick=budget,
        )
        self.client.on_open = self.send
        self.client.on_binary = self.received
        self.message = bytes(size)
        self.count = count
        self.done = 0
        self.before = 0

    def send(self):
        self.client.send_binary(self.message)

    def received(self, data):
        assert len(data) == len(self.message)
        self.done += 1
        if HEAP and self.done == WARM:
            gc.collect()
            gc.disable()
            self.before = gc.mem_alloc()
        if self.done < self.count:
            self.send()
        else:
            if HEAP:
                print("echo", (gc.mem_alloc() - self.before) // (self.done - WARM))
                gc.enable()
            self.client.close()


def drive(client):
    poller = select.poll()
    waiting = None
    mask = 0
    while client.state != WebSocketState.CLOSED:
        now = ticks_ms()
        if client.check(now):
            client.handle(now)
        sock = client.io_socket
        sock = getattr(sock, "sock", sock)
        wanted = client.io_interest(now)
        if sock is None:
            continue
        if sock is not waiting:
            poller = select.poll()
            waiting, mask = sock, 0
        wanted = (select.POLLIN if wanted & 1 else 0) | (select.POLLOUT if wanted & 2 else 0)
        if wanted != mask:
            poller.register(sock, wanted)
            mask = wanted
        for _ in poller.ipoll(1000):
            pass


def main():
    ssl = None
    if CA:
        from chumicro_sockets import ssl_context_with_ca

        with open(CA, "rb") as file:
            ssl = ssl_context_with_ca(file.read())
    echo = Echo(int(SIZE), int(COUNT), ssl)
    echo.client.connect(URL)
    drive(echo.client)
    if echo.done != echo.count:
        raise echo.client.last_error or OSError("closed too early")


main()
