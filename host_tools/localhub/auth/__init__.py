"""Access keys, tokens, and who calls."""
