"""Access keys, access tokens, and the callers of the data plane."""
