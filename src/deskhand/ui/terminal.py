"""What a person at a terminal sees while something takes long."""

from __future__ import annotations

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    ProgressColumn,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)


def bars(console: Console | None = None) -> Progress:
    """A progress display for things whose share done is known."""
    return _progress(TaskProgressColumn(), console)


def download_bars(console: Console | None = None) -> Progress:
    """A progress display for a download, in bytes."""
    return _progress(DownloadColumn(), console)


def _progress(amount: ProgressColumn, console: Console | None) -> Progress:
    return Progress(TextColumn("{task.description}"), BarColumn(), amount, TimeRemainingColumn(), console=console)
