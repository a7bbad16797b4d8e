"""Which Deskhand this is: its version, and the commit it was built from."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from deskhand import __version__

PACKAGE = Path(__file__).resolve().parent
_SHOWN = 12
"""Characters of a commit that people read; enough for any repository of our kind."""


def version_line(package: Path = PACKAGE) -> str:
    """What ``deskhand --version`` says, e.g. ``deskhand 0.1.0 (commit 0f3c2a9d4b1e)``.

    Args:
        package: Where the package lies.
    """
    commit = commit_of(package)
    return f"deskhand {__version__} (commit {short(commit) if commit else 'unknown'})"


def commit_of(package: Path) -> str | None:
    """The commit, ending in ``-dirty`` where the files differed from it; None where nobody can tell.

    Args:
        package: Where the package lies: installed from a wheel, which holds the commit, or in a clone, which is asked.
    """
    built = package / "commit.txt"  # tools/build_hook.py
    if built.is_file():
        return built.read_text(encoding="ascii").strip()
    root = package.parents[1]
    git = shutil.which("git")
    if git is None or not (root / ".git").exists():
        return None
    answer = subprocess.run(  # noqa: S603 - a fixed command, no shell
        [git, "-C", str(root), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"],
        capture_output=True,
        text=True,
        check=False,
    )
    return answer.stdout.strip() or None


def short(commit: str) -> str:
    """A commit as people read it.

    Args:
        commit: In full, perhaps with ``-dirty`` behind it.
    """
    number, dirty, rest = commit.partition("-")
    return f"{number[:_SHOWN]}{dirty}{rest}"
