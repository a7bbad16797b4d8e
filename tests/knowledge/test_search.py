"""Search over the demo's content with the real embedder, and by words alone."""

from __future__ import annotations

import json

import pytest
from sqlalchemy import insert, text
from tests.conftest import MakeTenant
from tests.knowledge.conftest import Remembering
from tests.knowledge.paraphrases import DATA, TENANT, article_of, paraphrases, topics_of_history

from deskhand.kit.db.companies import EVERY_COMPANY
from deskhand.kit.db.session import Database
from deskhand.knowledge import search
from deskhand.knowledge.embedding import Embedder, LexicalOnly
from deskhand.knowledge.models import KnowledgeArticle
from deskhand.knowledge.ranking import ARTICLES, HISTORY
from deskhand.knowledge.schemas import TicketNames

NEW_TICKETS = json.loads((DATA / "new_tickets.json").read_text("utf-8"))


async def first_and_third(db: Database, embedder: Embedder, use: str) -> tuple[int, int, int]:
    """How often a hit of the right kind is first, is among three; and how many were asked."""
    topics, first, third = topics_of_history(), 0, 0
    asked = paraphrases(use)
    async with db.tenant_session(TENANT, companies=EVERY_COMPANY) as session:
        for one in asked:
            hits = await search.search_history(session, one.text, limit=3, embedder=embedder)
            kinds = [topics[hit.ticket_id] for hit in hits]
            first += kinds[:1] == [one.topic]
            third += one.topic in kinds
    return first, third, len(asked)


async def test_paraphrased_tickets_find_their_kind_of_problem(known: Database, embedder: Remembering) -> None:
    first, third, asked = await first_and_third(known, embedder, "held-out")
    assert asked == 18
    assert first >= 16  # measured: 17
    assert third >= 17  # measured: 17


async def test_words_alone_still_find_most(known: Database) -> None:
    first, third, _ = await first_and_third(known, LexicalOnly(), "held-out")
    assert first >= 14  # measured: 15
    assert third >= 15


async def test_articles_are_found_for_what_they_answer(known: Database, embedder: Remembering) -> None:
    right = shown = 0
    asked = [one for one in paraphrases("held-out") if article_of(one.topic, one.text)]
    async with known.tenant_session(TENANT, companies=EVERY_COMPANY) as session:
        for one in asked:
            hits = await search.search_articles(session, one.text, embedder=embedder)
            shown += bool(hits)
            right += bool(hits) and hits[0].article_id == article_of(one.topic, one.text)
    assert len(asked) == 17
    assert right >= 13  # measured: 14
    assert shown - right <= 1, "an article that does not fit must not come first"


@pytest.mark.parametrize("query", [one.text for one in paraphrases("no-answer")])
async def test_no_procedure_is_offered_where_none_fits(known: Database, embedder: Remembering, query: str) -> None:
    async with known.tenant_session(TENANT, companies=EVERY_COMPANY) as session:
        assert await search.search_articles(session, query, embedder=embedder) == []
        strong = [hit for hit in await search.search_history(session, query, embedder=embedder) if hit.score > 0.4]
    assert strong == []


PROCEDURE = {
    "INC0000035": "KB-PASSWORD",
    "INC0000059": "KB-FILESHARE",
    "INC0000030": "KB-WIFI",
    "INC0000008": "KB-PRINTER",
    "INC0000021": "WA-onboarding-a-new-user",
    "INC0000052": "KB-SAP",
    "INC0000047": "KB-OUTLOOK",
}


@pytest.mark.parametrize("ticket", NEW_TICKETS, ids=lambda ticket: ticket["number"])
async def test_each_real_demo_ticket_gets_its_procedure_and_no_other(
    known: Database, embedder: Remembering, ticket: dict[str, str]
) -> None:
    query = f"{ticket['short_description']}\n{ticket['description']}"
    async with known.tenant_session(TENANT, companies=EVERY_COMPANY) as session:
        hits = await search.search_articles(session, query, embedder=embedder)
    assert [hit.article_id for hit in hits] == [PROCEDURE[ticket["number"]]]


