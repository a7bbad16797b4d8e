"""Which words of a sentence a source does not support (pure, linear time).

A step that cites a source says nothing the source does not. So every word of it must be the source's own, up to its
ending, or a word of no weight; what a reader would type or follow must be there letter by letter; and each word must be
there under the same sign, so that "never ask who calls" does not stand on "ask who calls".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

_CLAUSE_ENDS = re.compile(r"[.;:!?]\s|[\n•]|,\s| but | and then | then ")
_SOURCE_ENDS = re.compile(r"[.;:!?]\s|[\n•]| but | and then ")
_EDGES = ".,;:!?()[]{}\"'“”„‘’«»…*–—"
_WORD = re.compile(r"[^\W\d_]+")
_IDEOGRAPHS = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\u0e00-\u0e7f]")
_STEM = 5

# Words that carry no instruction by themselves: whatever they are put between must be the source's.
_FREE_WORDS = (
    "a about after again also although an and another are as at be because been before being both by can could did do"
    " does done during either few for from further had has have having he her hers him his how i if in into is it its"
    " itself just like may me might more most much must my need needed needs next now of on onto or our own please per"
    " possible same she should so some such sure than that the their them then there these they this those through thus"
    " to too try until up upon us user users using use very via was we were what when where whether which while who why"
    " will with within would you your person people ticket problem issue again first second third finally and/or e.g"
    " e.g. i.e i.e. ok"
    # function words of other languages
    " der die das den dem des ein eine einen einem einer eines und oder ist sind war sie er es wir ihr ihre ihren im am"
    " auf aus bei mit nach von vor zu zum zur über unter durch für gegen um bis wenn dann als auch noch bitte"
    " le la les un une du de et ou est sont que qui dans sur avec pour par au aux ce cette son sa ses votre vos leur en"
    " si el los las una y o es con del al su sus il lo gli che per di da uno e het een van op te att och som på"
)
_HARMLESS_VERBS = (  # they look and ask, and change nothing
    "ask check confirm consider contact continue determine ensure escalate explain find help identify inform"
    " investigate keep let look make note notify report review see tell test verify wait according"
)
_VERBS = frozenset(_HARMLESS_VERBS.split())
_FREE = frozenset(_FREE_WORDS.split()) | _VERBS
_NEGATION_WORDS = (
    "not no never none nor without cannot neither nobody nothing unable avoid skip ignore instead except unless stop"
    " nicht kein keine keinen keinem nie niemals ohne statt ne pas jamais sans sin nunca ni non mai senza niet geen"
    " nooit zonder inte aldrig utan"
)
_NEGATIONS = frozenset(_NEGATION_WORDS.split())
_SWITCHES = frozenset({"on", "off"})
_SWITCHED = frozenset({"turn", "turned", "switch", "switched", "power", "powered", "toggle"})
_SENT = {"sent": "send", "took": "take", "taken": "take", "made": "make", "bought": "buy", "wrote": "write",
         "written": "write", "chose": "choose", "chosen": "choose", "kept": "keep", "brought": "bring", "held": "hold",
         "ran": "run", "gave": "give", "given": "give", "got": "get", "went": "go", "built": "build"}  # fmt: skip


@dataclass(slots=True)
class Words:
    """Words to look up by what endings leave of them: drop, drops and dropped are one word."""

    whole: set[str] = field(default_factory=set)
    beginnings: set[str] = field(default_factory=set)  # first five letters
    short: set[str] = field(default_factory=set)  # of four letters
    fours: set[str] = field(default_factory=set)  # first four letters

    def add(self, words: Iterable[str]) -> None:
        for word in words:
            self.whole.add(word)
            self.beginnings.add(word[:_STEM])
            self.fours.add(word[:4])
            if len(word) == 4:
                self.short.add(word)

    def have(self, word: str) -> bool:
        """Whether the word is there, with any ending."""
        if word in self.whole:
            return True
        if len(word) < 4:
            return False
        return word[:_STEM] in self.beginnings or word[:4] in self.short or (len(word) == 4 and word in self.fours)


class Grounds:
    """What a source says, to be asked for one sentence after the other.

    Args:
        text: What it says to do.
        shared: Words of its circumstances that are the new ticket's as well.
    """

    def __init__(self, text: str, *, shared: Iterable[str] = ()) -> None:
        self._text = " ".join(text.lower().split())
        self._said, self._denied = Words(), Words()
        self._said.add(shared)
        # By clause, because a "not" turns round what stands beside it and nothing of the next sentence.
        for clause in _SOURCE_ENDS.split(text.lower()):
            words = [part for token in clause.split() for part in parts(token)]
            (self._denied if _NEGATIONS.intersection(words) else self._said).add(words)
        self._switches = set(_switches(text))

    def missing(self, sentence: str) -> list[str]:
        """What of a sentence the source does not say, as it stands in the sentence; empty if it says all of it."""
        missing = [bare for token in sentence.split() if (bare := _unless_known(token, self._literal, self._has))]
        # "on" and "off" are free words elsewhere, and after "turn" the whole instruction.
        missing.extend(f"turned {switch}" for switch in _switches(sentence) if switch not in self._switches)
        return list(dict.fromkeys(missing))

    def turned_round(self, sentence: str) -> list[str]:
        """Words that the source says and the sentence denies, or the other way round."""
        turned: list[str] = []
        for clause in _CLAUSE_ENDS.split(sentence.lower()):
            words = [part for token in clause.split() for part in parts(token)]
            # "If the user cannot sign in" is a question; it denies nothing that the source says.
            if words[:1] and words[0] in ("if", "when", "where"):
                continue
            if _NEGATIONS.intersection(words):
                carried = [word for word in words if word in _VERBS or not self._is_light(word)]
                turned.extend(word for word in carried if not self._denied.have(word))
            else:
                turned.extend(word for word in words if not self._is_light(word) and not self._said.have(word))
        return list(dict.fromkeys(turned))

    @staticmethod
    def _is_light(word: str) -> bool:
        return word in _FREE or word in _NEGATIONS

    def _has(self, word: str) -> bool:
        return word in _FREE or word in _NEGATIONS or self._said.have(word) or self._denied.have(word)

    def _literal(self, token: str) -> bool:
        return re.search(rf"(?<![\w.]){re.escape(token)}(?!\w|\.\w)", self._text) is not None


def parts(token: str) -> list[str]:
    """The words of a token: ``SSL-VPN`` has two; past forms that no ending tells are named by their verb."""
    low = token.lower().replace("’", "'").strip(_EDGES).removesuffix("'s").replace("n't", " not")
    return [_SENT.get(word, word) for word in _WORD.findall(low)]


def _unless_known(token: str, literal: Callable[[str], bool], has: Callable[[str], bool]) -> str:
    bare = token.strip(_EDGES)
    low = bare.lower()
    if low in _FREE or (not bare and not token.strip(_EDGES + "-")):
        return ""
    if _must_be_literal(low) or not _WORD.search(low):
        return "" if literal(low or token) else bare or token
    return "" if all(has(word) for word in parts(bare)) else bare


def _must_be_literal(token: str) -> bool:
    """Whether a token is something to type or follow: a number, an id, a path, a link, a command's sign."""
    # These scripts put no blanks between words, so endings cannot be told; only the letters as they stand prove
    # anything.
    if _IDEOGRAPHS.search(token):
        return True
    inner = token.replace("-", "").replace("'", "").replace("’", "")
    # One wrong sign in a command or an address is another command, so nothing like it is enough.
    return not inner.isalpha() or token.startswith("-")


def _switches(text: str) -> Iterator[str]:
    """``on`` or ``off``, where a verb before it makes it an instruction."""
    for clause in _CLAUSE_ENDS.split(text.lower()):
        words = [part for token in clause.split() for part in parts(token)]
        verb = next((place for place, word in enumerate(words) if word in _SWITCHED), None)
        if verb is not None:
            yield from (word for word in words[verb + 1 :] if word in _SWITCHES)
