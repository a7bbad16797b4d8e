"""``deskhand knowledge``: imports as jobs, which a worker does."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import TypeVar
from uuid import UUID

import typer
from sqlalchemy.ext.asyncio import AsyncSession

from deskhand.cli.administration import ACTOR
from deskhand.cli.common import database, opened_installation, run, say
from deskhand.cli.configuration import TENANT
from deskhand.errors import InvalidInputError
from deskhand.kit.crypto import SecretBox
from deskhand.kit.db.companies import EVERY_COMPANY
from deskhand.knowledge.upkeep import jobs
from deskhand.knowledge.upkeep.models import JobKind, KnowledgeJob
from deskhand.plugins.registry import PluginManager

T = TypeVar("T")
JOB = typer.Argument(..., help="The job's id, as `deskhand knowledge jobs` shows it.")
knowledge = typer.Typer(help="Imports of a desk's past, and the vectors of the search.", no_args_is_help=True)
app = typer.Typer()
app.add_typer(knowledge, name="knowledge")


@app.callback()
def main() -> None:
    """Knowledge."""


@knowledge.command("jobs")
def list_jobs(tenant: str = TENANT) -> None:
    """Show the newest jobs with their progress."""

    async def read(session: AsyncSession, _secrets: SecretBox) -> list[KnowledgeJob]:
        return (await jobs.list_jobs(session)).items

    for job in _in_tenant(tenant, read):
        say(_line(job))


@knowledge.command("start")
def start(
    kind: str = typer.Argument("history", help="history, reconcile or embeddings."),
    *,
    tenant: str = TENANT,
    desk: str | None = typer.Option(None, help="Which desk; left out, the tenant's own."),
    since: datetime | None = typer.Option(None, help="Where to begin (UTC); left out, where the last import ended."),
) -> None:
    """Queue a job; a worker does it, and makes way for live runs."""
    if kind not in list(JobKind):
        raise InvalidInputError(f"There is no kind '{kind}'. There are: {', '.join(JobKind)}.")

    async def make(session: AsyncSession, secrets: SecretBox) -> KnowledgeJob:
        tool_type = None
        if kind != JobKind.EMBEDDINGS:
            tool_type = await jobs.desk_of(session, desk, secrets=secrets, plugins=PluginManager.installed())
        begin = None if since is None else since.replace(tzinfo=UTC)
        return await jobs.start(session, tenant, JobKind(kind), tool_type=tool_type, since=begin, actor=ACTOR)

    say(_line(_in_tenant(tenant, make)))


@knowledge.command("pause")
def pause(job_id: UUID = JOB, tenant: str = TENANT) -> None:
    """Let a job rest."""
    say(_line(_in_tenant(tenant, lambda session, _secrets: jobs.pause(session, job_id, actor=ACTOR))))


@knowledge.command("resume")
def resume(job_id: UUID = JOB, tenant: str = TENANT) -> None:
    """Let a job go on where it was: one that was paused, or that failed once its cause is mended."""
    say(_line(_in_tenant(tenant, lambda session, _secrets: jobs.resume(session, job_id, actor=ACTOR))))


def _in_tenant(tenant_id: str, work: Callable[[AsyncSession, SecretBox], Awaitable[T]]) -> T:
    async def execute() -> T:
        async with (
            database(installation, pool_size=1) as db,
            db.tenant_session(tenant_id, companies=EVERY_COMPANY) as session,
        ):
            return await work(session, SecretBox(installation.encryption_keys))

    with opened_installation() as installation:
        return run(execute())


def _line(job: KnowledgeJob) -> str:
    counts = f"{job.seen} seen, {job.created} new, {job.updated} changed, {job.failed} refused, {job.removed} gone"
    words = [f"{job.id}  {job.kind}  {job.tool_type or '-'}  {job.state}  {counts}", jobs.finding(job), job.error]
    return "  ".join(filter(None, words))
