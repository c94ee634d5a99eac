"""Requests of clients: groups, publishing, events, invocations, streams."""
