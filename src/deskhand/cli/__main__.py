"""``python -m deskhand.cli``."""

from __future__ import annotations

from deskhand.cli import entry

if __name__ == "__main__":
    entry()
