"""Progress bars for what takes long: pulling a model, importing history."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from deskhand.llm.embedded_models import EmbeddedModel
from deskhand.llm.pull import pull


def bars(console: Console | None = None) -> Progress:
    """A progress display for counted things."""
    return Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), console=console
    )


def pull_with_progress(
    model: EmbeddedModel, directory: Path, *, source: Path | None = None, console: Console | None = None
) -> Path:
    """Fetch a model and show how far it is.

    Args:
        model: Which one.
        directory: Where models lie.
        source: A file to take instead of downloading.
        console: Where to draw.
    """
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console) as progress:
        task = progress.add_task(f"pulling {model.name}", total=model.size)
        return pull(model, directory, path=source, on_progress=lambda done: progress.update(task, completed=done))
