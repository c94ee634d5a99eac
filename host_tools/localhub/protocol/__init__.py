"""What travels between a client and the service, and how it is written: no I/O."""
