"""The ROM bootloader of a simulated board, for esptool, over the board's own flash file.

    with Bootloader(flash, chip="esp32") as rom:
        subprocess.run([sys.executable, "-m", "esptool", "--port", rom.url, ...])

It is PyPI `esp32-mock-bootloader` (0.3.0, whose internals this relies on) on a TCP port. Keep the
board itself off while it runs: on a chip, too, only one of the two is at work.

Tried with esptool 5.6, `--before no-reset --after no-reset`, chips esp32, esp32s3 and esp32c3:

| esptool | works |
|---|---|
| `chip-id`, `flash-id`, `read-mac`, `--chip auto` | yes |
| `write-flash`, with and without `--no-stub`, `--no-compress` | yes; hash verified |
| `verify-flash`, with and without `--no-stub` | yes, both verdicts |
| `read-flash --no-stub` (the option stands before the verb) | yes |
| `read-flash` with the stub | no: "No more data to read from the serial port" |
| `erase-flash`, `erase-region` | yes (with the stub, which is esptool's default) |
| `--after hard-reset` | there are no lines to pull over TCP; nothing is reset |
| `write-flash --encrypt`, eFuses, secure boot | no |
"""

from __future__ import annotations

import contextlib
import mmap
import socket
import threading
from pathlib import Path
from types import TracebackType
from typing import Any

from micropython_webpubsub.installing import install_package

from .errors import SimulatorError

# Alpha: its flash image handling is what is relied on.
_MOCK = "esp32-mock-bootloader==0.3.0"


def _file_image(base: type[Any], memory: mmap.mmap) -> Any:
    """A flash image of the mock that writes into `memory`.

    The mock writes byte by byte: for a block that unpacks to a megabyte, that outlasts
    esptool's patience on a busy computer.
    """

    class FileImage(base):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.data = memory
            self._defl_offset = self._plain_offset = 0

        def write_defl_block(self, payload: bytes) -> None:
            """The block's length, sequence number and two zeros precede it, 4 bytes each."""
            length = int.from_bytes(payload[:4], "little")
            content = self._decompressor.decompress(payload[16 : 16 + length])
            self._defl_offset = self._put(self._defl_offset, content)

        def write_plain_block(self, payload: bytes) -> None:
            length = int.from_bytes(payload[:4], "little")
            self._plain_offset = self._put(self._plain_offset, payload[16 : 16 + length])

        def _put(self, offset: int, content: bytes) -> int:
            fits = content[: max(0, len(memory) - offset)]
            memory[offset : offset + len(fits)] = fits
            return offset + len(content)

    return FileImage()


class Bootloader:
    """A chip in download mode on a TCP port of 127.0.0.1, one client at a time.

    Attributes:
        url: what esptool's `--port` takes: `socket://127.0.0.1:PORT`.
    """

    def __init__(self, flash: str | Path, *, chip: str = "esp32", port: int = 0) -> None:
        """Open the flash file and listen.

        Args:
            flash: the flash file, which must exist.
            chip: esptool's name of the chip.
            port: TCP port, 0 for any.

        Raises:
            SimulatorError: the mock is not installed, or does not know the chip, or no such file.
        """
        try:
            from esp32_mock_bootloader import chips, server
        except ImportError:
            raise SimulatorError(
                f"the ROM bootloader is not installed: {install_package(_MOCK)}"
            ) from None
        if chip not in chips.PROFILES:
            known = ", ".join(sorted(chips.PROFILES))
            raise SimulatorError(f"no ROM bootloader for chip '{chip}': use one of {known}")
        self._server: Any = server
        self._chip = chip
        try:
            self._file = Path(flash).open("r+b")  # noqa: SIM115
        except OSError as error:
            raise SimulatorError(f"flash file {flash}: {error.strerror}") from None
        self._memory = mmap.mmap(self._file.fileno(), 0)
        self._image = _file_image(server.FlashImage, self._memory)
        self._stop = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", port))
        self._listener.settimeout(0.2)
        self.url = f"socket://127.0.0.1:{self._listener.getsockname()[1]}"
        self._thread = threading.Thread(target=self._serve, name="bootloader", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Leave download mode; everything written is in the file. May be repeated."""
        if self._stop.is_set():
            return
        self._stop.set()
        self._thread.join(10)
        self._listener.close()
        self._memory.flush()
        self._memory.close()
        self._file.close()

    def _serve(self) -> None:
        while not self._stop.is_set():
            try:
                client, _ = self._listener.accept()
            except TimeoutError:
                continue
            connection = self._server.BootloaderConnection(sock=client)
            # What breaks off in the middle, or is garbage, is the end of its connection only.
            with contextlib.suppress(Exception), client:
                self._server.handle_client(connection, self._stop, self._chip, flash=self._image)

    def __enter__(self) -> Bootloader:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
