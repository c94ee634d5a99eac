"""A board's settings: from a file on this computer into the slots on a board.

`file` reads TOML and knows lines; `model` says what may be in it; `configuration` adds secrets,
certificates and what the command line says; `record` makes the bytes of a slot; `board` finds the
slot in use; `plan` lists what is to be written, and `steps.run_plan` writes it through
`board.files`. What a slot is: docs/settings.md.
"""
