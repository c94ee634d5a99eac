"""Which modules are loaded, for each thing that a program may choose: one line for each."""

import os
import sys


def websocket():
    from webpubsub import ws_connect  # noqa: F401


def client():
    from webpubsub import WebPubSubClient

    return WebPubSubClient("ws://127.0.0.1/client/hubs/hub")


def tls():
    from webpubsub import tls_context  # noqa: F401


def credentials():
    from webpubsub import AccessToken  # noqa: F401


def expiry():
    from webpubsub import AccessToken

    return AccessToken("ws://127.0.0.1", "hub", "a.e30.c").expires


def negotiate():
    from webpubsub import Negotiate  # noqa: F401


def outbox():
    import webpubsub.journal
    import webpubsub.outbox

    return webpubsub.outbox, webpubsub.journal


def protobuf():
    from webpubsub import WebPubSubClient

    protocol = "protobuf.reliable.webpubsub.azure.v1"
    return WebPubSubClient("ws://127.0.0.1/client/hubs/hub", protocol=protocol)


def chumicro():
    from chumicro_sockets.sockets_factory import connector_factory
    from chumicro_timing import ticks_ms  # noqa: F401
    from chumicro_websockets import WebSocketClient  # noqa: F401

    return connector_factory()("127.0.0.1", 1, False)


known = set(sys.modules)
kept = []
for name in os.getenv("STEPS").split():
    kept.append(globals()[name]())
    print(name, *(set(sys.modules) - known))
    known = set(sys.modules)
