"""Run as a process of its own: Microsoft's libraries, and a note of every address they ask for.

Prints one JSON document: what was answered, and the addresses. ENDPOINT is the service's; the
identity is in the environment, as azure-identity wants it. Whatever is not loopback is refused.
"""

import ipaddress
import json
import os
import socket

asked: list[str] = []


def is_loopback(host: object) -> bool:
    try:
        return ipaddress.ip_address(str(host)).is_loopback
    except ValueError:
        return host == "localhost"


def guarded(real, place):
    def call(*arguments, **named):
        address = arguments[place]
        host = address[0] if isinstance(address, tuple) else address
        asked.append(str(host))
        if not is_loopback(host):
            raise OSError(f"{host} is not on this computer")
        return real(*arguments, **named)

    return call


class Socket(socket.socket):
    connect = guarded(socket.socket.connect, 1)
    connect_ex = guarded(socket.socket.connect_ex, 1)
    sendto = guarded(socket.socket.sendto, -1)


socket.socket = Socket  # type: ignore[misc]
socket.getaddrinfo = guarded(socket.getaddrinfo, 0)
socket.gethostbyname = guarded(socket.gethostbyname, 0)


def main() -> None:
    from azure.identity import ClientSecretCredential
    from azure.messaging.webpubsubservice import WebPubSubServiceClient

    credential = ClientSecretCredential(
        os.environ["AZURE_TENANT_ID"],
        os.environ["AZURE_CLIENT_ID"],
        os.environ["AZURE_CLIENT_SECRET"],
        authority=os.environ["AZURE_AUTHORITY_HOST"],
        disable_instance_discovery=os.environ.get("DISCOVERY") != "on",
    )
    client = WebPubSubServiceClient(os.environ["ENDPOINT"], "chargers", credential)
    try:
        client.send_to_all("hi", content_type="text/plain")
        token = client.get_client_access_token(user_id="u")["token"]
        outcome = f"{len(token.split('.'))} parts"
    except Exception as error:  # noqa: BLE001 - whatever it is, it is printed
        outcome = f"{type(error).__name__}: {error}"
    print(json.dumps({"outcome": outcome, "asked": asked}))


main()
