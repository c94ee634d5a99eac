"""Run on a device against TLS servers; the settings come as JSON in the environment.

SERVERS: {name: port}. CA: path of the CA certificate in DER. OTHER_CA: path of another one.
CERT, KEY: paths of a client certificate and its key in DER, and with .pem behind them in PEM.
"""

import asyncio
import json
import os
import sys

from checks import equal, raises
from device_common import descriptors, fails, main, settled
from webpubsub.errors import DeadlineError, ProtocolError, TransportError
from webpubsub.tls import ca_certificates, tls_context, unverified_tls_context
from webpubsub.websocket import WSMsgType, ws_connect

CPYTHON = sys.implementation.name != "micropython"
PORTS = json.loads(os.getenv("SERVERS"))


def read(name):
    with open(os.getenv(name), "rb") as file:
        return file.read()


def connect(server, path="/echo", ca=("CA",), **options):
    options.setdefault("ssl", tls_context([read(name) for name in ca]))
    options.setdefault("timeout", 10)
    return ws_connect("wss://localhost:" + str(PORTS[server]) + path, **options)


async def refused(*arguments, **options):
    """The connection fails with one clear error, and without a descriptor left open."""
    before = descriptors()
    error = await fails(TransportError, connect(*arguments, **options))
    text = str(error)
    assert "localhost" in text, text
    assert "\n" not in text
    assert not isinstance(error, DeadlineError), text
    await settled(before)
    return text


async def test_a_good_certificate():
    before = descriptors()
    async with await connect("good") as ws:
        for size in (0, 1, 1000, 2048, 5000, 16384):
            data = bytes([size & 255]) * size
            await ws.send_bytes(data)
            equal(await ws.receive_bytes(), data)
    equal(ws.close_code, 1000)
    await settled(before)


async def test_one_of_several_cas():
    for names in (("OTHER_CA", "CA"), ("CA", "OTHER_CA")):
        async with await connect("good", ca=names) as ws:
            await ws.send_str("x")
            equal(await ws.receive_str(), "x")
    both = tls_context(read("OTHER_CA") + read("CA"))
    async with await connect("good", ssl=both) as ws:
        await ws.send_str("x")
        equal(await ws.receive_str(), "x")


async def test_a_wrong_host():
    await refused("wrong_host")


async def test_an_unknown_ca():
    await refused("good", ca=("OTHER_CA",))


async def test_an_expired_certificate():
    await refused("expired")


async def test_a_certificate_that_is_not_valid_yet():
    await refused("not_yet")


async def test_a_self_signed_certificate():
    await refused("self_signed")


async def test_a_client_certificate():
    if CPYTHON:
        pair = os.getenv("CERT") + ".pem", os.getenv("KEY") + ".pem"
    else:
        pair = read("CERT"), read("KEY")
        for wrong in ((b"no certificate", pair[1]), (pair[0], b"no key"), (pair[0], pair[0])):
            raises(ValueError, tls_context, read("CA"), *wrong)
    async with await connect("mutual", ssl=tls_context(read("CA"), *pair)) as ws:
        await ws.send_str("x")
        equal(await ws.receive_str(), "x")


async def test_no_client_certificate():
    before = descriptors()
    # In TLS 1.3 the client has finished its handshake when the server refuses.
    await fails(TransportError, connect("mutual"))
    await settled(before)


async def test_tls_1_1_is_too_old():
    await refused("old")
    await refused("old", ssl=unverified_tls_context())


async def test_a_server_that_never_shakes_hands():
    before = descriptors()
    await fails(DeadlineError, connect("mute", timeout=0.5))
    await settled(before)


async def test_a_cut_in_the_handshake():
    for server in ("fin", "rst"):
        await refused(server)


async def test_verification_can_only_be_left_out_by_name():
    for server in ("wrong_host", "self_signed", "expired"):
        async with await connect(server, ssl=unverified_tls_context()) as ws:
            await ws.send_str("x")
            equal(await ws.receive_str(), "x")


async def test_contexts_that_cannot_be_made():
    raises(ValueError, tls_context, [])
    raises(ValueError, tls_context, b"")
    raises(ValueError, tls_context, b"-----BEGIN CERTIFICATE-----")
    raises(ValueError, tls_context, [b"not a certificate"])
    raises(ValueError, tls_context, read("CA")[:-5])
    equal([bytes(part) for part in ca_certificates(read("CA") * 2)], [read("CA")] * 2)


async def test_a_stalled_reader_gets_whole_frames():
    # After a TLS write would block, exactly the same bytes must be offered again.
    ws = await connect("good", "/stall", ping_interval=None, silence_timeout=None)
    sent = 0
    chunk = bytearray(8192)
    while True:
        chunk[:] = bytes([sent & 255]) * len(chunk)
        sent += 1
        try:
            await asyncio.wait_for(ws.send_bytes(chunk), 0.3)
        except asyncio.TimeoutError:
            break
        assert sent < 2000, "the server's buffers have no end"
    assert not ws.post_frame(b"no room", WSMsgType.TEXT)
    task = asyncio.create_task(send(ws, b"\xdd" * 9))
    reader = asyncio.create_task(ws.receive_str())
    await asyncio.sleep(0.05)
    async with await connect("good", "/release"):
        await task
        await ws.send_str("report")
        seen = json.loads(await reader)
    expected = [[8192, number & 255, True] for number in range(sent)] + [[9, 0xDD, True]]
    assert seen == expected, seen[-6:]
    await ws.close()


async def test_a_server_that_talks_on_after_its_mistake_learns_of_it():
    ws = await connect("bad", "/babble")
    await fails(ProtocolError, ws.receive())
    async with await connect("bad", "/why") as ws:
        equal(await ws.receive_str(), "1002")


async def test_silence_ends_the_socket_too():
    # Nothing is read there any more, not even the end of TLS.
    before = descriptors()
    ws = await connect("bad", "/mute", ping_interval=0.2, silence_timeout=0.6)
    await fails(DeadlineError, ws.receive())
    await settled(before)
    ws = await connect("bad", "/mute", ping_interval=None, silence_timeout=0.6)
    chunk = bytes(8192)
    for _ in range(2000):
        try:
            await asyncio.wait_for(ws.send_bytes(chunk), 0.2)
        except asyncio.TimeoutError:
            break
    await fails(DeadlineError, ws.receive())
    await settled(before)


async def send(ws, data):
    await ws.send_bytes(data)


async def test_concurrent_messages_both_ways():
    ws = await connect("good")
    data = bytes(range(250)) * 12

    async def sender():
        for _ in range(60):
            await ws.send_bytes(data)

    task = asyncio.create_task(sender())
    for _ in range(60):
        assert await ws.receive_bytes() == data
    await task
    await ws.close()


main(globals())
