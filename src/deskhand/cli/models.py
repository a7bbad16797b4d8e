"""``deskhand models``: the model that runs on this machine."""

from __future__ import annotations

from pathlib import Path

import typer
from rich.table import Table

from deskhand.cli.common import out, read_settings, run
from deskhand.llm.embedded.models import AUTO, EMBEDDED_MODELS, choose_model
from deskhand.llm.embedded.pull import pull_with_progress
from deskhand.llm.embedded.server import memory_available

app = typer.Typer()
models = typer.Typer(help="The model that runs on this machine.", no_args_is_help=True)
app.add_typer(models, name="models")


@app.callback()
def main() -> None:
    """Embedded models."""


@models.command("list")
def list_models() -> None:
    """Show the embedded models and which are here."""
    directory = read_settings().data_dir / "models"
    chosen = choose_model(memory_available=memory_available()).name
    table = Table("model", "size", "licence", "here", "chosen by auto")
    for model in EMBEDDED_MODELS.values():
        here = (directory / model.filename).is_file()
        table.add_row(
            model.name,
            f"{model.size / 1e6:.0f} MB",
            model.licence,
            "yes" if here else "no",
            "yes" if model.name == chosen else "",
        )
    out.print(table)


@models.command()
def pull(
    name: str = typer.Argument(AUTO, help="Name of a model, or auto for what this machine's memory allows."),
    file: Path | None = typer.Option(None, "--file", exists=True, help="Take this copy instead of downloading one."),
) -> None:
    """Fetch a model; resumes where it stopped and checks the SHA-256."""
    model = choose_model(memory_available=memory_available()) if name == AUTO else EMBEDDED_MODELS.get(name)
    if model is None:
        raise typer.BadParameter(f"there is no model '{name}'; there are {', '.join(EMBEDDED_MODELS)}")
    path = run(pull_with_progress(model, read_settings().data_dir / "models", file=file, console=out))
    out.print(f"{model.name} is here: {path}")
