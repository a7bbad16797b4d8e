"""What columns that are not understood may be, by their headings; proposed to a person, never just taken (pure)."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping

from deskhand.knowledge.exports.columns import Vocabulary, plain_name

# The same words mean several things in several desks ("Status", "Numéro"), so a person says yes. Without accents, as
# exports lose them.
_WORDS = {
    "ticket_id": "ticketnummer vorgangsnummer vorgang nummer nr numero ticketnr aktenzeichen incidencia chamado",
    "subject": "betreff kurzbeschreibung titel thema objet sujet titre asunto titulo assunto oggetto onderwerp",
    "description": "beschreibung langtext descripcion descricao descrizione beschrijving anfrage inhalt mensaje",
    "resolution": "losung gelost behebung antwort abschlusstext resolution solucion solucao soluzione oplossing",
    "resolved_date": "gelost_am geschlossen_am erledigt_am abgeschlossen_am losungsdatum abschlussdatum resolu_le",
    "category": "kategorie bereich categorie categoria rubrik",
    "hostname": "rechnername geratename gerat nom_de_l_ordinateur nombre_del_equipo nome_do_computador nome_computer",
    "priority": "prioritat dringlichkeit priorite prioridad prioridade priorita",
}
# An article's number, title and text go by the words of a ticket's.
_LIKE = {"article_id": "ticket_id", "title": "subject", "body": "description"}


def proposed(names: Iterable[str], vocabulary: Vocabulary) -> dict[str, str]:
    """Column to field, for fields that have no column yet; the whole heading counts before its single words."""
    columns = list(names)
    free = {field for field, known in vocabulary.candidates(columns).items() if not known}
    unknown = [name for name in columns if vocabulary.field_of(name) is None]
    meanings = {
        field: set(_WORDS.get(_LIKE.get(field, field), "").split()) for field in vocabulary.fields if field in free
    }
    proposals: dict[str, str] = {}
    for whole in (True, False):
        for name in unknown:
            words = _words(name)
            said = {"_".join(words)} if whole else set(words)
            field = next((one for one, known in meanings.items() if known & said), None)
            if field is not None and name not in proposals:
                proposals[name] = field
                del meanings[field]
    return proposals


def as_options(proposals: Mapping[str, str]) -> str:
    """What to add to the command for them."""
    return " ".join(f'--column "{name}={field}"' for name, field in proposals.items())


def _words(name: str) -> list[str]:
    # Only so much of it: a heading is short, and a whole text in a header's place is none.
    plain = unicodedata.normalize("NFKD", plain_name(name[:200]))
    return "".join(sign for sign in plain if not unicodedata.combining(sign)).split()


__all__ = ["as_options", "proposed"]
