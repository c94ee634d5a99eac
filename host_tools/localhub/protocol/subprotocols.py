"""The predefined subprotocols (client protocol, section 3), and what speaks them."""

from __future__ import annotations

from .codec import Codec
from .json_codec import JSON, RELIABLE_JSON

NAMES = (
    "json.webpubsub.azure.v1",
    "json.reliable.webpubsub.azure.v1",
    "protobuf.webpubsub.azure.v1",
    "protobuf.reliable.webpubsub.azure.v1",
)


def find_codec(name: str) -> Codec | None:
    """The codec of a predefined subprotocol, in any spelling; None for any other name."""
    name = name.lower()
    if name not in NAMES:
        return None
    if name.startswith("json."):
        return RELIABLE_JSON if ".reliable." in name else JSON
    # The protobuf package takes time to load: only a client that speaks it pays for it.
    from .protobuf_codec import PROTOBUF, RELIABLE_PROTOBUF

    return RELIABLE_PROTOBUF if ".reliable." in name else PROTOBUF
