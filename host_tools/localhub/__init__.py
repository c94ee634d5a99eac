"""A local Azure Web PubSub service: one process, in memory, on loopback.

    from localhub import LocalHub

    async with LocalHub({"hubs": [{"name": "chargers"}]}) as hub:
        print(hub.endpoint, hub.client_url("chargers", user_id="cp-7"))

The names below are the public interface. They load when first asked for, so that the pytest
plugin costs nothing in a test run that does not use it.

By what they know: `protocol` turns frames into messages and back; `hub` has connections, groups
and permissions; neither does I/O. `auth` checks keys and tokens. `transport` has the sockets,
`clients` lets clients in, `requests` does what they ask for, `events` speaks to event handlers.
`rest`, `entra`, `faults` and `page` are what else is served. `runtime` is one hub with all of
these, and `service` has the hubs, the listeners and the keys.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .config import Config as Config
    from .errors import ConfigError as ConfigError
    from .service import LocalHub as LocalHub
    from .service import serve as serve

__all__ = ["Config", "ConfigError", "LocalHub", "serve"]

_HOMES = {
    "Config": ".config",
    "ConfigError": ".errors",
    "LocalHub": ".service",
    "serve": ".service",
}


def __getattr__(name: str) -> object:
    try:
        home = _HOMES[name]
    except KeyError:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}") from None
    return getattr(import_module(home, __name__), name)
