"""Security profiles, keys over OCPP, and both ways to connect; on all interpreters."""

from __future__ import annotations

import asyncio
import itertools
import ssl
from pathlib import Path

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from tests.chargepoint.conftest import Device
from tests.support.central_system import call

KEY = "old key of 16 by"
NEW = bytes(range(0xEC, 0x100))


async def set_key(device: Device, key: str, value: str) -> str:
    answer = await device.central.ask(call.ChangeConfiguration(key=key, value=value))
    return str(answer.status)


def only(device: Device, *keys: bytes | None) -> None:
    """Let in who has one of these keys."""
    device.central.admit = lambda _, key: (101 if key in keys else 401, {})


async def test_a_key_is_sent_as_basic_and_a_new_one_takes_its_place(everywhere):
    async def scenario(device: Device) -> None:
        central = device.central
        only(device, KEY.encode())
        await device.start(key=KEY, profile=1, identity="CP 7/\u00e4")
        await central.heard("BootNotification")
        assert central.handshakes[0].path == "/ocpp/CP%207%2F%C3%A4"
        only(device, NEW)
        for text in ("", "no hexadecimal digits", NEW.hex()[:30], NEW.hex() + "00"):
            assert await set_key(device, "AuthorizationKey", text) == "Rejected"
        assert await set_key(device, "authorizationKEY", NEW.hex().upper()) == "Accepted"
        await central.until(lambda: len(central.handshakes) == 2)
        assert [each.key for each in central.handshakes] == [KEY.encode(), NEW]
        await central.until(lambda: central.stations)
        found = await device.state()
        for secret in (KEY, NEW.hex(), NEW.hex().upper(), repr(NEW)):
            assert secret not in str(found)
        assert len(central.calls("BootNotification")) == 1
        await device.end()

    await everywhere(scenario)


async def test_a_new_key_that_is_refused_three_times_is_given_up(everywhere):
    async def scenario(device: Device) -> None:
        central = device.central
        only(device, KEY.encode())
        await device.start(key=KEY, profile=1)
        await central.heard("BootNotification")
        assert await set_key(device, "AuthorizationKey", NEW.hex()) == "Accepted"
        await central.until(lambda: len(central.handshakes) == 5)
        keys = [each.key for each in central.handshakes]
        assert keys == [KEY.encode(), NEW, NEW, NEW, KEY.encode()]
        await central.until(lambda: central.stations)
        await device.end()

    await everywhere(scenario)


async def test_a_key_outlives_a_power_cut_also_in_mid_trial(everywhere):
    async def scenario(device: Device) -> None:
        central = device.central
        only(device, KEY.encode())
        given = {"key": KEY, "profile": 1, "folder": str(device.folder), "pause": 1}
        await device.start(**given)
        await central.heard("BootNotification")
        assert await set_key(device, "AuthorizationKey", NEW.hex()) == "Accepted"
        await central.until(lambda: central.handshakes[-1].key == NEW)
        await device.kill()
        only(device, NEW)
        await device.start()
        await central.heard("BootNotification", 2)
        assert central.handshakes[-1].key == NEW
        await device.kill()
        await device.start()
        await central.heard("BootNotification", 3)
        assert central.handshakes[-1].key == NEW
        await device.end()

    await everywhere(scenario)


async def test_refusals_are_met_with_patience(everywhere):
    async def scenario(device: Device) -> None:
        central = device.central
        refusals = [401, 403, 404, 503, 500]
        asked = iter(refusals)

        def admit(_: str, __: bytes | None) -> tuple[int, dict[str, str]]:
            status = next(asked, 101)
            return status, {"Retry-After": "3"} if status == 503 else {}

        central.admit = admit
        await device.start(slow=1.5, pause=0.1)
        await central.heard("BootNotification")
        at = [each.at for each in central.handshakes]
        pauses = [later - earlier for earlier, later in itertools.pairwise(at)]
        assert [each.status for each in central.handshakes] == [*refusals, 101]
        assert all(1.4 < pause < 3 for pause in pauses[:3]), pauses
        assert pauses[3] > 2.9
        assert pauses[4] < 1.5
        await device.end()

    await everywhere(scenario)


async def test_a_server_without_the_subprotocol_is_none(everywhere):
    async def scenario(device: Device) -> None:
        central = device.central
        await device.start(slow=0.3)
        await central.until(lambda: len(central.handshakes) > 2)
        assert central.log == []
        await device.kill()

    await everywhere(scenario, subprotocols=("ocpp2.0.1",))


