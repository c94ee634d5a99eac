"""A cable instead of Wi-Fi: the link over `network.LAN`. `lan_joining` brings it up."""

from .link import NetworkLink


class Ethernet(NetworkLink):
    """The Ethernet interface of this board.

    Args:
        wiring: the table `ethernet` of the settings (docs/settings.md).
        options: as for NetworkLink.
    """

    part = "ethernet"
    joining = "firmware.lan_joining"
    # Made by the first try: a chip that does not answer yet is a failed try, not the end.
    lan = None

    def __init__(self, wiring, **options):
        super().__init__(**options)
        self.wiring = wiring

    def address(self):
        """The board's IP address as text, or None."""
        try:
            found = self.lan.ifconfig()[0] if self.lan else None
        except OSError:
            return None
        return None if found == "0.0.0.0" else found  # noqa: S104 - what it has that has none

    def is_joined(self):
        """Whether there is an address: without one no name can be looked up.

        `isconnected()` of a LAN says on some versions that the cable is in, on others that there
        is an address.
        """
        try:
            return self.lan is not None and self.lan.isconnected() and bool(self.address())
        except OSError:
            return False
