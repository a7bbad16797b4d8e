"""Which language a ticket is written in, by the small words that its sentences cannot do without (pure, linear time).

Names of products, logs and commands are English in every language and are mostly no small words, so they count little.
Where nothing speaks for another language, English is taken.
"""

from __future__ import annotations

import re
from collections import Counter

ENGLISH = "en"
_READ = 4000
"""Characters that are read; a long ticket is mostly log, and says its language before it."""
_FEW = 12
"""Words up to which one small word of a language is enough."""
_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)?")
# A word that several of them have stands at each of those ("no", "as"), or at none ("die", "de", "la").
_SMALL_WORDS = {
    ENGLISH: "the and is are was to of i my it we you they this that with for not have has can cannot can't don't"
    " when after since from be been please on at there why how will but no do as he me am an in or if so",
    "de": "der das und ist nicht ich wir sie ein eine einen einem mein meine mit auf für von dem den des im am zum zur"
    " bei nach seit kann kein keine wird wurde werden sind bitte mehr noch auch aber wenn ob warum wie sich dass hat"
    " habe haben über beim es meines meiner ihr ihre",
    "fr": "le les des du je nous vous est et une dans sur pour avec pas plus mon ma mes ne n'est j'ai il elle que qui"
    " ce cette depuis sont mais après au aux à été peut impossible d'un d'une l'imprimante pourquoi bonjour merci ça",
    "es": "el los las y es en un una no mi con para por se que del al está esta este ha he puedo desde cuando pero"
    " después cómo más muy sin hola gracias son mis lo me",
    "pt": "o os as e é em um uma não meu minha com para por se que do da dos das no na está este esta eu mas depois"
    " quando como mais sem olá obrigado obrigada são foi ao à desde consigo ele ela",
}
_LANGUAGES = {name: frozenset(words.split()) for name, words in _SMALL_WORDS.items()}


def language_of(*texts: str) -> str:
    """``en``, ``de``, ``fr``, ``es`` or ``pt``; English where it is another, or too little to say.

    Args:
        texts: What people wrote, the most telling first.
    """
    said = Counter(match.group().lower().replace("’", "'") for match in _WORD.finditer("\n".join(texts)[:_READ]))
    weights = {name: sum(said[word] for word in words) for name, words in _LANGUAGES.items()}
    kinds = {name: sum(word in said for word in words) for name, words in _LANGUAGES.items()}
    best = max(weights, key=lambda name: (weights[name], kinds[name], name == ENGLISH))
    if weights[best] <= weights[ENGLISH] or (kinds[best] < 2 and said.total() > _FEW):
        return ENGLISH
    second = max(weight for name, weight in weights.items() if name != best)
    return best if weights[best] > second else ENGLISH


__all__ = ["ENGLISH", "language_of"]