async def test_through_a_hub(everywhere):
    async def scenario(device: Device) -> None:
        central = device.central
        base = device.given["url"].removesuffix("/ocpp")
        only(device, KEY.encode())
        await device.start(
            url=base, hub="chargers", identity="CP/7&x=1 \u00e4", key=KEY, profile=1
        )
        boot = await central.heard("BootNotification")
        assert boot.station == "CP/7&x=1 \u00e4"
        assert central.handshakes[0].path == ("/client/hubs/chargers?id=CP%2F7%26x%3D1%20%C3%A4")
        await device.end()

    await everywhere(scenario)


async def test_a_dead_link_is_given_up_after_three_ping_intervals(everywhere):
    async def scenario(device: Device) -> None:
        central = device.central
        await device.start(keys={"WebSocketPingInterval": 600, "HeartbeatInterval": 0})
        await central.heard("BootNotification")
        # The new interval counts on the open connection.
        assert await set_key(device, "WebSocketPingInterval", "1") == "Accepted"
        await asyncio.sleep(5)
        assert len(central.handshakes) == 1
        loop = asyncio.get_running_loop()
        before = loop.time()
        station = next(iter(central.stations.values()))
        station.mute()
        await central.until(lambda: len(central.handshakes) == 2, 20)
        assert 1.5 < loop.time() - before < 8
        assert await set_key(device, "WebSocketPingInterval", "0") == "Accepted"
        await device.end()

    await everywhere(scenario)


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> tuple[trustme.CA, Path]:
    folder = tmp_path_factory.mktemp("tls")
    ca = trustme.CA()
    ca.cert_pem.write_to_path(folder / "ca.pem")
    ca_der = x509.load_pem_x509_certificate(ca.cert_pem.bytes())
    (folder / "ca.der").write_bytes(ca_der.public_bytes(serialization.Encoding.DER))
    leaf = ca.issue_cert("cp-7@example.com")
    pem = leaf.cert_chain_pems[0].bytes(), leaf.private_key_pem.bytes()
    (folder / "cert.pem").write_bytes(pem[0])
    (folder / "key.pem").write_bytes(pem[1])
    certificate = x509.load_pem_x509_certificate(pem[0])
    (folder / "cert.der").write_bytes(certificate.public_bytes(serialization.Encoding.DER))
    key = serialization.load_pem_private_key(pem[1], None)
    (folder / "key.der").write_bytes(
        key.private_bytes(
            serialization.Encoding.DER,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return ca, folder


def server(ca: trustme.CA, verify: ssl.VerifyMode) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert("localhost").configure_cert(context)
    ca.configure_trust(context)
    context.verify_mode = verify
    return context


def files(device: Device, folder: Path, *, certificate: bool) -> dict[str, str]:
    ending = "pem" if device.interpreter.name == "cpython" else "der"
    given = {"ca": str(folder / "ca.der")}
    if certificate:
        given["certificate"] = str(folder / f"cert.{ending}")
        given["private"] = str(folder / f"key.{ending}")
    return given


async def test_profile_2_is_tls_with_basic(everywhere, tls):
    ca, folder = tls

    async def scenario(device: Device) -> None:
        only(device, KEY.encode())
        await device.start(key=KEY, profile=2, **files(device, folder, certificate=False))
        await device.central.heard("BootNotification")
        await device.end()

    await everywhere(scenario, server(ca, ssl.CERT_NONE))


async def test_profile_3_is_a_client_certificate(everywhere, tls):
    ca, folder = tls

    async def scenario(device: Device) -> None:
        only(device, None)
        await device.start(profile=3, **files(device, folder, certificate=True))
        await device.central.heard("BootNotification")
        await device.end()

    await everywhere(scenario, server(ca, ssl.CERT_REQUIRED))


async def test_the_profile_goes_up_and_back_when_that_cannot_connect(everywhere, tls):
    ca, folder = tls

    async def scenario(device: Device) -> None:
        central = device.central
        only(device, KEY.encode(), None)
        given = files(device, folder, certificate=True)
        await device.start(key=KEY, profile=2, highest=3, **given)
        await central.heard("BootNotification")
        for text in ("0", "1", "4", "x"):
            assert await set_key(device, "SecurityProfile", text) == "Rejected"
        only(device, KEY.encode())
        assert await set_key(device, "SecurityProfile", "3") == "Accepted"
        await central.until(lambda: len(central.handshakes) == 5)
        keys = [each.key for each in central.handshakes]
        assert keys == [KEY.encode(), None, None, None, KEY.encode()]
        await central.until(lambda: central.stations)
        assert (await device.state())["profile"] == 2
        only(device, KEY.encode(), None)
        assert await set_key(device, "SecurityProfile", "3") == "Accepted"
        await central.until(lambda: len(central.handshakes) == 6)
        await central.until(lambda: central.stations)
        assert (await device.state())["profile"] == 3
        assert await set_key(device, "SecurityProfile", "2") == "Rejected"
        await device.end()

    await everywhere(scenario, server(ca, ssl.CERT_OPTIONAL))
