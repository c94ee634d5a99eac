# mypy: ignore-errors
# What the ESP32's image freezes and device code of this project uses.
include("$(MPY_DIR)/extmod/asyncio")
module("ssl.py", base_path="$(PORT_DIR)/variants/chip", opt=3)
