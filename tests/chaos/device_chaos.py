"""Run on a device: sends numbered messages and receives numbered ones, over cuts.

Prints a line for each thing that happens:
    ASKED state    a fresh URL was asked for, in this state of the client
    NEW            a new session
    LOST why       the session is over
    SENT n         the service acknowledged it, or: FAILED n outcome error
    TRY n          it is about to be sent
    GOT n          received, undamaged
    BAD n          received, but not what was sent
    END json       counters; the last line

SABOTAGE switches a safeguard off, so that the test can show that it sees it: "dedupe", "resend"
or "sequence_ack".
"""

import asyncio
import gc
import json
import os
import time

from webpubsub import Backoff, Negotiate, WebPubSubClient
from webpubsub.errors import WebPubSubError
from webpubsub.keeper import Keeper

NUMBER = os.getenv("NUMBER")
SENDERS = 3
ALPHABET = '0123456789abcdefg "\\é€😀' * 30


def padding(number):
    return ALPHABET[: number * 37 % 600]


def sabotage(what):
    """Take one of the promises away, so that the run has to fail; off without a name."""
    begin = Keeper.begin
    if what == "dedupe":

        def begin_without_memory(self, ws):
            self.session.received = 0  # as if whatever is replayed were new
            begin(self, ws)

        Keeper.begin = begin_without_memory
    elif what == "resend":

        def begin_without_resending(self, ws):
            for request in self.session.waiting:
                request.connection = self.connections + 1  # as if this connection had it already
            begin(self, ws)

        Keeper.begin = begin_without_resending
    elif what == "sequence_ack":
        Keeper.send_sequence_ack = lambda self: None
    elif what:
        raise ValueError(what)


def tls():
    path = os.getenv("CA")
    if not path:
        return None
    from webpubsub.tls import tls_context

    with open(path, "rb") as file:
        return tls_context(file.read())


class Chaos:
    def __init__(self):
        self.next = 0
        self.stopped = False
        self.negotiate = Negotiate(os.getenv("NEGOTIATE"))
        self.client = WebPubSubClient(
            self.fresh_url,
            ssl=tls(),
            ack_timeout=int(os.getenv("ACK_TIMEOUT", "60")),
            backoff=Backoff(first=0.05, maximum=0.3),
        )
        self.client.subscribe("connected", lambda event: print("NEW"))
        self.client.subscribe("recovering", self.recovering)
        self.client.subscribe("disconnected", self.lost)

    async def fresh_url(self):
        print("ASKED", self.client.state)
        return await self.negotiate.url()

    def recovering(self, event):
        self.since = time.ticks_ms()

    def lost(self, event):
        # The reason of the last attempt to recover, and how long all took.
        seconds = time.ticks_diff(time.ticks_ms(), self.since) // 1000
        print("LOST", event.reason, "then", self.client.stats.last_reason, "after", seconds, "s")

    async def send(self):
        client = self.client
        while not self.stopped:
            number = self.next
            self.next += 1
            print("TRY", number)
            content = {"n": number, "p": padding(number)}
            try:
                await client.send_to_group("up-" + NUMBER, content, no_echo=True)
                print("SENT", number)
            except (OSError, WebPubSubError) as error:
                print("FAILED", number, error.outcome, type(error).__name__)
            # In bursts, with pauses: a link has to be quiet at times.
            await asyncio.sleep(0.15 if number % 8 == 0 else 0.005)

    async def receive(self):
        async for message in self.client:
            data = message.data
            if "stop" in data:
                return
            number = data["n"]
            print("GOT" if data["p"] == padding(number) else "BAD", number)

    async def run(self):
        keeping = asyncio.create_task(self.client.run())
        receiving = asyncio.create_task(self.receive())
        await asyncio.sleep(0)
        await self.client.join_group("down-" + NUMBER)
        print("READY")
        sabotage(os.getenv("SABOTAGE"))
        senders = [asyncio.create_task(self.send()) for _ in range(SENDERS)]
        await receiving
        self.stopped = True
        for task in senders:
            await task
        await self.client.close()
        try:
            await keeping
        except asyncio.CancelledError:
            pass
        stats = self.client.stats
        gc.collect()
        print(
            "END",
            json.dumps(
                {
                    "tried": self.next,
                    "recoveries": stats.recoveries,
                    "sessions_lost": stats.reconnects,
                    "replayed": stats.duplicates,
                    "dropped": stats.dropped,
                    "heap": gc.mem_alloc() if hasattr(gc, "mem_alloc") else 0,
                    "descriptors": len(os.listdir("/proc/self/fd")),
                }
            ),
        )


asyncio.run(Chaos().run())
