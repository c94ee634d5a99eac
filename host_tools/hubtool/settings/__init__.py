"""A board's settings: from a file on this computer into the slots on a board."""
