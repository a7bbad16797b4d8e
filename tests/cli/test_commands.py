"""The list of commands, and what a person sees who mistypes one; without loading what stands behind them."""

from __future__ import annotations

import subprocess
import sys

import typer
from typer.testing import CliRunner

from deskhand.cli import COMMANDS, app


def test_what_help_says_of_a_command_is_what_the_command_says() -> None:
    group = typer.main.get_command(app)
    said = {name: group.get_command(typer.Context(group), name).help.split("\n\n")[0] for name in COMMANDS}  # type: ignore[attr-defined]
    assert {name: words for name, (_, words) in COMMANDS.items()} == said


def test_help_names_every_command_and_loads_none() -> None:
    code = "import sys; from deskhand.cli import entry; sys.argv = ['deskhand', '--help']\n"
    code += "try:\n entry()\nfinally:\n print(sorted({'sqlalchemy', 'fastapi', 'pydantic'} & set(sys.modules)))"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert [name for name in COMMANDS if f" {name} " not in shown] == []
    assert shown.endswith("[]\n")


def test_a_command_is_imported_without_the_collector_which_goes_on_afterwards() -> None:
    passes = "sum(one['collections'] for one in gc.get_stats())"
    code = "import gc, sys, typer; from deskhand.cli import app; group = typer.main.get_command(app)\n"
    code += f"before = {passes}; group.get_command(typer.Context(group), 'serve')\n"
    code += f"print('deskhand.api' in sys.modules, gc.isenabled(), gc.get_freeze_count() > 100_000, {passes} - before)"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert shown[:3] == ["True"] * 3
    assert int(shown[3]) < 50, "the import alone makes hundreds"


def test_a_mistyped_command_is_told_what_was_meant() -> None:
    answer = CliRunner().invoke(app, ["importtickets"])
    assert answer.exit_code == 2
    assert "Did you mean 'import-tickets'" in answer.output
    assert CliRunner().invoke(app, ["simulator", "--help"]).exit_code == 0
