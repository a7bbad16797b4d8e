"""Progress bars for what takes long: pulling a model, importing history."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from deskhand.kit.http import HttpClientFactory
from deskhand.llm.embedded_models import EmbeddedModel
from deskhand.llm.pull import pull_model


def bars(console: Console | None = None) -> Progress:
    """A progress display for things whose share done is known."""
    return Progress(
        TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn(), console=console
    )


async def pull_with_progress(
    model: EmbeddedModel, directory: Path, *, file: Path | None = None, console: Console | None = None
) -> Path:
    """Fetch a model and show how far it is.

    Args:
        model: Which one.
        directory: Where models lie.
        file: A copy to take instead of downloading.
        console: Where to draw.
    """
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console) as progress:
        task = progress.add_task(f"pulling {model.name}", total=model.size)
        return await pull_model(
            model,
            directory,
            http=HttpClientFactory(),
            file=file,
            on_progress=lambda now: progress.update(task, completed=now.done, description=now.doing),
        )
