"""A question is stemmed by its own language, and finds what was stored by nobody's."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from sqlalchemy import text
from tests.knowledge.paraphrases import paraphrases

from deskhand.kit.db.companies import EVERY_COMPANY
from deskhand.kit.db.session import Database
from deskhand.knowledge import importer, languages, search
from deskhand.knowledge.embedding import LexicalOnly
from deskhand.knowledge.languages import LISTED, language_of, root_of, words_of
from deskhand.knowledge.stemming import stem

# Of each language a past ticket, and a question that has none of its words as they stand there.
TOLD = {
    "arabic": ("طابعات", "طابعة"),
    "armenian": ("համակարգիչներ", "համակարգիչի"),
    "basque": ("inprimagailuak hautsita", "inprimagailua eta nola"),
    "catalan": ("pantalles avariades", "aquesta pantalla amb això"),
    "danish": ("printere og skærme", "hvad gør jeg med skærmen"),
    "dutch": ("verbindingen verbroken", "waarom is mijn verbinding weg"),
    "estonian": ("printerid katki", "see ja printerit ning"),
    "finnish": ("tulostimet jumissa", "miksi minun tulostimeni ei toimi"),
    "french": ("réseaux coupés", "pourquoi le réseau ne va pas"),
    "german": ("Einstellungen verloren", "wo ist meine Einstellung geblieben"),
    "greek": ("εκτυπωτές", "εκτυπωτή"),
    "hindi": ("कंप्यूटरों", "कंप्यूटर"),
    "hungarian": ("nyomtatók elromlottak", "ez a nyomtató miért nem megy"),
    "indonesian": ("cetakan rusak", "ini cetaknya yang tidak bisa"),
    "irish": ("printéirí briste", "tá an printéir ag stad"),
    "italian": ("stampanti bloccate", "perché questa stampante non va"),
    "lithuanian": ("spausdintuvai sugedo", "kodėl spausdintuvas yra"),
    "nepali": ("मुद्रकहरू", "मेरो मुद्रक छैन"),
    "norwegian": ("skjermer og skrivere", "hvorfor virker ikke skjermen min"),
    "portuguese": ("configurações perdidas", "por que não há configuração"),
    "romanian": ("ecranele stricate", "ecranul nu este pentru"),
    "russian": ("настройки принтера", "почему пропала настройка"),
    "serbian": ("štampači pokvareni", "kako da je štampača"),
    "spanish": ("conexiones perdidas", "por qué no hay conexión"),
    "swedish": ("skrivare och skärmar", "varför är min skärm svart"),
    "tamil": ("கணினிகள்", "கணினி"),
    "turkish": ("ekranlar bozuk", "neden bu ekran"),
    "yiddish": ("דרוקערס", "דער דרוקער איז"),
}


VPN = [("vpn",)]


async def known_stemmers(db: Database, tenant: str) -> set[str]:
    async with db.tenant_session(tenant, companies=EVERY_COMPANY) as session:
        names = await session.scalars(text("SELECT dictname FROM pg_ts_dict WHERE dictname LIKE '%\\_stem'"))
        return {name.removesuffix("_stem") for name in names}


async def test_every_stemmer_of_the_server_is_asked(clean_db: Database, tenant: str) -> None:
    """A newer PostgreSQL may have more: then its language wants a line in ``languages``."""
    assert await known_stemmers(clean_db, tenant) <= {*TOLD, "english"}


async def test_a_question_finds_other_forms_of_its_words(clean_db: Database, tenant: str, tmp_path: Path) -> None:
    known = await known_stemmers(clean_db, tenant)
    rows = [
        {"ticket_id": f"T-{name}", "subject": told, "description": "-", "tool_type": "servicedesk_plus"}
        for name, (told, _) in TOLD.items()
    ]
    path = tmp_path / "tickets.json"
    path.write_text(json.dumps(rows), "utf-8")
    await importer.import_tickets(clean_db, tenant, path, embedder=LexicalOnly())
    found = {}
    async with clean_db.tenant_session(tenant, companies=EVERY_COMPANY) as session:
        for name in known - {"english"}:
            first, second = await search.search_history(
                session, TOLD[name][1], limit=2, embedder=LexicalOnly(), floor=0.0
            )
            found[name] = first.ticket_id.removeprefix("T-") if first.score > second.score else "none"
    assert found == {name: name for name in known - {"english"}}


async def test_words_that_say_nothing_in_their_language_are_not_asked_for(clean_db: Database, tenant: str) -> None:
    async with clean_db.tenant_session(tenant, companies=EVERY_COMPANY) as session:
        asked = await stem(session, "Wo ist meine Einstellung?", "Der Drucker PRN-204", filler="", synonyms=VPN)
        english = await stem(session, "Where is my setting?", "The printer", filler="", synonyms=VPN)
    assert asked.subject == {"einstellung"}
    assert asked.roots == {"einstellung": "einstell", "drucker": "druck", "-204": "", "prn": ""}
    assert english.roots == {}
    assert english.subject == {"set"}


async def test_english_tickets_are_asked_in_the_words_they_were(clean_db: Database, tenant: str) -> None:
    asked = [one.text for use in ("tuning", "held-out", "no-answer") for one in paraphrases(use)]
    async with clean_db.tenant_session(tenant, companies=EVERY_COMPANY) as session:
        rooted = [one for one in asked if (await stem(session, *one.split("\n", 1), filler="", synonyms=VPN)).roots]
    assert len(asked) > 40
    assert rooted == []


@pytest.mark.parametrize(
    ("query", "language"),
    [
        ("Printer is out of toner", "english"),
        ("VPN 809", "english"),
        ("", "english"),
        ("打印机没有墨粉", "english"),
        ("Принтер печатает", "russian"),
        ("Ξαφνικά εκτυπωτής", "greek"),
        ("Der Drucker druckt nicht", "german"),
        ("De printer doet het niet", "dutch"),
        ("L'imprimante ne marche pas", "french"),
        ("Outlook 365 для почты: Exchange Server error connecting to mailbox", "english"),
    ],
)
def test_the_language_is_told_by_its_small_words_and_else_by_its_letters(query: str, language: str) -> None:
    small = {
        "english": ["is", "out", "of", "to"], "german": ["der", "nicht"], "dutch": ["de", "het", "niet"],
        "french": ["de", "ne", "pas"],
    }  # fmt: skip
    words = words_of(query)
    listed = {word: [name for name, theirs in small.items() if word in theirs] for word in words}
    assert language_of(words, {word: names for word, names in listed.items() if names}) == language


def test_what_stands_for_itself_has_no_root() -> None:
    assert root_of("drucker", "druck") == "druck"
    assert root_of("häuser", "haus") == "haus"
    assert root_of("prn204", "prn204") == ""
    assert root_of("prn-abc", "prn-abc") == ""
    assert root_of("uhr", "uhr") == ""


def test_the_languages_are_told_apart_by_lists_that_share_no_name() -> None:
    assert not set(LISTED) & set(languages._OTHERS)
