"""Azure Web PubSub for MicroPython (and CPython).

    from webpubsub import WebPubSubClient, AccessToken

Names load their module when they are first used.
"""

__version__ = "0.1.0"

_MODULES = {
    "WebPubSubClient": "client",
    "Anonymous": "credentials",
    "AccessToken": "credentials",
    "Negotiate": "negotiate",
    "Backoff": "backoff",
    "Message": "messages",
    "ws_connect": "websocket",
    "WSMsgType": "websocket",
    "tls_context": "tls",
    "unverified_tls_context": "tls",
    "WebPubSubError": "errors",
    "TransportError": "errors",
    "HandshakeError": "errors",
    "ConnectionClosed": "errors",
    "DeadlineError": "errors",
    "ProtocolError": "errors",
    "AckError": "errors",
    "SessionLost": "errors",
    "Stopped": "errors",
}


def __getattr__(name):
    module = _MODULES.get(name)
    if module is None:
        raise AttributeError(name)
    value = getattr(__import__(__name__ + "." + module, None, None, (name,)), name)
    globals()[name] = value
    return value
