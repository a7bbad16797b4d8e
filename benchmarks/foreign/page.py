"""The page of twelve notes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from benchmarks.foreign.library import Library
from benchmarks.foreign.stage import Written
from benchmarks.foreign.tickets import Filed, shown

HEAD = """# Twelve notes on other people's tickets

What the product writes on tickets that nobody wrote for it, whole and as it is, with what each note got right and wrong
as a person read it. Made by

```console
$ deskhand models pull                                  # once: the embedded model
$ .venv/bin/python -m benchmarks.notes --data FOLDER --write   # --no-model: of what was found alone
```

FOLDER is the shared data; a ticket whose file is not there is left out. Every part is the product's own: API, worker, a
simulated ServiceDesk Plus, PostgreSQL, the bundled embeddings, {model}, with the agent and the settings of `make demo`
but for the time limits, since the page may be made on a busy machine. {history}

The verdicts are read, not measured, and stand in `benchmarks/foreign/tickets.py`; whoever changes what notes say reads
the notes again.

Texts under CC BY 4.0 and CC BY-SA 3.0 are quoted with their source; a quotation in a note is of the source it names.
"""


def page(tickets: Sequence[Filed], written: Sequence[Written], library: Library, model: str) -> str:
    """The page as Markdown.

    Args:
        tickets: What was filed.
        written: What each got.
        library: What the agent knew besides the demo's content.
        model: Who worded the notes, in words.
    """
    counted = Counter(row["source"] for row in (*library.tickets, *library.articles))
    history = "It knows the demo's content" + "".join(f", {count} of {name}" for name, count in counted.items()) + "."
    parts = [HEAD.format(model=model, history=history)]
    for number, (one, got) in enumerate(zip(tickets, written, strict=True), 1):
        parts += _one(number, one, got)
    return "\n".join(parts)


def _one(number: int, one: Filed, got: Written) -> Iterator[str]:
    yield f"## {number}. {one.case.kind}\n"
    yield f"*{one.source[0].upper()}{one.source[1:]}.*\n"
    yield _fenced(f"{one.subject}\n\n{shown(one.text)}".strip())
    if got.note:
        yield f"The note, {len(got.note.split())} words:\n"
        yield "\n".join(f"> {line}".rstrip() for line in got.note.splitlines()) + "\n"
    else:
        yield f"No note. The run says: {got.why_not}\n"
    if one.case.right:
        yield f"**Right:** {one.case.right}\n"
    if one.case.wrong:
        yield f"**Wrong:** {one.case.wrong}\n"


def _fenced(text: str) -> str:
    # Longer than any fence in what a stranger wrote.
    fence = "~" * 12
    return f"{fence}text\n{text}\n{fence}\n"
