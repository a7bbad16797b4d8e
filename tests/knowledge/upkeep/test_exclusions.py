"""The job that takes out what a tenant's rules keep out: once for each set of rules, in parts, anew with another."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from tests.conftest import DatabaseUrls
from tests.support.upkeep import TENANT, Upkeep, running_upkeep

from deskhand.kit.crypto import SecretBox
from deskhand.kit.db.companies import EVERY_COMPANY
from deskhand.kit.db.session import Database
from deskhand.knowledge.embedding import LexicalOnly
from deskhand.knowledge.search import find_systems, read_article, search_articles, search_history
from deskhand.knowledge.upkeep import exclusions
from deskhand.knowledge.upkeep.models import JobState
from deskhand.knowledge.upkeep.work import Work
from deskhand.plugins.registry import PluginManager
from deskhand.tenants.schemas import TenantConfigUpdate
from deskhand.tenants.service import TenantService


@pytest.fixture
async def upkeep(clean_db: Database, database_urls: DatabaseUrls) -> AsyncIterator[Upkeep]:
    async with running_upkeep(clean_db, database_urls.app_url) as running:
        yield running


async def bound(upkeep: Upkeep, *rules: dict[str, Any]) -> None:
    """The tenant's rules, as an administrator sets them."""
    async with upkeep.db.tenant_session(TENANT, companies=EVERY_COMPANY) as session:
        service = TenantService(session, secrets=SecretBox((upkeep.key,)), plugins=PluginManager.installed())
        data = TenantConfigUpdate.model_validate({"enhancement_preferences": {"boundaries": list(rules)}})
        await service.update_tenant(TENANT, data)


async def filled(upkeep: Upkeep, tags: dict[str, int]) -> None:
    for tag, count in tags.items():
        for number in range(count):
            await upkeep.rows(
                "INSERT INTO ticket_history (tenant_id, tool_type, ticket_id, subject, description, tags)"
                " VALUES (:tenant, 'servicedesk_plus', :id, :tag, 'x', ARRAY[:tag])",
                tenant=TENANT, id=f"{tag}-{number}", tag=tag,
            )  # fmt: skip


async def test_each_set_of_rules_is_applied_once_and_in_parts(upkeep: Upkeep, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exclusions, "ROWS", 2)
    await filled(upkeep, {"hr": 3, "legal": 2, "network": 2})
    await upkeep.keeper.tend()
    await upkeep.worked()
    assert not await upkeep.rows("SELECT 1 FROM knowledge_jobs WHERE kind = 'exclusions'"), "no rule, no job"
    hr = {"name": "HR", "tags": ["HR"]}
    await bound(upkeep, hr)
    await upkeep.keeper.tend()
    job = await upkeep.worked("exclusions")
    assert (job.state, job.seen, job.removed, job.asked_by) == (JobState.DONE, 7, 3, "boundaries")
    assert await upkeep.known() == {"legal", "network"}
    # The same rules in another night.
    await upkeep.rows("UPDATE tenant_configs SET history_due_at = now()")
    await upkeep.keeper.tend()
    await upkeep.worked()
    assert len(await upkeep.rows("SELECT 1 FROM knowledge_jobs WHERE kind = 'exclusions'")) == 1
    await bound(upkeep, hr, {"name": "Legal", "effect": "approve", "tags": ["legal"]})
    await upkeep.keeper.tend()
    await upkeep.worked()
    assert await upkeep.known() == {"network"}
    (entry,) = await upkeep.rows(
        "SELECT details -> 'after' FROM audit_log WHERE operation = 'knowledge.exclude' ORDER BY sequence DESC LIMIT 1"
    )
    assert entry == ({"rules": ["HR", "Legal"], "removed": 2},)
    # Rules that are taken back bring nothing back, and are applied as any other set.
    await bound(upkeep)
    await upkeep.keeper.tend()
    await upkeep.worked()
    assert await upkeep.known() == {"network"}
    assert len(await upkeep.rows("SELECT 1 FROM knowledge_jobs WHERE kind = 'exclusions'")) == 3


async def test_a_rule_counts_for_every_search_before_its_job_has_begun(upkeep: Upkeep) -> None:
    await filled(upkeep, {"hr": 1, "network": 1})
    for table, key in (
        ("knowledge_articles", "article_id, title, body"),
        ("system_inventory", "hostname, role, client"),
    ):
        values = "('acme', 'servicedesk_plus', '7', 'Suedwerk', :name, 'network', 'network')"
        statement = f"INSERT INTO {table} (tenant_id, tool_type, company_id, company_name, {key}) VALUES {values}"
        await upkeep.rows(statement, name="vpn-gate1")

    async def found() -> list[str]:
        async with upkeep.db.tenant_session(TENANT, companies=EVERY_COMPANY) as session:
            history = [
                hit.subject
                for word in ("hr", "network")
                for hit in await search_history(session, word, embedder=LexicalOnly(), floor=0.0)
            ]
            articles = await search_articles(session, "network", embedder=LexicalOnly(), floor=0.0)
            systems = await find_systems(session, "vpn-gate1 is down")
            read = await read_article(session, "vpn-gate1")
            others = [*(one.article_id for one in articles), *(one.hostname for one in systems)]
            return sorted({*history, *others, *([f"read {read.article_id}"] if read else [])})

    assert await found() == ["hr", "network", "read vpn-gate1", "vpn-gate1"]
    # Care with a client's tickets says nothing of its articles and systems.
    hr = {"name": "HR", "effect": "local", "words": ["hr"]}
    await bound(upkeep, hr, {"name": "South", "effect": "approve", "company": ["Suedwerk"]})
    assert await found() == ["network", "read vpn-gate1", "vpn-gate1"]
    await bound(upkeep, hr, {"name": "South", "company": ["Suedwerk"]})
    assert await found() == ["network"]
    assert await upkeep.known() == {"hr", "network"}, "nothing was taken out yet"


async def test_rules_that_change_under_the_job_begin_it_anew(upkeep: Upkeep) -> None:
    await filled(upkeep, {"hr": 1, "legal": 1})
    await bound(upkeep, {"name": "HR", "tags": ["hr"]})
    await upkeep.keeper.tend()
    first = await upkeep.job("exclusions")
    await bound(upkeep, {"name": "Legal", "tags": ["legal"]})
    await upkeep.keeper.tend()
    again = await upkeep.job("exclusions")
    assert again.id == first.id, "one of a kind is open"
    assert (again.state, again.attempt) == (JobState.QUEUED, first.attempt + 1), "whoever had it has lost it"
    assert again.cursor != first.cursor
    await upkeep.worked()
    assert await upkeep.known() == {"hr"}
    assert Work.__doc__
