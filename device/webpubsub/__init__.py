"""Azure Web PubSub for MicroPython (and CPython).

    from webpubsub import WebPubSubClient, AccessToken

Names load their module when they are first used.
"""

import sys

__version__ = "0.1.0"

if sys.implementation.name != "micropython":
    # What imports one of these gets the sockets of that runtime.
    from . import stream_cpython

    for _name in ("stream", "sockets", "words"):
        sys.modules[__name__ + "." + _name] = globals()[_name] = stream_cpython
    # What boards load for one use: compiling it in a running loop would hold that up.
    from . import answer, closing, connecting, handshake, opening, recovery, url  # noqa: F401

# Where names are; all others are errors. One text is a fraction of a dict's heap.
_NAMES = (
    " client.WebPubSubClient anonymous.Anonymous credentials.AccessToken negotiate.Negotiate"
    " backoff.Backoff messages.Message websocket.ws_connect websocket.WSMsgType"
    " tls.tls_context tls.unverified_tls_context "
)


def __getattr__(name):
    module = "errors"
    at = _NAMES.find("." + name + " ")
    if at >= 0:
        module = _NAMES[_NAMES.rfind(" ", 0, at) + 1 : at]
    value = getattr(_module(module), name, None)
    if value is None:
        # MicroPython asks here for submodules, too, as in `from webpubsub import tls`.
        try:
            value = _module(name)
        except ImportError:
            raise AttributeError(name)
    globals()[name] = value
    return value


def _module(name):
    return __import__(__name__ + "." + name, None, None, (name,))
