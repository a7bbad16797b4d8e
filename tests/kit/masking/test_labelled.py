"""On the labelled set the masks find at least what the documentation says, and mask at most so much wrongly."""

from __future__ import annotations

import pytest
from tests.kit.masking.labels import LABELLED, Score, labelled, scores, total

from deskhand.kit.masking.kinds import MaskKind

TEXTS = list(labelled(LABELLED.read_text(encoding="utf-8")))
SCORES = scores(TEXTS)
# What is known to be missed, and to be masked wrongly: whoever makes that better or worse has to say so here.
MISSED = {
    MaskKind.SECRET: {"Sommer2026!", "Blue-Horse-77", "Soleil-Vert-12", "Verano2026x"},
    MaskKind.MAIL: {"emily.carter(at)globex.example"},
    MaskKind.PHONE: {"33", "555 0100", "4402"},
    MaskKind.NAME: {"Sven Albrecht", "Priya Nair"},
}
WRONGLY = {MaskKind.MAIL: {"git@github.com"}, MaskKind.NAME: {"Young"}}


def test_the_set_has_every_kind_and_texts_without_any() -> None:
    size = total(TEXTS)
    assert size["texts"] >= 60
    assert {value.kind for one in TEXTS for value in one.values} == set(MaskKind)
    assert sum(not one.values for one in TEXTS) >= 15
    first = TEXTS[0]
    assert [first.text[value.start : value.end] for value in first.values] == ["Anna Weber", "4711"]
    assert first.names == ("Anna Weber", "Tom Becker")


@pytest.mark.parametrize("kind", list(MaskKind))
def test_what_is_missed_and_what_is_masked_wrongly(kind: MaskKind) -> None:
    score = SCORES[kind]
    assert {*score.missed, *score.partly} == MISSED.get(kind, set())
    assert set(score.wrongly) == WRONGLY.get(kind, set())
    assert score.found == score.labelled - len(MISSED.get(kind, ()))


def test_a_miss_a_part_and_a_false_mask_are_told_apart() -> None:
    source = "names: Ann Lee\nAsk [[name|Bob]] and [[name|Ann Lee]] of [[phone|the 0171 2345678]] at 10.0.0.7"
    found = scores(list(labelled(source)))
    assert found[MaskKind.NAME] == Score(labelled=2, missed=["Bob"])
    assert found[MaskKind.PHONE] == Score(labelled=1, partly=["the 0171 2345678"])
    assert found[MaskKind.IP] == Score(wrongly=["10.0.0.7"])
