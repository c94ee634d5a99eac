"""Servers that hubtool runs: event handler, negotiate, the local service."""
