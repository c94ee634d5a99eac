"""Sockets: listeners, HTTP connections, WebSockets, TLS."""
