"""Where root's installations keep a cluster that its account could not reach in the data directory."""

from __future__ import annotations

from pathlib import Path

from deskhand.kit.db.files import read_word

SYSTEM_DIRECTORY = Path("/var/lib/deskhand")
OWNER_FILE = "data-of"  # beside such a cluster: the directory whose data it is


def orphans(system_directory: Path = SYSTEM_DIRECTORY) -> list[Path]:
    """Clusters that root's installations kept apart from their data directory, whose directory is gone."""
    kept_apart = [home for home in sorted(system_directory.glob("*")) if (home / "data").is_dir()]
    return [home for home in kept_apart if not Path(read_word(home / OWNER_FILE) or "/nonexistent").exists()]
