"""What a note says that it does not know."""

from __future__ import annotations

import pytest

from deskhand.notes.facts import NoteFacts
from deskhand.notes.gaps import gaps
from deskhand.notes.wording import Words


def facts(unavailable: tuple[str, ...] = (), unread: tuple[str, ...] = ()) -> NoteFacts:
    return NoteFacts(ticket_ref="1", subject="VPN", description="", unavailable=unavailable, unread=unread)


@pytest.mark.parametrize(("language", "blocks"), [
    ("en", ["**Not read:** 1 file (a.png)."]),
    ("de", ["**Nicht gelesen:** 1 Datei (a.png)."]),
    ("fr", ["**Non lu :** 1 fichier (a.png)."]),
    ("es", ["**No leído:** 1 archivo (a.png)."]),
    ("pt", ["**Não lido:** 1 ficheiro (a.png)."]),
])  # fmt: skip
def test_a_file_that_nobody_read_is_named_in_the_notes_language(language: str, blocks: list[str]) -> None:
    assert gaps(facts(unread=("a.png",)), Words(language)) == blocks


def test_of_many_the_first_are_named_and_all_are_counted() -> None:
    (block,) = gaps(facts(unread=tuple("abcde")), Words("en"))
    assert block == "**Not read:** 5 files (a, b, c, …)."
    (block,) = gaps(facts(unavailable=tuple("abcde")), Words("en"))
    assert block == "**Could not be asked:** a, b, c, d. What it knows is missing here."
    assert gaps(facts(), Words("en")) == []
    assert len(gaps(facts(("x",), ("y",)), Words("en"))) == 2
