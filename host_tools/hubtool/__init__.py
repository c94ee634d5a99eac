"""hubtool: puts MicroPython boards on Azure Web PubSub, from a laptop.

Layers, imports going downwards only:

- `main` and `commands.*`: the command line, one module per verb.
- `deployment`, `configuration`, `flashing`, `handler`, `monitoring`: what a verb does, as a
  function.
- `serial_link`, `board_files`, `bytecode`, `settings_*`, `access_token`, `roots`: the parts.
- `steps`, `console`, `secrets`, `errors`: shared by all.
"""
