"""The raw REPL over a real pseudo-terminal, and what is said when there is none."""

from __future__ import annotations

import itertools

import pytest
from hubtool.board.serial_link import BoardError, SerialLink, diagnose, press_reset
from hubtool.errors import DeviceRefused, ExitCode, HubtoolError, NoDevice
from simboard.board import SimulatedBoard


def test_code_runs_in_a_fresh_interpreter(board: SimulatedBoard) -> None:
    with SerialLink.open(board.port) as link:
        link.run("x = 7")
        assert link.evaluate("print(repr({'x': x}))") == {"x": 7}
    with SerialLink.open(board.port) as link, pytest.raises(BoardError, match="NameError"):
        link.run("print(x)")
    assert "soft_reset" in board.restarts


def test_a_program_that_swallows_interrupts_is_left(board: SimulatedBoard) -> None:
    with SerialLink.open(board.port) as link:
        link.run(
            "f = open('/main.py', 'w')\n"
            "f.write('import time\\n'\n"
            "'try:\\n  time.sleep(60)\\nexcept KeyboardInterrupt:\\n  print(\"once\")\\n'\n"
            "'print(\"stubborn\")\\ntime.sleep(60)\\n')\nf.close()"
        )
        link.reset()
    board.wait_for("MicroPython", 10)
    with SerialLink.open(board.port) as link:
        assert link.run("print('in')").strip() == "in"


def test_reset_starts_main(board: SimulatedBoard) -> None:
    with SerialLink.open(board.port) as link:
        link.run("f = open('/main.py', 'w')\nf.write('print(\"main runs\")')\nf.close()")
        link.reset()
    board.wait_for("main runs", 10)
    assert board.restarts[-1] == "reset"


def test_an_exception_on_the_board_is_one_line(board: SimulatedBoard) -> None:
    with SerialLink.open(board.port) as link, pytest.raises(BoardError) as caught:
        link.run("def f():\n raise ValueError('bad')\nf()", doing="testing")
    assert str(caught.value).endswith("testing: the board says ValueError: bad")
    assert "line 2" in caught.value.traceback


@pytest.mark.parametrize("number", [28, 30])
def test_file_system_errors_name_a_remedy(board: SimulatedBoard, number: int) -> None:
    with SerialLink.open(board.port) as link, pytest.raises(BoardError, match="then try again"):
        link.run(f"raise OSError({number})")


def test_a_pulled_cable_is_said_and_can_be_closed(board: SimulatedBoard) -> None:
    with SerialLink.open(board.port) as link:
        board.unplug()
        with pytest.raises(DeviceRefused, match="lost the board while counting"):
            link.run("print(1)", doing="counting")
    board.plug()
    with SerialLink.open(board.port) as link:
        assert link.run("print(2)").strip() == "2"


def test_errors_do_not_quote_what_was_sent(board: SimulatedBoard) -> None:
    with SerialLink.open(board.port) as link:
        board.unplug()
        with pytest.raises(DeviceRefused) as caught:
            link.run("secret = 'hunter2 hunter2'")
    assert "hunter2" not in str(caught.value)


def test_a_port_in_use_is_told(board: SimulatedBoard) -> None:
    with (
        SerialLink.open(board.port),
        pytest.raises(DeviceRefused, match="in use by another program"),
    ):
        SerialLink.open(board.port)


@pytest.mark.parametrize("port", ["/dev/does-not-exist", "/etc/hostname", "nonsense://x"])
def test_what_is_no_port_is_no_device(port: str) -> None:
    with pytest.raises(NoDevice, match="hubtool ports") as caught:
        SerialLink.open(port)
    assert caught.value.exit_code == ExitCode.NO_DEVICE


def test_nothing_is_printed(board: SimulatedBoard, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(HubtoolError):
        SerialLink.open("/dev/does-not-exist")
    with SerialLink.open(board.port) as link:
        board.unplug()
        with pytest.raises(HubtoolError):
            link.run("print(1)")
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("heard", "said"),
    [
        (b"", "nothing answers"),
        (b"rst:0x1 (POWERON_RESET),boot:0x3 (DOWNLOAD_BOOT)\r\nwaiting for download", "download"),
        (b"invalid header: 0xffffffff\r\n" * 9, "holds no firmware"),
        (b"rst:0xc (SW_CPU_RESET)\r\nabort()\r\n" * 5, "restarts over and over"),
        (b"MicroPython v1.24.0 on 2024-10-25\r\n", "does not let go"),
        (b"hello from Arduino\r\n", "not MicroPython"),
    ],
)
def test_diagnosis(heard: bytes, said: str) -> None:
    assert said in diagnose(heard)


def test_a_port_on_which_nobody_answers(pseudo_terminal: str) -> None:
    with pytest.raises(DeviceRefused, match="nothing answers"):
        SerialLink.open(pseudo_terminal, deadline=0.1)


class Lines:
    """A port that notes what its reset circuit sees: EN down, GPIO0 down."""

    def __init__(self) -> None:
        self.__dict__.update(port="/dev/ttyUSB0", dtr=True, rts=True, seen=[])

    def __setattr__(self, name: str, value: bool) -> None:
        self.__dict__[name] = value
        self.__dict__["seen"].append((self.rts and not self.dtr, self.dtr and not self.rts))


def test_reset_by_the_lines_of_the_port() -> None:
    port = Lines()
    press_reset(port)
    steps = [step for step, _ in itertools.groupby(port.seen)]  # type: ignore[attr-defined]
    # EN down; everything up, when the chip reads GPIO0; GPIO0 down does no harm; everything up.
    assert steps == [(True, False), (False, False), (False, True), (False, False)]
    assert (port.dtr, port.rts) == (True, True)  # type: ignore[attr-defined]