async def test_a_printer_ticket_is_not_offered_the_expenses(known: Database, embedder: Remembering) -> None:
    async with known.tenant_session(TENANT, companies=EVERY_COMPANY) as session:
        offered = await search.search_articles(session, "Printer is out of toner", embedder=embedder, limit=10)
        asked_for = await search.search_articles(session, "duplicate expense lines", embedder=embedder)
    assert "WA-managing-your-existing-expenses" not in {hit.article_id for hit in offered}
    assert asked_for[0].article_id == "WA-managing-your-existing-expenses"


async def test_an_article_counts_what_it_says_often_and_less_by_its_length(clean_db: Database, tenant: str) -> None:
    """By words alone, and the longest has every word as well: else chapters stood first, whatever was asked."""
    pages = {
        "once": "toner " + "beige " * 9, "thrice": "toner toner toner " + "beige " * 7,
        "long": "toner " + " ".join(f"other{number}" for number in range(300)), "none": "beige " * 10,
    }  # fmt: skip
    rows = [
        {"tenant_id": tenant, "article_id": name, "title": "x", "body": body, "shared": True}
        for name, body in pages.items()
    ]
    async with clean_db.tenant_session(tenant, companies=EVERY_COMPANY) as session:
        await session.execute(insert(KnowledgeArticle), rows)
        hits = await search.search_articles(session, "toner", limit=9, floor=0.0, embedder=LexicalOnly())
    assert [hit.article_id for hit in hits] == ["thrice", "once", "long", "none"]


@pytest.mark.parametrize(
    ("code", "subject"),
    [
        ("809", "Cannot connect to VPN - error 809"),
        ("FB60", "SAP transaction missing"),
        ("PRN-204", "Printer offline"),
        ("INACCESSIBLE_BOOT_DEVICE", "Blue screen on start"),
    ],
)
@pytest.mark.parametrize("by_words", [False, True])
async def test_an_exact_code_finds_the_ticket_that_has_it(
    known: Database, embedder: Remembering, code: str, subject: str, by_words: bool
) -> None:
    async with known.tenant_session(TENANT, companies=EVERY_COMPANY) as session:
        hits = await search.search_history(
            session, f"what does {code} mean?", embedder=LexicalOnly() if by_words else embedder
        )
    assert hits[0].subject == subject
    assert hits[0].codes == (code.lower(),)


async def test_hits_say_where_they_come_from_and_scores_stay_in_range(known: Database, embedder: Remembering) -> None:
    async with known.tenant_session(TENANT, companies=EVERY_COMPANY) as session:
        hits = await search.search_history(session, "I forgot my email password", embedder=embedder)
    by_id = {hit.ticket_id: hit for hit in hits}
    assert by_id["INC0000004"].source == "workarena"
    assert by_id["INC0000004"].resolution == "Walked him through settng his password, again."
    assert {hit.source for hit in hits} <= {"synthetic", "workarena"}
    assert all(HISTORY.floor <= hit.score <= 1 for hit in hits)
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)


async def test_equal_scores_stand_in_the_order_of_their_ids(known: Database) -> None:
    """Else the same history would give another note after each import, whose rows have random keys."""
    async with known.tenant_session(TENANT, companies=EVERY_COMPANY) as session:
        every, few = [
            await search.search_history(session, "VPN drops", limit=limit, floor=0.0, embedder=LexicalOnly())
            for limit in (50, 9)
        ]
    assert len({hit.score for hit in every}) < len(every)
    assert every == sorted(every, key=lambda hit: (-hit.score, hit.tool_type, hit.ticket_id))
    assert few == every[:9]


