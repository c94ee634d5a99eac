"""MicroPython and mbedTLS as source, from Debian's archive, by its own client.

apt runs with a configuration of its own: its source list, package lists and cache lie in our
folder, and the mirror is the one that this system's apt uses. So a computer on any release of
Debian gets the sources of any other one, checked by Debian's keys, and nothing of it changes.
"""

from __future__ import annotations

import os
import re
import shutil
import tarfile
from dataclasses import dataclass
from pathlib import Path

from .tools import BuildError, run

# MicroPython changes from one to the other; mbedTLS 3.6, the branch of the chip's, is in both.
SUITES = ("trixie", "sid")
_MBEDTLS_SUITE = "trixie"
_KEYS = Path("/usr/share/keyrings/debian-archive-keyring.gpg")


@dataclass(frozen=True)
class Sources:
    """Unpacked source trees.

    Attributes:
        micropython: a tree by version, the oldest one first.
        mbedtls: the tree of mbedTLS.
    """

    micropython: dict[str, Path]
    mbedtls: Path


def get(folder: Path, *, refresh: bool = False) -> Sources:
    """Download and unpack what is not there yet.

    Args:
        folder: where all of it goes.
        refresh: whether to ask Debian again for what its suites have.

    Raises:
        BuildError: no Debian, no network, or a package that is not as expected.
    """
    downloads = folder / "downloads"
    done = downloads / ".complete"
    if refresh or not done.exists():
        shutil.rmtree(downloads, ignore_errors=True)
        _download(folder / "apt", downloads)
        shutil.rmtree(folder / "apt")  # 100 MB of package lists
        done.touch()
    trees = {}
    for suite in SUITES:
        archive = _only(downloads / suite, "micropython_*.orig.tar.*")
        version = re.split(r"[_+]|\.orig", archive.name)[1]
        trees[version] = _unpack(archive, folder / "src" / f"micropython-{version}")
    mbedtls = _only(downloads / _MBEDTLS_SUITE, "mbedtls_*.orig.tar.*")
    ordered = dict(sorted(trees.items(), key=lambda item: _number(item[0])))
    return Sources(ordered, _unpack(mbedtls, folder / "src" / mbedtls.name.partition(".orig")[0]))


def _number(version: str) -> list[int]:
    return [int(part) for part in re.findall(r"\d+", version)]


def _only(folder: Path, pattern: str) -> Path:
    found = [path for path in folder.glob(pattern) if not path.name.endswith(".asc")]
    if len(found) != 1:
        raise BuildError(f"{folder} has {len(found)} files {pattern}, not one")
    return found[0]


def _unpack(archive: Path, tree: Path) -> Path:
    """Unpack an archive without its top folder."""
    if tree.exists():
        return tree
    work = tree.with_name(tree.name + ".new")
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    with tarfile.open(archive) as tar:
        # Debian's key has vouched for it; the filter came to the older Pythons late.
        if hasattr(tarfile, "data_filter"):
            tar.extraction_filter = tarfile.data_filter
        tar.extractall(work)
    inside = list(work.iterdir())
    (inside[0] if len(inside) == 1 else work).rename(tree)
    shutil.rmtree(work, ignore_errors=True)
    return tree


def _mirror() -> str:
    """The address of Debian's archive that this system uses."""
    if not shutil.which("apt-get"):
        raise BuildError("the sources come from Debian's archive: this needs Debian and its apt")
    listed = run(
        ["apt-get", "indextargets", "--format", "$(REPO_URI) $(LABEL)", "Created-By: Packages"],
        cwd=Path("/"),
    )
    addresses = [line.split() for line in listed.splitlines()]
    # Before the first `apt-get update` nothing has a label.
    for address, *label in addresses:
        if label == ["Debian"] or (not label and address.rstrip("/").endswith("/debian")):
            return address
    raise BuildError("this system's apt knows no archive of Debian: no sources to build from")


def _download(apt: Path, downloads: Path) -> None:
    mirror = _mirror()
    for name in ("lists/partial", "cache/archives/partial", "state"):
        (apt / name).mkdir(parents=True, exist_ok=True)
    trusted = f"[signed-by={_KEYS}] " if _KEYS.exists() else ""
    lines = [f"deb-src {trusted}{mirror} {suite} main\n" for suite in SUITES]
    (apt / "sources.list").write_text("".join(lines), "utf-8")
    configuration = apt / "apt.conf"
    configuration.write_text(
        f'Dir::Etc::sourcelist "{apt}/sources.list";\n'
        'Dir::Etc::sourceparts "-";\n'
        f'Dir::State "{apt}/state";\n'
        f'Dir::State::lists "{apt}/lists";\n'
        f'Dir::Cache "{apt}/cache";\n'
        f'APT::Sandbox::User "{_user()}";\n'
        'Acquire::Languages "none";\n',
        "utf-8",
    )
    environment = {**os.environ, "APT_CONFIG": str(configuration)}
    run(["apt-get", "-qq", "update"], cwd=apt, env=environment)
    for suite in SUITES:
        target = downloads / suite
        target.mkdir(parents=True)
        packages = ["micropython", "mbedtls"] if suite == _MBEDTLS_SUITE else ["micropython"]
        command = ["apt-get", "-qq", "source", "--download-only", "-t", suite]
        run([*command, *(f"{name}/{suite}" for name in packages)], cwd=target, env=environment)


def _user() -> str:
    """Who downloads: apt's own user has no rights in our folder."""
    return "root" if os.geteuid() == 0 else ""
