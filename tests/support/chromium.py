"""Debian's Chromium, as tests and benchmarks start it.

Its headless shell where that is installed: the same pages for a sixth less of processor time. The browser's own start
script turns the graphics processor on, which a machine without one pays for.
"""

from __future__ import annotations

from pathlib import Path

SHELL, BROWSER = Path("/usr/bin/chromium-headless-shell"), Path("/usr/bin/chromium")
CHROMIUM = SHELL if SHELL.exists() else BROWSER
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
