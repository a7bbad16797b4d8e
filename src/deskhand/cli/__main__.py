"""``python -m deskhand.cli``."""

from __future__ import annotations

from deskhand.cli import app

if __name__ == "__main__":
    app()
