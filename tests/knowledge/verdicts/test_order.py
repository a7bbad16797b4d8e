"""What verdicts on notes do to the order of what is found: by the rule, and no further."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import insert, text
from tests.support.meanings import Meanings, at

from deskhand.kit.db.companies import EVERY_COMPANY, SHARED_ONLY, Scope, company_scope
from deskhand.kit.db.session import Database
from deskhand.knowledge import search
from deskhand.knowledge.embedding import LexicalOnly
from deskhand.knowledge.models import KnowledgeArticle, TicketHistory
from deskhand.knowledge.verdicts import service
from deskhand.knowledge.verdicts.grounds import Searched, keep_grounds
from deskhand.knowledge.verdicts.schemas import VerdictGiven
from deskhand.plugins.contract import Company, Ticket
from deskhand.tenants.service import record_enhancement

# "jam" and "stuck" are of one kind, "vpn" is another. Past tickets have no word of them, so meaning alone counts: each
# hundredth of a cosine is 0.58 log-odds, and a verdict 0.7.
KINDS = Meanings({"jam": at(1.0), "stuck": at(0.95), "vpn": at(0.85, side=2)})
LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)
FIRST, SECOND, THIRD = "1", "2", "3"
PAST = {FIRST: 0.93, SECOND: 0.92, THIRD: 0.884}
UP, DOWN = VerdictGiven(feedback_type="thumbs_up"), VerdictGiven(feedback_type="thumbs_down")
NORDWIND, SUEDWERK = Company(id="1", name="Nordwind"), Company(id="2", name="Suedwerk")
OF_NORDWIND, OF_SUEDWERK = company_scope("jira", "1", "Nordwind"), company_scope("jira", "2", "Suedwerk")


@dataclass(frozen=True, slots=True)
class Desk:
    """A tenant's past tickets, which help every company's, and the notes that cite them."""

    db: Database

    async def note(
        self,
        words: str,
        *cited: str,
        kind: str = "ticket",
        company: Company | None = None,
        scope: Scope = EVERY_COMPANY,
    ) -> UUID:
        """A note on a ticket of some words, which cites these."""
        run, (vector,) = uuid4(), KINDS.embed([words])
        async with self.db.tenant_session("acme", companies=scope) as session:
            await record_enhancement(
                session, run_id=run, tenant_id="acme", ticket_id="77", context={}, note="Try it.", took_ms=1
            )
            for _ in range(2):  # a resumed run keeps it again
                await keep_grounds(
                    session, tenant_id="acme", run_id=run, cited=[(kind, one) for one in cited],
                    ticket=Ticket(tool_type="jira", id="77", display_id="77", subject=words, company=company),
                    searched=Searched(scope, vector, KINDS.name),
                )  # fmt: skip
        return run

    async def judge(self, run: UUID, verdict: VerdictGiven, *voices: str | None) -> None:
        async with self.db.tenant_session("acme") as session:
            for voice in voices or ("ann@example.com",):
                await service.give(session, run, verdict, voice=voice, actor="test")

    async def judged(self, words: str, *cited: str, verdict: VerdictGiven, voices: Sequence[str | None] = ()) -> UUID:
        run = await self.note(words, *cited)
        await self.judge(run, verdict, *voices)
        return run

    async def found(
        self, words: str, *, scope: Scope = EVERY_COMPANY, embedder: Any = KINDS, by: datetime | None = None
    ) -> list[str]:
        async with self.db.tenant_session("acme", companies=scope) as session:
            hits = await search.search_history(session, words, embedder=embedder, floor=0.0, solved_before=by)
        return [hit.ticket_id for hit in hits]

    async def change(self, statement: str) -> None:
        async with self.db.tenant_session("acme", companies=EVERY_COMPANY) as session:
            await session.execute(text(statement))


@pytest.fixture
async def desk(clean_db: Database, make_tenant: Any) -> Desk:
    await make_tenant("acme")
    rows = [
        {
            "tenant_id": "acme", "tool_type": "jira", "ticket_id": name, "subject": f"row {name}", "description": "x",
            "resolution": f"Do {name}.", "shared": True, "resolved_date": LONG_AGO - timedelta(days=1),
            "embedding": at(cosine), "embedding_model": KINDS.name,
        }
        for name, cosine in PAST.items()
    ]  # fmt: skip
    async with clean_db.tenant_session("acme", companies=EVERY_COMPANY) as session:
        await session.execute(insert(TicketHistory), rows)
    return Desk(clean_db)


async def test_a_past_ticket_that_was_voted_down_for_this_kind_sinks_and_for_another_kind_it_does_not(
    desk: Desk,
) -> None:
    assert (before := await desk.found("vpn"))[0] == FIRST
    await desk.judged("jam", FIRST, verdict=DOWN)
    assert await desk.found("jam") == [SECOND, FIRST, THIRD]
    assert await desk.found("stuck") == [SECOND, FIRST, THIRD], "another ticket of the kind that was judged"
    assert await desk.found("vpn") == before


async def test_a_verdict_changes_the_order_and_no_score_and_hides_nothing(desk: Desk) -> None:
    async def hits() -> dict[str, Any]:
        async with desk.db.tenant_session("acme", companies=EVERY_COMPANY) as session:
            found = await search.search_history(session, "jam", embedder=KINDS)
        return {hit.ticket_id: (hit.score, hit.useful, hit.useless) for hit in found}

    before = await hits()
    await desk.judged("jam", FIRST, verdict=DOWN)
    await desk.judged("jam", SECOND, verdict=UP, voices=("ann@example.com", None))
    after = await hits()
    assert list(after) == [SECOND, FIRST]
    assert {name: one[0] for name, one in after.items()} == {name: one[0] for name, one in before.items()}
    assert {name: one[1:] for name, one in after.items()} == {FIRST: (0, 1), SECOND: (2, 0)}


@pytest.mark.parametrize(("rating", "order"), [(1, [SECOND, FIRST]), (3, [FIRST, SECOND]), (5, [FIRST, SECOND])])
async def test_a_rating_counts_as_the_thumb_it_is_nearest_to(desk: Desk, rating: int, order: list[str]) -> None:
    verdict = VerdictGiven(feedback_type="rating", rating_value=rating)
    await desk.judged("jam", FIRST, verdict=verdict)
    assert (await desk.found("jam"))[:2] == order
    await desk.judged("jam", SECOND, verdict=UP)
    assert (await desk.found("jam"))[0] == (FIRST if rating == 5 else SECOND)


async def test_a_crowd_moves_a_source_no_further_than_three_and_one_person_counts_once_on_a_note(desk: Desk) -> None:
    """Else who has many voices, or one and patience, decides what every agent of the tenant says."""
    stubborn = await desk.note("jam", FIRST)
    for _ in range(4):
        await desk.judge(stubborn, DOWN)
    async with desk.db.tenant_session("acme", companies=EVERY_COMPANY) as session:
        hits = await search.search_history(session, "jam", embedder=KINDS)
    assert {hit.ticket_id: hit.useless for hit in hits}[FIRST] == 1
    # The third is 2.69 log-odds behind: four verdicts would carry it down there, three do not.
    await desk.judge(stubborn, DOWN, *(f"{name}@example.com" for name in range(9)))
    assert await desk.found("jam") == [SECOND, FIRST, THIRD]


async def test_a_verdict_that_is_changed_or_old_or_gone_with_its_note_counts_no_more(desk: Desk) -> None:
    down, plain = [SECOND, FIRST, THIRD], [FIRST, SECOND, THIRD]
    run = await desk.judged("jam", FIRST, verdict=DOWN)
    assert await desk.found("jam") == down
    assert await desk.found("jam", by=LONG_AGO) == plain, "as it was when nobody had said so"
    await desk.judge(run, UP)
    assert await desk.found("jam") == plain
    await desk.judge(run, DOWN)
    await desk.change("UPDATE enhancement_feedback SET created_at = now() - interval '364 days'")
    assert await desk.found("jam") == down
    await desk.change("UPDATE enhancement_feedback SET created_at = now() - interval '366 days'")
    assert await desk.found("jam") == plain
    await desk.judge(run, DOWN)
    assert await desk.found("jam") == down, "given anew, it is new"
    await desk.change("DELETE FROM enhancement_history")
    assert await desk.found("jam") == plain


async def test_what_one_client_company_says_moves_nothing_for_another(desk: Desk) -> None:
    run = await desk.note("jam", FIRST, company=NORDWIND, scope=OF_NORDWIND)
    await desk.judge(run, DOWN)
    assert await desk.found("jam", scope=OF_NORDWIND) == [SECOND, FIRST, THIRD]
    assert await desk.found("jam", scope=OF_SUEDWERK) == [FIRST, SECOND, THIRD]
    assert await desk.found("jam", scope=SHARED_ONLY) == [FIRST, SECOND, THIRD]


async def test_what_cannot_be_compared_is_not_kept_and_breaks_no_run(desk: Desk) -> None:
    named_too_long = Company(id="x" * 300, name="Nordwind")
    nobodys = [
        await desk.note("jam", FIRST, scope=SHARED_ONLY),
        await desk.note("jam", FIRST, company=named_too_long, scope=company_scope("jira", "x" * 300, "Nordwind")),
        await desk.note("jam", "gone", scope=EVERY_COMPANY),
    ]
    for run in nobodys:
        await desk.judge(run, DOWN)
    assert await desk.found("jam") == [FIRST, SECOND, THIRD]
    await desk.judged("jam", FIRST, verdict=DOWN)
    assert await desk.found("jam", embedder=LexicalOnly()) == [FIRST, SECOND, THIRD], "there is no kind without a model"
    await desk.change("UPDATE note_grounds SET embedding_model = 'another'")
    assert await desk.found("jam") == [FIRST, SECOND, THIRD]


async def test_articles_are_ordered_by_the_same_rule(desk: Desk) -> None:
    rows = [
        {"tenant_id": "acme", "article_id": name, "title": f"row {name}", "body": "x", "shared": True,
         "embedding": at(cosine), "embedding_model": KINDS.name}
        for name, cosine in (("KB-1", 0.93), ("KB-2", 0.926))
    ]  # fmt: skip
    async with desk.db.tenant_session("acme", companies=EVERY_COMPANY) as session:
        await session.execute(insert(KnowledgeArticle), rows)
    await desk.judge(await desk.note("jam", "KB-1", kind="article"), DOWN)
    async with desk.db.tenant_session("acme", companies=EVERY_COMPANY) as session:
        hits = await search.search_articles(session, "jam", embedder=KINDS, floor=0.0)
    assert [hit.article_id for hit in hits] == ["KB-2", "KB-1"]
