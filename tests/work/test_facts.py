"""What was found becomes what a note is made of: near tickets alone count, systems keep the words that name them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from deskhand.knowledge.schemas import HistoryHit, SystemHit
from deskhand.knowledge.triage import suggest
from deskhand.notes.facts import FileText
from deskhand.plugins.contract import Company, Person, Ticket
from deskhand.work.facts import CUSTOM_FIELDS, note_input, particulars
from deskhand.work.files.read import FilesRead
from deskhand.work.research import Findings


def hit(number: int, *, score: float, category: str | None = "network") -> HistoryHit:
    return HistoryHit(
        tool_type="servicedesk_plus", ticket_id=f"INC{number}", subject="VPN", description="It drops.",
        resolution="Restarted it.", category=category, priority="low", url=None, resolved_date=None, source="import",
        score=score,
    )  # fmt: skip


def findings(*hits: HistoryHit, systems: tuple[SystemHit, ...] = ()) -> Findings:
    return Findings(
        query="", history=list(hits), articles=[], systems=list(systems), triage=suggest(hits), neighbours=list(hits),
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


def test_what_else_is_known_of_a_ticket_is_told_and_what_it_has_not_is_left_out() -> None:
    assert dict(note_input(TICKET, findings()).particulars) == {"Category": "other"}
    ticket = replace(
        TICKET,
        requester=Person(id="5", name="Ann Lee"),
        company=Company(id="1", name="Acme"),
        vendor_priority="P2",
        tags=("vpn", "home"),
        attachments=("crash.log", "screen.png"),
    )
    assert dict(note_input(ticket, findings()).particulars) == {
        "Requester": "Ann Lee",
        "Company": "Acme",
        "Priority": "P2",
        "Category": "other",
        "Tags": "vpn, home",
        "Attachments (names alone, nobody has read them)": "crash.log, screen.png",
    }
    assert "Requester" not in dict(note_input(replace(ticket, requester=Person(id="5")), findings()).particulars)


def test_what_files_say_is_a_part_of_the_facts_and_those_that_nobody_read_are_named() -> None:
    log = FileText(name="crash.log", text="ERROR 0x80070035", public=True)
    read = FilesRead((log, FileText(name="inside.log", text="x")), (("screen.png", "it is no picture"),))
    ticket = replace(TICKET, attachments=("crash.log", "inside.log", "screen.png", "setup.exe"))
    known = note_input(ticket, findings(), files=read)
    assert (known.files, known.unread) == (read.texts, ("screen.png",))
    assert dict(known.particulars)["Attachments (names alone, nobody has read them)"] == "screen.png, setup.exe"
    assert read.extent == ("screen.png was not read: it is no picture.",)
    assert read.public() == FilesRead((log,))


@pytest.mark.parametrize(
    ("custom", "shown"),
    [
        ({"cmdb_ci": "srv-vpn01"}, {"Asset": "srv-vpn01"}),
        ({"assets": [{"name": "LT-4711"}, {"name": "LT-4712"}, {"id": "3"}]}, {"Asset": "LT-4711, LT-4712"}),
        ({"due_by_time": {"display_value": "May 4, 2026", "value": "1"}}, {"Due": "May 4, 2026"}),
        ({"sla_due": "2026-05-04 09:00:00"}, {"Due": "2026-05-04 09:00:00"}),
        ({"udf_fields": {"udf_sline_1": "Floor three", "udf_sline_2": None}}, {"udf_sline_1": "Floor three"}),
        ({"u_building": "North", "sys_domain": "global", "made_sla": "true"}, {"u_building": "North"}),
        ({"customfield_10019": "0|i0001z:", "customfield_10071": "srv-vpn01"}, {"customfield_10071": "srv-vpn01"}),
        ({"360001": "windows laptop", "360002": True, "360003": 7}, {"360001": "windows laptop"}),
        ({"u_long": "word " * 100, "u_none": "", "u_odd": object()}, {}),
        ({f"u_{number}": "word" for number in range(40)}, {f"u_{number}": "word" for number in range(CUSTOM_FIELDS)}),
    ],
)
def test_of_a_desks_other_fields_those_are_told_that_say_something(
    custom: dict[str, Any], shown: dict[str, str]
) -> None:
    assert dict(particulars(replace(TICKET, category=None, custom=custom))) == shown


def test_what_could_not_be_read_of_the_ticket_is_named_beside_the_sources_that_were_away() -> None:
    ticket = replace(TICKET, unread=("the ticket's notes beyond the first 400",))
    facts = note_input(ticket, replace(findings(), unavailable=["past tickets"]))
    assert facts.unavailable == ("past tickets", "the ticket's notes beyond the first 400")


@pytest.mark.parametrize("said", ["Done", "Closed before close notes were made mandatory", "Gave workaround", "asd"])
def test_what_only_says_that_it_is_over_is_no_solution_to_quote(said: str) -> None:
    solved = [replace(hit(1, score=0.9), resolution=said), hit(2, score=0.8)]
    first, second = note_input(TICKET, findings(*solved)).of_kind("ticket")
    assert (first.text, second.text) == ("", "Restarted it.")


def test_a_mail_is_read_without_its_signature_and_what_it_answers_is_kept() -> None:
    chain = "No change.\n\nBest regards\nAnn Lee | Accounts\n\nFrom: Ann\nSent: Monday\nSubject: VPN\n\nThe VPN drops."
    facts = note_input(replace(TICKET, subject="RE: VPN", description=chain), findings())
    assert (facts.subject, facts.description) == ("VPN", "No change.\n\n(quoted) The VPN drops.")
