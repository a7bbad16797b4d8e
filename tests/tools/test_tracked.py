"""The check of tracked files: what it finds, and that it finds nothing in harmless text."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture(scope="module")
def tracked(tool: Callable[[str], ModuleType]) -> ModuleType:
    return tool("lint/tracked.py")


def test_a_registry_s_host_is_found_anywhere(tracked: ModuleType) -> None:
    for host in tracked.REGISTRY_HOSTS:
        [text] = tracked.check("README.md", f"see https://{host}/simple")
        assert text.startswith("README.md:1: names a package registry's host")


@pytest.mark.parametrize("folder", ["root", "work", "home/ann", "Users/ann"])
def test_a_machine_s_path_is_found(tracked: ModuleType, folder: str) -> None:
    [text] = tracked.check("docs/a.md", f"\nopen /{folder}/deskhand/x")
    assert text.startswith("docs/a.md:2: names a path of one machine")


@pytest.mark.parametrize(
    "text",
    [
        "GET /api/work/items",
        "https://desk.example.com/root/cause",
        "~/work/x",
        "src/root/a.py",
        "/tmp/x",
        "/homework/a",
    ],
)
def test_other_slashes_are_no_machine_path(tracked: ModuleType, text: str) -> None:
    assert list(tracked.check("docs/a.md", text)) == []


@pytest.mark.parametrize(
    "line", ["a @ https://example.com/a.whl", "--index-url x", "    --find-links=y", "b @ file:///x"]
)
def test_a_lock_file_names_no_address(tracked: ModuleType, line: str) -> None:
    assert list(tracked.check("requirements.lock", "a==1 \\\n    --hash=sha256:00\n    # via b\n")) == []
    for place in ("requirements.lock", "tests/support/glances/requirements.lock"):
        assert len(list(tracked.check(place, line))) == 1


def test_another_tool_s_lock_file_is_refused(tracked: ModuleType) -> None:
    assert len(list(tracked.check("uv.lock", ""))) == 1
    assert len(list(tracked.check("web/package-lock.json", '"resolved": "https://elsewhere.test/a.tgz"'))) == 1
    assert list(tracked.check("web/package-lock.json", '"integrity": "sha512-00=="')) == []


def test_a_private_key_is_found(tracked: ModuleType) -> None:
    assert len(list(tracked.check("a.pem", "-----BEGIN RSA PRIVATE " + "KEY-----"))) == 1


def test_files_come_from_git(tracked: ModuleType, tmp_path: Path) -> None:
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    (tmp_path / "kept name.txt").write_text("x", encoding="utf-8")
    (tmp_path / "untracked.txt").write_text("x", encoding="utf-8")
    subprocess.run(["git", "add", "kept name.txt"], cwd=tmp_path, check=True)
    assert tracked.tracked_files(tmp_path) == ["kept name.txt"]
