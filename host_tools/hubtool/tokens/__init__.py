"""Client Access Tokens: read and made."""
