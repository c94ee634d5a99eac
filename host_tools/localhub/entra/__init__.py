"""Microsoft Entra ID: who an application server is, and what its roles allow.

settings   the `[entra]` table
scopes     where a role assignment counts
roles      role definitions, and what an assignment allows
store      the issuer's signing key and secrets, kept over restarts
issuer     tokens of the local issuer
endpoint   its HTTP side: metadata, keys, token endpoints
tenant     a real tenant, by the URL of its metadata
audience   which tokens are meant for it
tokens     checking a token
directory  all of it, as the service uses it
"""
