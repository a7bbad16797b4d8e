"""The neighbours' vote: by itself, and on the demo's history."""

from __future__ import annotations

from dataclasses import dataclass

from tests.knowledge.conftest import Remembering
from tests.knowledge.paraphrases import TENANT, paraphrases, topics_of_history

from deskhand.kit.db.companies import EVERY_COMPANY
from deskhand.kit.db.session import Database
from deskhand.knowledge import search
from deskhand.knowledge.triage import NEIGHBOURS, suggest


@dataclass(frozen=True)
class Solved:
    ticket_id: str
    category: str | None
    priority: str | None
    score: float


def test_near_neighbours_outvote_many_distant_ones() -> None:
    near = [Solved("A", "network", "high", 0.95), Solved("B", "network", "low", 0.9)]
    far = [Solved(f"F{number}", "access", "low", 0.4) for number in range(5)]
    triage = suggest([*near, *far])
    assert triage.category.value == "network"
    assert triage.category.refs == ("A", "B")
    assert list(triage.category.votes) == ["network", "access"]
    assert 0.5 <= triage.category.confidence <= 1


def test_it_abstains_on_a_split_vote_and_still_shows_it() -> None:
    triage = suggest([Solved("A", "network", "high", 0.8), Solved("B", "access", "high", 0.79)])
    assert triage.category.value is None
    assert triage.category.votes == {"network": 0.64, "access": 0.624}
    assert triage.priority.value == "high"
    assert "2 of 2" in triage.priority.reason


def test_it_abstains_when_nobody_is_near_or_labelled() -> None:
    assert suggest([]).category.value is None
    assert suggest([Solved("A", None, "", 0.99)]).category.reason == "No resolved ticket near enough has a category."
    agreed_but_far = [Solved(f"F{number}", "access", "low", 0.06) for number in range(NEIGHBOURS)]
    assert suggest(agreed_but_far).category.value is None


def test_a_neighbour_that_is_not_similar_neither_votes_nor_is_counted() -> None:
    far = [Solved(f"F{number}", "access", "low", 0.14) for number in range(5)]
    triage = suggest([Solved("A", "network", "high", 0.9), *far])
    assert triage.category.votes == {"network": 0.81}
    assert triage.category.reason.startswith("1 of 1 similar tickets")
    assert suggest(far).category.votes == {}


def test_only_the_nearest_vote() -> None:
    voters = [Solved(f"N{number}", "network", None, 0.5) for number in range(NEIGHBOURS)]
    assert suggest([*voters, Solved("LATE", "access", None, 0.5)]).category.votes == {"network": 1.75}


async def test_suggestions_on_paraphrased_tickets_are_right(known: Database, embedder: Remembering) -> None:
    """Measured: 26 of 36 categories and 27 of 36 priorities suggested, one priority wrong."""
    suggested = {"category": 0, "priority": 0}
    wrong = []
    async with known.tenant_session(TENANT, companies=EVERY_COMPANY) as session:
        for one in [*paraphrases("tuning"), *paraphrases("held-out")]:
            triage = await search.triage_ticket(session, one.text, embedder=embedder)
            for label in (triage.category, triage.priority):
                suggested[label.field] += label.value is not None
                if label.value is not None and label.value != getattr(one, label.field):
                    wrong.append((one.text, label))
    assert suggested["category"] >= 25
    assert suggested["priority"] >= 24
    assert len(wrong) <= 1, wrong


async def test_it_keeps_silent_on_what_the_history_does_not_know(known: Database, embedder: Remembering) -> None:
    async with known.tenant_session(TENANT, companies=EVERY_COMPANY) as session:
        for one in paraphrases("no-answer"):
            triage = await search.triage_ticket(session, one.text, embedder=embedder)
            assert triage.category.value is None, one.text
            assert triage.priority.value is None, one.text


async def test_it_mostly_keeps_silent_when_the_kind_of_problem_is_new(known: Database, embedder: Remembering) -> None:
    """Each ticket with its own kind of problem taken out of the history. Measured: 4 suggestions, 3 of them wrong."""
    topics, wrong = topics_of_history(), 0
    async with known.tenant_session(TENANT, companies=EVERY_COMPANY) as session:
        for one in [*paraphrases("tuning"), *paraphrases("held-out")]:
            hits = await search.search_history(session, one.text, limit=58, floor=0.0, embedder=embedder)
            category = suggest([hit for hit in hits if topics[hit.ticket_id] != one.topic]).category
            wrong += (category.value is not None) and category.value != one.category
    assert wrong <= 5
