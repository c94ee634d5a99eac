"""Which tokens are those of Entra ID; without cryptography, which is slow to load."""

from __future__ import annotations

import jwt

RESOURCE = "https://webpubsub.azure.com"
AUDIENCES = (RESOURCE, f"{RESOURCE}/")


def is_entra_token(token: str) -> bool:
    """Whether a token claims to come from Entra ID: by its audience, which nobody has checked."""
    try:
        claims = jwt.decode(token, options={"verify_signature": False})
    except (jwt.PyJWTError, ValueError, TypeError, RecursionError):
        return False
    audience = claims.get("aud")
    entries = audience if isinstance(audience, list) else [audience]
    return any(isinstance(one, str) and one.lower() in AUDIENCES for one in entries)
