"""All against the good server on a port whose asyncio has another queue of sockets inside."""

from webpubsub import stream

stream.core = None  # what is not known is not used: the sockets are polled

import device_good_server  # noqa: E402, F401 runs its tests
