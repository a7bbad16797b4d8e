"""What was found becomes what a note is made of: near tickets alone count, systems keep the words that name them."""

from __future__ import annotations

from dataclasses import replace

from deskhand.knowledge.schemas import HistoryHit, SystemHit
from deskhand.knowledge.triage import suggest
from deskhand.plugins.contract import Ticket
from deskhand.work.facts import note_input
from deskhand.work.research import Findings


def hit(number: int, *, score: float, category: str | None = "network") -> HistoryHit:
    return HistoryHit(
        tool_type="servicedesk_plus", ticket_id=f"INC{number}", subject="VPN", description="It drops.",
        resolution="Restarted it.", category=category, priority="low", url=None, resolved_date=None, source="import",
        score=score,
    )  # fmt: skip


def findings(*hits: HistoryHit, systems: tuple[SystemHit, ...] = ()) -> Findings:
    return Findings(
        history=list(hits), articles=[], systems=list(systems), triage=suggest(hits), neighbours=list(hits),
        unavailable=[],
    )  # fmt: skip


TICKET = Ticket(tool_type="servicedesk_plus", id="7", display_id="7", subject="VPN on SAP", category="other")


def test_only_near_tickets_are_counted_as_similar() -> None:
    facts = note_input(TICKET, findings(hit(1, score=0.9), hit(2, score=0.8), hit(3, score=0.25), hit(4, score=0.14)))
    category = facts.suggestions[0]
    assert (category.value, category.votes, category.of, category.current) == ("network", 2, 2, "other")


def test_a_value_that_no_near_ticket_has_is_not_suggested() -> None:
    facts = note_input(TICKET, findings(*(hit(number, score=0.3) for number in range(5))))
    assert [one.value for one in facts.suggestions] == [None, None]


def test_a_source_keeps_its_number_and_a_system_the_words_that_name_it() -> None:
    system = SystemHit(
        hostname="srv-sap01", ip_address="10.0.0.1", role="ERP", client=None, location=None, matched="SAP",
        match="alias", score=0.8,
    )  # fmt: skip
    facts = note_input(TICKET, findings(hit(1, score=0.9), systems=(system,)))
    assert [(source.ref, source.label, source.named) for source in facts.sources] == [
        ("T1", "INC1", ""),
        ("S1", "srv-sap01", "SAP"),
    ]


def test_what_could_not_be_read_of_the_ticket_is_named_beside_the_sources_that_were_away() -> None:
    ticket = replace(TICKET, unread=("the ticket's notes beyond the first 400",))
    facts = note_input(ticket, replace(findings(), unavailable=["past tickets"]))
    assert facts.unavailable == ("past tickets", "the ticket's notes beyond the first 400")
