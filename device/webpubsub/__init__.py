"""Azure Web PubSub for MicroPython (and CPython).

    from webpubsub import WebPubSubClient, AccessToken

Names load their module when they are first used.

Each module that is imported leaves three names in a board's heap for ever: its dotted name, the
last part of it, and the path of its file. What `hubtool deploy` builds has modules of its own
instead (see hubtool's device_build.flat), called by names of the firmware's image; this package
keeps those that stay, and `_load` shows MicroPython's import all of them as one and the same file.

`once` loads a module by its `name`, a str such as "webpubsub.url".
"""

import gc
import sys

__version__ = "0.1.0"
# The build writes True here.
_FLAT = False
# Where names are; those that are not here are in the first one. One text is a fraction of a
# dict's heap.
_NAMES = (
    " errors.* client.WebPubSubClient anonymous.Anonymous credentials.AccessToken"
    " negotiate.Negotiate backoff.Backoff messages.Message websocket.ws_connect"
    " websocket.WSMsgType tls.tls_context tls.unverified_tls_context outbox.Outbox "
)


def __getattr__(name):
    at = _NAMES.find("." + name + " ")
    if at < 0:
        at = _NAMES.find(".")
    value = getattr(_module(_NAMES[_NAMES.rfind(" ", 0, at) + 1 : at]), name, None)
    if value is None:
        # MicroPython asks here for submodules, too, as in `from webpubsub import tls`.
        try:
            value = __import__(__name__ + "." + name, None, None, (name,))
        except ImportError:
            raise AttributeError(name)
    globals()[name] = value
    return value


if _FLAT:
    import vfs

    class _OneFile:
        """A file system with one file in it."""

        def __init__(self):
            self.path = None

        def mount(self, *_):
            pass

        umount = mount

        def stat(self, path):
            if path != "/_.mpy":
                raise OSError(2)
            return (0,) * 10  # no folder

        def open(self, _path, mode):
            return open(self.path, mode)

    _one_file = _OneFile()

    def _load(name):
        """Load a module that nobody else knows of afterwards; it may load others meanwhile.

        Raises:
            ImportError: there is no such file.
        """
        outer = _one_file.path
        library = __file__[: __file__.rfind("/", 0, __file__.rfind("/")) + 1]
        _one_file.path = library + name.replace(".", "/") + ".mpy"
        try:
            if outer is None:
                # Not for longer: in the root it would be seen as a folder.
                sys.path.insert(0, "/_")
                vfs.mount(_one_file, "/_")
            sys.modules.pop("_", None)
            return __import__("_")
        except OSError as error:
            if error.errno != 2:
                raise
            raise ImportError(name)
        finally:
            sys.modules.pop("_", None)
            _one_file.path = outer
            if outer is None:
                sys.path.remove("/_")
                vfs.umount("/_")

    def _module(name):
        if "." in name:  # one that has kept its name
            return __import__(name, None, None, ("*",))
        module = globals().get(name)
        if module is None:
            module = globals()[name] = once(name)
        return module

    def once(name):
        """See below; a name without a package is one that the build gave to a module."""
        module = sys.modules.get(name) or globals().get(name)
        return module or _load(name if "." in name else "webpubsub._" + name)

else:

    def _module(name):
        return __import__(__name__ + "." + name, None, None, (name,))

    def once(name):
        """Load a module that is needed now and rarely again, and forget it: garbage after use.

        name: of the module, such as "webpubsub.url". Loading costs some ms of reading flash, each
        time. It must hold no state, define no class of which objects stay, and nothing in it may
        wait (a coroutine under way keeps its module) or be kept (a closure, a bound method).
        """
        module = sys.modules.get(name)
        if module is None:
            module = __import__(name, None, None, ("*",))
            # CPython has memory, and would compile it again.
            if hasattr(gc, "mem_alloc"):
                package, _, attribute = name.rpartition(".")
                del sys.modules[name]
                delattr(sys.modules[package], attribute)
        return module


if sys.implementation.name != "micropython":
    # What imports one of these gets the sockets of that runtime.
    from . import stream_cpython

    for _name in ("stream", "sockets", "strerror"):
        sys.modules[__name__ + "." + _name] = globals()[_name] = stream_cpython
    # What boards load for one use: compiling it in a running loop would hold that up.
    from . import (  # noqa: F401
        access_url,
        answer,
        arguments,
        closing,
        confirming,
        connecting,
        decision,
        ending,
        failing,
        handshake,
        http_date,
        opening,
        recovery,
        unusual,
        upgrading,
        url,
    )
