"""Wi-Fi: the link of a board that is a client of one network. `wifi_joining` brings it up."""

from .link import NetworkLink


class Station(NetworkLink):
    """The Wi-Fi interface of this board.

    Args:
        ssid, password: the network to join; an empty password for an open network.
        options: as for NetworkLink.
    """

    part = "wifi"
    joining = "firmware.wifi_joining"

    def __init__(self, ssid, password, **options):
        import network

        super().__init__(**options)
        self.ssid = ssid
        self.password = password
        self.wlan = network.WLAN(getattr(network, "STA_IF", 0))

    def rssi(self):
        """Signal strength in dBm, or None."""
        try:
            return self.wlan.status("rssi") if self.is_up() else None
        except (OSError, ValueError):
            return None

    def address(self):
        """The board's IP address as text, or None."""
        return self.wlan.ifconfig()[0] if self.is_up() else None

    def is_joined(self):
        """Whether the driver says that the board is in that network."""
        try:
            if not self.wlan.isconnected():
                return False
            # A link that other code brought up is welcome, unless it leads elsewhere.
            return self.wlan.config("ssid") in (self.ssid, "")
        except OSError:
            return False
        except (ValueError, TypeError):
            return True  # a port that does not tell
