"""Which Deskhand this is, from a wheel, from a clone, and from neither."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from deskhand import __version__
from deskhand.version import commit_of, short, version_line

COMMIT = "0f3c2a9d4b1e5a6b7c8d9e0f1a2b3c4d5e6f7a8b"


def package_in(root: Path) -> Path:
    package = root / "src" / "deskhand"
    package.mkdir(parents=True)
    return package


def test_a_wheel_holds_its_commit(tmp_path: Path) -> None:
    package = package_in(tmp_path)
    (package / "commit.txt").write_text(f"{COMMIT}-dirty\n")
    assert commit_of(package) == f"{COMMIT}-dirty"
    assert version_line(package) == f"deskhand {__version__} (commit 0f3c2a9d4b1e-dirty)"


def test_a_clone_is_asked_and_says_when_files_differ(tmp_path: Path) -> None:
    package = package_in(tmp_path)
    (package / "one.py").write_text("1\n")

    def git(*words: str) -> str:
        identity = ["-c", "user.name=x", "-c", "user.email=x@example.com"]
        answer = subprocess.run(["git", *identity, *words], cwd=tmp_path, check=True, capture_output=True, text=True)
        return answer.stdout.strip()

    git("init", "--quiet")
    git("add", ".")
    git("commit", "--quiet", "-m", "One")
    git("tag", "v9", "-m", "a tag says less than the commit")
    head = git("rev-parse", "HEAD")
    assert commit_of(package) == head
    (package / "one.py").write_text("2\n")
    assert commit_of(package) == f"{head}-dirty"


def test_a_repository_further_up_is_not_ours(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "--quiet"], cwd=tmp_path, check=True)
    package = package_in(tmp_path / "unpacked")
    assert commit_of(package) is None


def test_without_git_it_says_that_it_does_not_know(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = package_in(tmp_path)
    (tmp_path / ".git").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path))
    assert version_line(package) == f"deskhand {__version__} (commit unknown)"


@pytest.mark.parametrize(("commit", "shown"), [(COMMIT, COMMIT[:12]), (f"{COMMIT}-dirty", f"{COMMIT[:12]}-dirty")])
def test_people_read_the_beginning_of_a_commit(commit: str, shown: str) -> None:
    assert short(commit) == shown
