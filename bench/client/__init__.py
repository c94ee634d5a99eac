"""What the bench of the device client measures."""
