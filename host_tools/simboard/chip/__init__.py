"""The model of the chip: MicroPython for 32 bits with the heaps of an ESP32, built from source."""
