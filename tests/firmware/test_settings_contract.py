"""What hubtool writes and what the firmware reads are the same settings."""

import json
import subprocess

import pytest
from hubtool.errors import HubtoolError
from hubtool.settings.configuration import load_configuration
from hubtool.settings.record import slot_files as hubtool_files
from hubtool.settings.summary import describe

from tests.support.interpreters import micropython, micropython_environment

SETTINGS = """\
[device]
id = "CP-7"
led = 2
[hub]
endpoint = "http://127.0.0.1:7080"
name = "chargers"
endpoints_allowed = ["wss://b.example:8443", "http://127.0.0.1:7080"]
[ethernet]
phy = "LAN8720"
address = 1
mdc = 23
mdio = 18
power = 12
ref_clk_output = false
[log]
level = "debug"
"""
READ = """
import json
from firmware import records
s = records.load("hub")
print(json.dumps([s.led, s.endpoints_allowed, s.ethernet, s.log_level, s.device_kind]))
"""


def written(tmp_path, text=SETTINGS):
    path = tmp_path / "board.toml"
    path.write_text(text, encoding="utf-8")
    return load_configuration(path)


def test_the_firmware_reads_what_hubtool_writes(tmp_path):
    content = hubtool_files(written(tmp_path), 1)
    (tmp_path / "hub").mkdir()
    for name in ("settings", "secrets", "ca"):
        (tmp_path / "hub" / f"{name}.a").write_bytes(getattr(content, name))
    done = subprocess.run(
        [micropython(), "-c", READ],
        env=micropython_environment(),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(done.stdout) == [
        2,
        ["wss://b.example:8443", "http://127.0.0.1:7080"],
        {
            "phy": "LAN8720",
            "address": 1,
            "mdc": 23,
            "mdio": 18,
            "power": 12,
            "ref_clk_output": False,
        },
        "debug",
        "device",
    ]


def test_what_goes_on_the_board_is_told(tmp_path):
    lines = dict(describe(written(tmp_path)))
    assert lines["Ethernet"] == "LAN8720"
    assert lines["may move to"] == "wss://b.example:8443, http://127.0.0.1:7080"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("wss://b.example:8443", "ws://b.example", "not encrypted: use wss://"),
        ("wss://b.example:8443", "b.example", "an endpoint starts with https://"),
        ('phy = "LAN8720"', "", "this key is missing"),
        ("mdc = 23", "mdcc = 23", "did you mean 'mdc'"),
        ("led = 2", "led = -1", "greater than or equal to 0"),
        ('"debug"', '"loud"', "'quiet', 'info' or 'debug'"),
        (
            "[log]",
            '[wifi]\nssid = "x"\nopen = true\n[log]',
            r"board.toml:\d+: ethernet: a board uses .*: leave out wifi or ethernet",
        ),
    ],
)
def test_what_cannot_be_is_refused_with_its_remedy(tmp_path, old, new, said):
    assert old in SETTINGS
    with pytest.raises(HubtoolError, match=said):
        written(tmp_path, SETTINGS.replace(old, new))


@pytest.mark.parametrize("kind", ["", ".reliable"])
def test_protobuf_obeys_the_server_only(tmp_path, kind):
    protocol = f'protocol = "protobuf{kind}.webpubsub.azure.v1"\nendpoints_allowed'
    text = SETTINGS.replace("endpoints_allowed", protocol)
    assert dict(describe(written(tmp_path, text)))["obeys"] == "the server, nobody in groups"
    users = '[commands]\ngroups = ["g"]\nusers = ["ops"]\n'
    with pytest.raises(HubtoolError, match=r"board.toml:\d+: commands.users: protobuf messages"):
        written(tmp_path, text + users)
    assert written(tmp_path, SETTINGS + users).settings.commands.users == ("ops",)
