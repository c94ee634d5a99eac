"""Becomes the MicroPython process of a board. Started by `interpreter.py`, never imported.

`python -I -S launcher.py TTY FOLDER PROGRAM ARGUMENT...`: TTY is made the controlling terminal, so
that the kernel ends this process (SIGHUP) with its supervisor, however that one ends. PROGRAM is
the path of a MicroPython binary, or empty for the `micropython_run` extension found in FOLDER.
"""

import fcntl
import os
import signal
import sys
import termios


def main() -> None:
    """Take the terminal, then become the interpreter; never returns."""
    tty, folder, program, *arguments = sys.argv[1:]
    # CPython catches SIGINT; the supervisor takes "caught" to mean "MicroPython runs user code".
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    # `nohup` hands down that SIGHUP is ignored.
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    terminal = os.open(tty, os.O_RDWR)
    fcntl.ioctl(terminal, termios.TIOCSCTTY, 0)
    if program:
        os.execv(program, [program, *arguments])
    sys.path.insert(0, folder)
    from micropython_run import run_main  # type: ignore[import-not-found]

    os._exit(run_main(["micropython", *arguments]) & 0xFF)


if __name__ == "__main__":
    main()
