"""Boards at a serial port: files, firmware, images, deployment, the console."""
