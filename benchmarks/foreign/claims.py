"""Whether every source that a note cites is there, and whether every step stands on the source that it cites."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from benchmarks.foreign.stage import TENANT, Stage, Written

from deskhand.notes.support import Grounds

_STORED = {
    "ticket": "SELECT subject, resolution AS body FROM ticket_history WHERE tenant_id = $1 AND ticket_id = $2",
    "article": "SELECT title AS subject, body FROM knowledge_articles WHERE tenant_id = $1 AND article_id = $2",
    "system": "SELECT hostname AS subject, '' AS body FROM system_inventory WHERE tenant_id = $1 AND hostname = $2",
}


@dataclass
class Claims:
    """What was counted; ``unsupported`` are the steps that stand on nothing, with their source."""

    sources: int = 0
    existing: int = 0
    steps: int = 0
    supported: int = 0
    unsupported: list[str] = field(default_factory=list)


async def check_claims(staged: Stage, written: Sequence[Written]) -> Claims:
    """Look every source and every step up in the tenant's tables.

    Args:
        staged: Whose tables.
        written: What was written.
    """
    found = Claims()
    for one in written:
        for source in (one.result.get("note") or {}).get("sources") or ():
            found.sources += 1
            found.existing += bool(await _stored(staged, source["kind"], source["ref"]))
        for name, text in await _said(staged, one):
            kind, _, ref = name.partition(":")
            texts = await _stored(staged, kind, ref)
            found.steps += 1
            if any(stands(text, source) for source in texts):
                found.supported += 1
            else:
                found.unsupported.append(f"{name}: {text}")
    return found


def stands(step: str, source: str) -> bool:
    """Whether a source says a step: in these words, or by the check that the product makes before it shows one."""
    if " ".join(step.split()).removesuffix(" …").rstrip(".") in " ".join(source.split()):
        return True
    grounds = Grounds(source)
    return not grounds.missing(step) and not grounds.turned_round(step)


async def _stored(staged: Stage, kind: str, ref: str) -> list[str]:
    if kind not in _STORED:
        return []
    rows = await staged.product.rows(_STORED[kind], TENANT, ref)
    return [f"{row['subject']}\n{row['body']}" if kind == "article" else row["body"] or row["subject"] for row in rows]


async def _said(staged: Stage, one: Written) -> list[tuple[str, str]]:
    """The note's steps with the name of what each stands on, as the run remembered them."""
    query = (
        "SELECT context_gathered -> 'says' -> 'claims' AS claims FROM enhancement_history"
        " WHERE tenant_id = $1 AND id = $2::text::uuid"
    )
    rows = await staged.product.rows(query, TENANT, str(one.run["id"]))
    # The pool reads JSON by itself.
    return [(str(name), str(text)) for row in rows for name, text in row["claims"] or ()]
