"""`make release`: the files of a release in dist/, built, checked, and tried as a user has them.

What it looks at, in this order; the first fault ends it with one line and exit code 1:

1. `webpubsub.__version__`, device/package.json and device/manifest.py have the same version;
2. the newest entry of CHANGELOG.md is that of this version, has a date and says something;
3. the sdist builds, and out of it the wheel;
4. `twine check --strict` takes both;
5. the wheel installs in an environment of its own, and what it installs tells its version and
   runs the demo: two simulated boards on a local service.

It uploads nothing, and makes no tag.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import venv
from collections.abc import Sequence
from datetime import date
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# Seconds. Installing asks the package index; the demo takes some ten.
_BUILD_TIMEOUT = 120
_INSTALL_TIMEOUT = 240
_RUN_TIMEOUT = 120
_VERSION = re.compile(r'^__version__ = "(?P<version>[^"]+)"$', re.MULTILINE)
_PACKAGE_VERSION = re.compile(r'^  "version": "(?P<version>[^"]+)",$', re.MULTILINE)
_MANIFEST_VERSION = re.compile(r'^    version="(?P<version>[^"]+)",$', re.MULTILINE)
_ENTRY = re.compile(r"^## (?P<version>\S+) \((?P<date>[^)]*)\)$", re.MULTILINE)


class ReleaseError(Exception):
    """The release cannot be made; the text is one line that names the remedy."""


class Installation:
    """The wheel in an environment of its own, with what it asks for from the package index.

    Attributes:
        folder: where it is; nothing of the checkout is found from there.
        python: its interpreter.
    """

    def __init__(self, wheel: Path, folder: Path) -> None:
        """Install a wheel with the extra `sim`, below an empty folder.

        Raises:
            ReleaseError: pip does not do it.
        """
        self.folder = folder
        venv.create(folder / "env", with_pip=True, clear=True)
        self.python = folder / "env" / ("Scripts" if os.name == "nt" else "bin") / "python"
        _run(
            [self.python, "-m", "pip", "install", "--quiet", "--no-compile", f"{wheel}[sim]"],
            doing=f"pip does not install {wheel.name}",
            folder=folder,
            timeout=_INSTALL_TIMEOUT,
        )

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run the interpreter with these arguments to its end; its output is text."""
        return subprocess.run(
            [self.python, *words],
            env=_outside(),
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=_RUN_TIMEOUT,
        )


def version_of(root: Path) -> str:
    """The version of a checkout.

    Raises:
        ReleaseError: its files name different ones.
    """
    found = _VERSION.search((root / "device/webpubsub/__init__.py").read_text("utf-8"))
    if found is None:
        raise ReleaseError('device/webpubsub/__init__.py: no line __version__ = "..."')
    version = found["version"]
    others = {
        "device/package.json": _PACKAGE_VERSION,
        "device/manifest.py": _MANIFEST_VERSION,
    }
    for name, pattern in others.items():
        other = pattern.search((root / name).read_text("utf-8"))
        if other is None or other["version"] != version:
            said = other["version"] if other else "missing"
            raise ReleaseError(
                f"{name}: the version is {said}, but webpubsub.__version__ is {version}: "
                "make them the same"
            )
    return version


def check_changelog(text: str, version: str, *, unreleased: bool = False) -> None:
    """Hold the newest entry of a changelog against a version.

    Args:
        text: of CHANGELOG.md.
        version: what is to be released.
        unreleased: take the word `unreleased` in place of a date, too, for a trial run.

    Raises:
        ReleaseError: they do not fit.
    """
    entry = _ENTRY.search(text)
    if entry is None:
        raise ReleaseError("CHANGELOG.md: no heading such as ## 1.2.0 (2026-01-31)")
    if entry["version"] != version:
        raise ReleaseError(
            f"CHANGELOG.md: the newest entry is {entry['version']}, but the version is "
            f"{version}: write what {version} changes"
        )
    if entry["date"] == "unreleased":
        if not unreleased:
            raise ReleaseError(
                f"CHANGELOG.md: {version} is marked as unreleased: write the date in its place"
            )
    else:
        try:
            date.fromisoformat(entry["date"])
        except ValueError:
            raise ReleaseError(
                f"CHANGELOG.md: {entry['date']} is no date: write it as 2026-01-31"
            ) from None
    following = _ENTRY.search(text, entry.end())
    if "\n- " not in text[entry.end() : following.start() if following else len(text)]:
        raise ReleaseError(f"CHANGELOG.md: the entry of {version} has no line that begins with -")


