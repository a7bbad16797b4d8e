"""Notes that were written, for people to judge."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from fastapi import FastAPI
from sqlalchemy import select
from tests.support.console import Console

from deskhand.agents.models import Agent
from deskhand.knowledge.models import EnhancementFeedback
from deskhand.knowledge.verdicts.links import VerdictLinks
from deskhand.tenants.service import record_enhancement


@dataclass(frozen=True, slots=True)
class Note:
    """A note on a ticket: the run that wrote it, and where its verdicts are."""

    run_id: UUID

    @property
    def api(self) -> str:
        return f"/api/v1/executions/{self.run_id}/feedback"

    @property
    def page(self) -> str:
        return f"/executions/{self.run_id}"


async def write_note(console: Console, agent: Agent, *, ticket: str = "1042") -> Note:
    """A run that ended in a note."""
    shown = {"markdown": "**Turn it off and on.**", "sources": []}
    run = await console.execution(agent, ticket=ticket, status="completed", output_result={"note": shown})
    async with console.db.tenant_session(agent.tenant_id) as session:
        await record_enhancement(
            session, run_id=run, tenant_id=agent.tenant_id, ticket_id=ticket, context={}, note="Turn it off.", took_ms=7
        )
    return Note(run)


def token_for(app: FastAPI, note: Note) -> str:
    """The token of a link to a note of acme's, for a day."""
    state = app.state.deskhand
    until = datetime.now(UTC) + timedelta(days=1)
    line = VerdictLinks(state.secrets, state.public_url).line("acme", note.run_id, until=until)
    return line.partition("token=")[2].rstrip(">)")


async def kept(console: Console, tenant_id: str = "acme") -> list[tuple[str | None, str, int | None, str | None]]:
    """Who said what: voice, kind, number and comment of each verdict, by voice."""
    f = EnhancementFeedback
    columns = (f.technician_email, f.feedback_type, f.rating_value, f.feedback_comment)
    async with console.db.tenant_session(tenant_id) as session:
        rows = await session.execute(select(*columns).order_by(f.technician_email.nulls_first()))
        return [(row[0], row[1], row[2], row[3]) for row in rows]


async def judged_note(world: Any) -> dict[str, str]:
    """For the audit's tests: a note that somebody is about to judge, and the token of its link."""
    written = await write_note(world.console, world.agent, ticket=str(next(world.tickets)))
    return {"execution_id": str(written.run_id), "token": token_for(world.api.app, written)}
