"""Names of Azure Web PubSub that tests on this computer use: subprotocols and roles."""

from __future__ import annotations

JSON = "json.webpubsub.azure.v1"
RELIABLE_JSON = "json.reliable.webpubsub.azure.v1"
PROTOBUF = "protobuf.webpubsub.azure.v1"
RELIABLE_PROTOBUF = "protobuf.reliable.webpubsub.azure.v1"

# In every group.
ROLES = ("webpubsub.joinLeaveGroup", "webpubsub.sendToGroup")
