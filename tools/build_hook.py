"""Puts the commit a package is built from into it: hatchling runs this, ``deskhand --version`` shows it.

A source archive holds the commit as a file, and a wheel built from that archive takes it from there. The file is
never written into the clone, where it would soon be a lie.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

NAME = "commit.txt"
PLACE = {"wheel": f"deskhand/{NAME}", "sdist": NAME}


class CommitHook(BuildHookInterface[Any]):
    """Adds the file to what is built."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        # An editable installation runs the clone, which can be asked itself.
        if version == "editable":
            return
        commit = commit_of(Path(self.root))
        if commit is None:
            self.app.display_warning("neither a git clone nor a source archive: the package will not know its commit")
            return
        self._folder = Path(tempfile.mkdtemp())
        (self._folder / NAME).write_text(f"{commit}\n", encoding="ascii")
        build_data["force_include"][str(self._folder / NAME)] = PLACE[self.target_name]

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        del version, build_data, artifact_path
        if hasattr(self, "_folder"):
            shutil.rmtree(self._folder)


def commit_of(root: Path) -> str | None:
    """The commit of a source archive, or of a clone (``-dirty`` behind it: tracked files differ); else None."""
    archived = root / NAME
    if archived.is_file():
        return archived.read_text(encoding="ascii").strip()
    # Not a clone further up: an unpacked archive may lie inside one of something else.
    if not (root / ".git").exists():
        return None
    command = ["git", "-C", str(root), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    return answer.stdout.strip() or None
