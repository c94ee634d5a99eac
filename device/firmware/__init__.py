"""What turns a bare board into a device on a hub: settings, Wi-Fi, clock, watchdog, commands."""
