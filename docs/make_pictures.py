"""Makes docs/demo.svg: what `hubtool demo` prints on a terminal."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
from pathlib import Path

from rich.console import Console
from rich.text import Text

HERE = Path(__file__).parent
WIDTH = 110


def main() -> None:
    """Run the demo on a pseudo-terminal and draw its output."""
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": str(WIDTH)}
    command = [str(Path(sys.executable).with_name("hubtool")), "demo", "--seconds", "12"]
    with subprocess.Popen(command, stdout=theirs, stderr=theirs, env=environment) as process:
        os.close(theirs)
        output = b""
        try:
            while chunk := os.read(ours, 4096):
                output += chunk
        except OSError:
            pass  # Linux says EIO at the end of a pseudo-terminal
        if process.wait():
            sys.exit(f"the demo failed:\n{output.decode(errors='replace')}")
    console = Console(width=WIDTH, record=True, file=open(os.devnull, "w"))  # noqa: SIM115
    console.print(Text.from_ansi(output.decode().replace("\r\n", "\n")))
    picture = console.export_svg(title="make demo")
    # Nothing is loaded from elsewhere: the viewer's own monospaced font does.
    picture = re.sub(r"@font-face \{.*?\}", "", picture, flags=re.DOTALL)
    (HERE / "demo.svg").write_text(picture)


main()
