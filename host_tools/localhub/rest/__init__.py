"""The REST data plane: how application servers send, close, group and permit."""
