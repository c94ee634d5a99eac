"""Cut connections at random places, and count what gets lost or doubled."""
