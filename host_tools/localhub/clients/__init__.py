"""The endpoint of clients, and its opening handshake."""
