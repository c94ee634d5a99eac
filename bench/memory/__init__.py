"""What the bench of the device code's memory measures."""