def build(folder: Path, *, root: Path = ROOT) -> tuple[Path, Path]:
    """Build the sdist, and the wheel out of it, into a folder; returns both.

    Raises:
        ReleaseError: the build fails.
    """
    _run(
        [sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, root],
        doing="the build fails",
        folder=root,
        timeout=_BUILD_TIMEOUT,
    )
    [sdist], [wheel] = folder.glob("*.tar.gz"), folder.glob("*.whl")
    return sdist, wheel


def check_files(files: Sequence[Path]) -> None:
    """Let twine look at what an index would.

    Raises:
        ReleaseError: it finds something.
    """
    _run(
        [sys.executable, "-m", "twine", "--no-color", "check", "--strict", *files],
        doing="twine finds a fault",
        folder=ROOT,
        timeout=_RUN_TIMEOUT,
    )


def try_out(installation: Installation, version: str) -> None:
    """Run what was installed: it tells its version, and two simulated boards reach a service.

    Raises:
        ReleaseError: it does not.
    """
    reported = installation.run("-m", "hubtool", "--version")
    if reported.stdout.strip() != version:
        raise ReleaseError(
            f"hubtool --version of the installed wheel prints {reported.stdout.strip()!r}, not "
            f"{version}: {_last_line(reported)}"
        )
    demo = installation.run("-m", "hubtool", "demo", "--seconds", "3")
    if demo.returncode:
        raise ReleaseError(f"hubtool demo of the installed wheel fails: {_last_line(demo)}")


def _outside() -> dict[str, str]:
    """Environment variables without those by which an interpreter finds the checkout."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}


def _run(command: Sequence[str | Path], *, doing: str, folder: Path, timeout: float) -> None:
    done = subprocess.run(
        command, env=_outside(), cwd=folder, capture_output=True, text=True, timeout=timeout
    )
    if done.returncode:
        raise ReleaseError(f"{doing}: {_last_line(done)}")


def _last_line(done: subprocess.CompletedProcess[str]) -> str:
    lines = (done.stdout + done.stderr).strip().splitlines()
    return lines[-1].strip() if lines else f"exit code {done.returncode}, without a word"


def main(arguments: Sequence[str] | None = None) -> int:
    """Make a release; returns the exit code."""
    description = (__doc__ or "").partition("\n")[0]
    parser = argparse.ArgumentParser(prog="make release", description=description)
    parser.add_argument(
        "--unreleased",
        action="store_true",
        help="a trial: take a changelog whose entry has no date yet",
    )
    options = parser.parse_args(arguments)
    folder = ROOT / "dist"
    try:
        version = version_of(ROOT)
        check_changelog(
            (ROOT / "CHANGELOG.md").read_text("utf-8"), version, unreleased=options.unreleased
        )
        shutil.rmtree(folder, ignore_errors=True)  # files of another version would be uploaded
        files = build(folder)
        check_files(files)
        print(f"Built and checked: {', '.join(file.name for file in files)}")
        trial = ROOT / "build" / "release"
        shutil.rmtree(trial, ignore_errors=True)
        trial.mkdir(parents=True)
        try_out(Installation(files[1], trial), version)
    except ReleaseError as error:
        print(f"make release: {error}", file=sys.stderr)
        return 1
    print(f"Installed in an environment of its own, version {version} runs the demo.")
    print(f"{folder.relative_to(ROOT)}/ has what `twine upload` takes.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
