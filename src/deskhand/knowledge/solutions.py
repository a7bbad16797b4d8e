"""Whether a resolution says how something was solved, or only that it is over. Pure."""

from __future__ import annotations

import re
import unicodedata

LEAST_LETTERS = 8
"""Of what is left without the empty words; a shorter rest ("ok1") says nothing."""
LEAST_DIFFERENT = 5
"""Letters that differ among them: "asdasdasdsad" is a field that had to be filled in."""
_READ = 4000
_WORD = re.compile(r"[^\W_]+")
# Of the five languages of notes: words that say that it is over, that thank, and that fill a sentence around that.
_EMPTY_WORDS = """
done fixed solved resolved closed close closing complete completed finished ok okay yes no now is it the this a an issue
problem ticket request incident was has have been as per by user users caller customer confirmed confirms works working
fine again all good thanks thank you please auto automatically script no further action required needed duplicate na
none see above per mail email phone call and we i
gave given provided workaround solution solutions resolution notes note mandatory made were before by caller
erledigt gelöst behoben geschlossen fertig abgeschlossen ist wurde das der die problem anfrage danke funktioniert wieder
alles gut keine weiteren maßnahmen massnahmen nötig per mail telefon siehe oben und
résolu resolu fait fermé ferme clos terminé termine merci le la les est été ete demande ça ca marche
resuelto hecho cerrado terminado gracias el se ha sido solicitud funciona
resolvido feito fechado concluído concluido obrigado obrigada o foi pedido chamado
"""
_EMPTY = frozenset(word.casefold() for word in _EMPTY_WORDS.split())


def is_solution(resolution: str | None) -> bool:
    """Whether somebody who has the same problem learns something from it.

    Args:
        resolution: As the desk has it; its beginning is read.
    """
    if not resolution:
        return False
    words = _WORD.findall(unicodedata.normalize("NFC", resolution[:_READ]).casefold())
    telling = [word for word in words if word not in _EMPTY]
    letters = sum(map(len, telling))
    # Scripts without blanks say in four characters what takes eight letters.
    dense = sum(ord(letter) > 0x2E7F for word in telling for letter in word)
    differ = len({letter for word in telling for letter in word}) + dense
    return letters + dense >= LEAST_LETTERS and differ >= LEAST_DIFFERENT


__all__ = ["is_solution"]
