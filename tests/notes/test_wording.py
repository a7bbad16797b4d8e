"""A note speaks the language of its ticket: what language that is, and that no sentence of ours lacks a translation."""

from __future__ import annotations

import ast
import inspect
import string
from datetime import UTC, datetime
from types import ModuleType

import pytest

from deskhand.notes import confidence, layout, news
from deskhand.notes.draft import CheckedDraft, without_model
from deskhand.notes.facts import NoteFacts, Source, Suggestion, Turn
from deskhand.notes.language import language_of
from deskhand.notes.layout import compose_follow_up, compose_note, compose_update
from deskhand.notes.news import content_of
from deskhand.notes.wording import LANGUAGES, Words, catalogue, spellings
from deskhand.plugins.contract import Note, Person
from deskhand.plugins.history import solution_among
from deskhand.work import drafting, research
from deskhand.work.repetition import LastNote

GERMAN = NoteFacts(
    ticket_ref="1",
    subject="VPN bricht ab",
    description="Seit heute früh wird meine Verbindung alle zehn Minuten getrennt.",
    sources=(
        Source(ref="T1", kind="ticket", label="7", title="VPN drops", text="Update the client.", score=0.7),
        Source(ref="K1", kind="article", label="KB-VPN", title="VPN", text="1. Ask.\n2. Update.\n", score=0.4),
        Source(ref="S1", kind="system", label="vpn-gw01", title="VPN gateway", named="VPN", text="10.0.0.1"),
    ),
    suggestions=(Suggestion(field="category", value="network", votes=2, of=3, current="other"),),
    unavailable=("the knowledge base",),
    unread=("bild.png",),
)


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("en", "My laptop does not find the printer on floor 4 any more."),
        ("en", ""),
        ("en", "VPN error 809"),
        ("en", "Reset my password"),
        ("en", "No sound"),
        ("en", "Do not use HP 950C as default"),
        ("en", "[FIRING:1] DiskSpaceLow (srv-fs02 /data critical)"),
        ("en", "java.lang.NullPointerException\n\tat org.apache.hadoop.LdapHandler.init(LdapHandler.java:120)"),
        ("en", "The German build says 'Seite wird geladen' when I open the page, and nothing is shown."),
        ("en", "ラップトップのファンが常に作動しています"),
        ("en", "Принтер не печатает, помогите пожалуйста"),
        ("en", "Het scherm is zwart en de laptop start niet"),
        ("de", "Drucker druckt nicht"),
        ("de", "Ich höre Kratzen oder Brummen bei der Klangwiedergabe\nÜberprüfen Sie die Kabel und die Treiber."),
        ("de", "Outlook Error 0x800CCC0E: kann seit dem Update keine Mails mehr senden"),
        ("fr", "Impossible d'imprimer depuis ce matin, le spouler s'arrête et je ne peux pas le relancer."),
        ("fr", "Mot de passe oublié, merci de le réinitialiser pour moi"),
        ("es", "No puedo entrar en el portal desde ayer, la contraseña no funciona"),
        ("pt", "Não consigo entrar no portal desde ontem, a senha não funciona"),
        ("pt", "A impressora do meu andar não imprime"),
    ],
)
def test_the_language_of_a_ticket_is_told_by_its_small_words(language: str, text: str) -> None:
    assert language_of(text) == language


def test_a_log_does_not_change_a_tickets_language() -> None:
    log = "the connection to the server was closed and is not available\n" * 40
    assert language_of("Printer", f"It does not print.\n{log}") == "en"
    german = "Ich kann seit heute früh nicht mehr drucken, bitte um Hilfe. Das kommt auf dem Server:\n"
    assert language_of("Der Drucker ist nicht erreichbar", german + "LOG 10.1.2.3 TIMEOUT offline\n" * 60) == "de"


