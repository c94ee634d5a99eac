"""The way in for clients: the endpoint and its opening handshake."""
