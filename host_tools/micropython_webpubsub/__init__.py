"""What the host packages share: where the device files are, and what a board is.

`hubtool`, `localhub` and `simboard` import from here, and nothing here imports from them.
"""
