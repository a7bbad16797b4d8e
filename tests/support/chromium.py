"""Debian's Chromium, as tests and benchmarks start it.

Its headless shell where that is installed: the same pages for a sixth less of processor time. The browser's own start
script turns the graphics processor on, which a machine without one pays for.
"""

from __future__ import annotations

from pathlib import Path

CHROMIUM = next(
    (
        path
        for path in map(Path, ("/usr/lib/chromium/chromium-headless-shell", "/usr/lib/chromium/chromium"))
        if path.exists()
    ),
    Path("/usr/bin/chromium"),
)
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
