"""The command line, read from itself."""

from __future__ import annotations

from typing import Any

import typer


def commands(group: Any, *before: str) -> set[str]:
    """Every command of the command line, by its words."""
    context = typer.Context(group)
    names = group.list_commands(context)
    return {
        word
        for name in names
        for command in [group.get_command(context, name)]
        for word in (
            commands(command, *before, name) if hasattr(command, "list_commands") else [" ".join([*before, name])]
        )
    }