async def test_the_ticket_itself_is_left_out(known: Database, embedder: Remembering) -> None:
    query = "Printer offline\nPrinter PRN-204 shows offline for everybody in accounting."
    async with known.tenant_session(TENANT, companies=EVERY_COMPANY) as session:
        with_it = await search.search_history(session, query, embedder=embedder)
        without = await search.search_history(
            session, query, embedder=embedder, exclude_ticket=TicketNames("servicedesk_plus", ("INV-1031",))
        )
    assert with_it[0].ticket_id == "INV-1031"
    assert "INV-1031" not in {hit.ticket_id for hit in without}


ODD = [
    "",
    "  \n ",
    "the and of",
    "' | & ! :* \\ <-> (",
    "%_\x00';--",
    "ä" * 5000,
    "\ud83d",
    "'|(" * 400_000,
    "9." * 500_000,
]


@pytest.mark.parametrize("query", ODD, ids=[str(place) for place in range(len(ODD))])
async def test_odd_queries_find_nothing_and_break_nothing(known: Database, embedder: Remembering, query: str) -> None:
    async with known.tenant_session(TENANT, companies=EVERY_COMPANY) as session:
        for one in (embedder, LexicalOnly()):
            assert await search.search_articles(session, query, embedder=one) == []
            await search.search_history(session, query, embedder=one)
            await search.find_systems(session, query)


async def test_another_tenant_finds_nothing_of_it(
    known: Database, make_tenant: MakeTenant, embedder: Remembering
) -> None:
    await make_tenant("other")
    async with known.tenant_session("other", companies=EVERY_COMPANY) as session:
        assert await search.search_history(session, "error 809", embedder=embedder, floor=0.0) == []
        assert await search.search_articles(session, "VPN error 809", embedder=embedder, floor=0.0) == []
        assert await search.find_systems(session, "prn-204 and 10.20.30.12") == []


async def test_vectors_of_another_model_are_not_compared(known: Database, embedder: Remembering) -> None:
    async with known.tenant_session(TENANT, companies=EVERY_COMPANY) as session:
        await session.execute(text("UPDATE ticket_history SET embedding_model = 'older-model'"))
        hits = await search.search_history(session, "error 809", embedder=embedder)
    assert hits[0].codes == ("809",)  # by its words


async def test_german_finds_english_tickets(known: Database, embedder: Remembering) -> None:
    async with known.tenant_session(TENANT, companies=EVERY_COMPANY) as session:
        hits = await search.search_history(
            session, "Passwort vergessen\nIch habe mein Kennwort vergessen und kann mich nicht anmelden.",
            embedder=embedder, floor=0.0,
        )  # fmt: skip
    assert "Forgot password - reset needed" in [hit.subject for hit in hits[:3]]


def test_floors_are_where_they_were_measured() -> None:
    assert HISTORY.floor == 0.15
    assert ARTICLES.floor == 0.25


# -- systems -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "hostname", "match"),
    [
        ("Printer PRN-204 shows offline", "prn-204", "hostname"),
        ("prn204 is dead", "prn-204", "similar"),
        ("cannot ping 10.20.30.12, please check", "ap-3b-02", "ip_address"),
        ("SAP Financial Accounting appears to be down", "srv-sap01", "alias"),
        ("can't access my team's folder on our file share.", "srv-fs01", "alias"),
        ("Can't access Exchange server - is it down?", "srv-mail01", "alias"),
    ],
)
async def test_systems_are_recognised(known: Database, words: str, hostname: str, match: str) -> None:
    async with known.tenant_session(TENANT, companies=EVERY_COMPANY) as session:
        hits = await search.find_systems(session, words)
    assert (hits[0].hostname, hits[0].match) == (hostname, match)


@pytest.mark.parametrize(
    "words", ["srv-fs02 is down", "sapling in the garden", "10.20.30.121 is slow", "prn-2045", "nothing named here"]
)
async def test_a_near_miss_names_no_system(known: Database, words: str) -> None:
    async with known.tenant_session(TENANT, companies=EVERY_COMPANY) as session:
        assert await search.find_systems(session, words) == []
