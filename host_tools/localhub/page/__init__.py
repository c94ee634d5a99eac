"""The page at `/`: what goes on in the service, for whoever sits at this computer.

It acts with the service's authority, so it is served to this computer only, unless the
configuration says otherwise; see `guard`. Nothing is recorded while no page is open.
"""

from .endpoint import PageEndpoint

__all__ = ["PageEndpoint"]
