"""What is frozen into a firmware image; docs/install.md shows how.

MicroPython's build runs this file in its own folder and provides the names that it uses, so it
is no module: importing it ends in a NameError at its first statement.

    include("device")                 the client and `chargepoint`, as mip installs them
    include("device", firmware=True)  all that `hubtool deploy` writes; it starts by itself
"""

import os

metadata(
    description="Azure Web PubSub client, and the board services that go with it",
    version="0.1.0",
    license="MIT",
)
options.defaults(firmware=False)


def _freeze(name, left_out):
    modules = [file for file in sorted(os.listdir(name)) if file.endswith(".py")]
    # -O2, as `hubtool deploy` compiles: tracebacks keep their line numbers.
    package(name, files=[file for file in modules if file not in left_out], opt=2)


# CPython's side of stream.py.
_freeze("webpubsub", ("stream_cpython.py",))
_freeze("chargepoint", ())

if options.firmware:
    # A frozen boot.py would hide the user's own, and ours does nothing.
    _freeze("firmware", ("boot.py", "main.py"))
    module("main.py", base_path="firmware", opt=2)
