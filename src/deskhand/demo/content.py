"""Loads the demo's history, articles and systems through the importer that ``deskhand import-tickets`` uses."""

from __future__ import annotations

from importlib.resources import as_file, files

from rich.console import Console

from deskhand.kit.db.session import Database
from deskhand.knowledge import importer as knowledge
from deskhand.knowledge.schemas import ImportReport
from deskhand.ui.terminal import bars


async def load_content(db: Database, tenant_id: str, console: Console) -> None:
    """Import what is not there yet, and say how much there is.

    Args:
        db: As ``deskhand_app``.
        tenant_id: The demo's tenant.
        console: Where progress is drawn.
    """
    with as_file(files("deskhand.demo").joinpath("data")) as data, bars(console) as progress:
        tickets = progress.add_task("resolved tickets", total=1.0)

        def moved(report: ImportReport) -> None:
            progress.update(tickets, completed=report.fraction or 0.0)

        await knowledge.import_tickets(db, tenant_id, data / "resolved_tickets.jsonl", progress=moved)
        for name in ("procedures.json", "articles"):
            await knowledge.import_articles(db, tenant_id, data / name)
        await knowledge.import_systems(db, tenant_id, data / "systems.csv")
    count = await knowledge.count_tickets(db, tenant_id)
    console.print(f"[green]✓[/] history: {count} resolved tickets, mostly invented")