def test_a_german_ticket_gets_its_note_in_german() -> None:
    note = compose_note(GERMAN, without_model(GERMAN, shortfall="the model did not answer in time")).markdown
    for said in (
        "**Beste Spur:** [1] 7 VPN drops (große Ähnlichkeit, 0.70). **Verlässlichkeit:** mittel – nicht jede Quelle",
        "**Was das ähnlichste Ticket 7 gelöst hat** [1]: “Update the client.” – wörtlich; bitte prüfen",
        "**Ähnliche gelöste Tickets**\n- [1] 7",
        "**Anleitung**\n- [2] KB-VPN VPN (2 Schritte, der erste: Ask.)",
        "**Betrifft vielleicht:** vpn-gw01 (VPN gateway) – im Ticket steht „VPN“.",
        "**Vorschlag:** Kategorie network (2 von 3 ähnlichen Tickets, jetzt other).",
        "**Nicht erreichbar:** die Wissensdatenbank. Was dort steht, fehlt hier.",
        "**Ohne das Sprachmodell geschrieben:** das Modell hat nicht rechtzeitig geantwortet.",
        "*Geschrieben von Deskhand. Ein Vorschlag: vor dem Handeln prüfen.*",
    ):
        assert said in note, note


def test_follow_up_and_update_speak_it_too() -> None:
    checked = CheckedDraft()
    note = compose_note(GERMAN, checked)
    said = content_of(GERMAN, checked, systems=())
    follow_up = compose_follow_up(GERMAN, checked, news=said, note=note).markdown
    assert follow_up.startswith("**Neu an diesem Ticket: 7, KB-VPN, Kategorie network.**")
    update = compose_update(GERMAN, checked, news=said, at=datetime(2026, 5, 4, 9, tzinfo=UTC)).markdown
    assert update.startswith("*Aktualisiert 2026-05-04 09:00 UTC: 7, KB-VPN, Kategorie network.*")


def test_the_language_may_come_from_what_the_requester_answered() -> None:
    answer = Turn(who="requester", text="Es ist der Drucker im dritten Stock, er druckt nicht mehr.")
    facts = NoteFacts(ticket_ref="1", subject="Printer", description="", conversation=(answer,))
    assert "weder ein ähnliches gelöstes Ticket" in compose_note(facts, CheckedDraft()).markdown


def test_a_note_of_ours_is_known_in_every_language() -> None:
    staff = Person(id="9", name="Deskhand", is_staff=True)
    for footer in spellings("Written by Deskhand"):
        ours = Note(id="1", body=f"VPN\n\n{footer}.", author=staff, created_at=None, public=False)
        assert solution_among([ours], requester=None, by=None) is None
    assert len(list(spellings("Written by Deskhand"))) == 1 + len(LANGUAGES)


def test_a_field_that_somebody_set_is_no_news_in_any_language() -> None:
    for word in spellings("now {value}"):
        now, then = (f"x (2, {word.format(value=value)})" for value in ("other", "network"))
        assert LastNote(None, None, now, None).says(then)  # type: ignore[arg-type]


def _said(module: ModuleType) -> set[str]:
    """Every sentence of a module that is said as it stands: what is given to ``say``, and what stands in a table."""
    tree = ast.parse(inspect.getsource(module))
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and node.args]
    said = [node.args[0] for node in calls if ast.unparse(node.func) in ("say", "says", "self._say")]
    either = [branch for one in said if isinstance(one, ast.IfExp) for branch in (one.body, one.orelse)]
    return {one.value for one in (*said, *either) if isinstance(one, ast.Constant) and isinstance(one.value, str)}


def test_every_sentence_of_a_note_has_a_translation_with_the_same_values() -> None:
    reasons = {
        node.value
        for node in ast.walk(ast.parse(inspect.getsource(confidence)))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and " " in node.value[:-1]
        and node.value[0].islower()
    }  # fmt: skip
    shortfalls = {words for _, words in drafting._SHORTFALLS} | {drafting.shortfall(ValueError())}
    sources = {source.name for source in (research.PAST_TICKETS, research.ARTICLES, research.SYSTEMS)}
    needed = _said(layout) | _said(news) | reasons | shortfalls | sources | {"high", "medium", "low"}
    assert len(needed) > 50
    for language in LANGUAGES:
        known = catalogue(language)
        assert not needed - known.keys(), (language, needed - known.keys())
        for english, said in known.items():
            assert said.strip(), english
            assert _values(said) == _values(english), (language, english)
    assert Words("ja")("Next steps") == Words()("Next steps") == "Next steps"
    assert not catalogue("../de")


def _values(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}
