"""Connections, groups, users, and what they may do: no I/O."""
