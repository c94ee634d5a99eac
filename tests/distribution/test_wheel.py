"""The built wheel, in an environment of its own outside the clone, runs the demo."""

from __future__ import annotations

from pathlib import Path

import pytest

from .release import ROOT, Installation, build, check_files, try_out, version_of


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installation:
    """The wheel as a user has it, built and checked as for a release."""
    folder = tmp_path_factory.mktemp("wheel")
    files = build(folder)
    check_files(files)
    return Installation(files[1], folder)


def test_nothing_comes_from_the_clone(installed: Installation) -> None:
    done = installed.run(
        "-c",
        "import hubtool, localhub, simboard, webpubsub\n"
        "from micropython_webpubsub.assets import boards_folder, device_files, examples_folder\n"
        "for module in (hubtool, localhub, simboard, webpubsub): print(module.__file__)\n"
        "for file in device_files(): print(file.source)\n"
        "print(boards_folder()); print(examples_folder())",
    )
    assert done.returncode == 0, done.stderr
    paths = done.stdout.split()
    assert len(paths) > 30
    for path in paths:
        assert path.startswith(str(installed.folder)), path
        assert Path(path).exists()


def test_it_tells_its_version_and_runs_the_demo(installed: Installation) -> None:
    try_out(installed, version_of(ROOT))


def test_the_page_of_the_service_has_all_its_files(
    installed: Installation,
) -> None:
    done = installed.run(
        "-c",
        "from localhub.page.assets import load_assets\nprint(*sorted(load_assets()))",
    )
    files = ROOT.joinpath("host_tools", "localhub", "page", "static").iterdir()
    assert done.stdout.split() == sorted(file.name for file in files), done.stderr
