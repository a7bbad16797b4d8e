"""A closed ticket as it looked when it came, and what people made of it; from the desk's own history. Pure.

Nothing later may get in, so what the history cannot vouch for is left out rather than believed: notes, links, tags,
files, other fields, who has it, its status and its resolution are gone, and category, priority and group are there only
where the history can be read and shows what they were.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from deskhand.plugins.contract import PastChange, Ticket
from deskhand.plugins.history import in_time, was_reopened

FIELDS = ("category", "priority", "group")
"""What an agent may say of a ticket, and people have said."""
_TEXTS = ("subject", "description")
_ID = re.compile(r"[0-9a-f]{32}")
_NAMED = re.compile(r"#?[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")
_MOST_NAMES = 200
_READ = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Truth:
    """What people did with a ticket; None and empty where that is not known.

    Attributes:
        fields: Of ``FIELDS``, those whose last word was a person's; each in the words that mean it.
        named: Whatever the resolution names that may be an article or a ticket, and the tickets it is linked with.
        reopened: Whether it was opened again after it was closed; None where the history cannot be read.
    """

    fields: dict[str, tuple[str, ...]] = field(default_factory=dict)
    named: tuple[str, ...] = ()
    reopened: bool | None = None


def rebuild(now: Ticket, changes: Sequence[PastChange]) -> Ticket:
    """A ticket as it looked when it came.

    Args:
        now: As the desk shows it.
        changes: Its whole history.

    Raises:
        ValueError: The desk does not say when it was filed.
    """
    filed = now.created_at
    if filed is None:
        raise ValueError("the desk does not say when it was filed")
    later = [change for change in in_time(changes) if change.at is None or change.at > filed]
    first = _first_words(later)
    known = _is_readable(changes)
    was: dict[str, Any] = {name: first.get(name, getattr(now, name)) or "" for name in _TEXTS}
    for name in ("category", "vendor_priority", "group"):
        changed = first.get(name.removeprefix("vendor_"))
        was[name] = _word(changed) if changed is not None else getattr(now, name) if known else None
    return Ticket(
        tool_type=now.tool_type,
        id=now.id,
        display_id=now.display_id,
        **was,
        # Of an older word nobody here knows which of our four it was; the desk's own is what is shown then.
        priority=now.priority if known and "priority" not in first else None,
        requester=now.requester,
        created_at=filed,
        updated_at=filed,
        url=now.url,
        # Whom a ticket is for decides what its run may see, so it is never taken back to an older answer.
        company=now.company,
        kinds=now.kinds,
    )


def truth_of(now: Ticket, changes: Sequence[PastChange], is_ours: Callable[[PastChange], bool]) -> Truth:
    """What people did with a ticket.

    Args:
        now: As the desk shows it.
        changes: Its whole history.
        is_ours: Whether our own account made a change: what an agent said proves nothing about an agent.
    """
    last = {one.field: change for change in in_time(changes) for one in change.fields}
    said = {"category": (now.category,), "priority": (now.priority, now.vendor_priority), "group": (now.group,)}
    by_people = {
        name: words
        for name, spelt in said.items()
        if (words := tuple(word for word in spelt if word)) and not (name in last and is_ours(last[name]))
    }
    named = [*names_in(now.resolution or ""), *(link.ticket_id for link in now.links if link.ticket_id)]
    return Truth(fields=by_people, named=tuple(dict.fromkeys(named))[:_MOST_NAMES], reopened=was_reopened(now, changes))


def _first_words(later: Iterable[PastChange]) -> dict[str, str]:
    """By field, what stood there before its first change."""
    first: dict[str, str] = {}
    for change in later:
        before: dict[str, str] = {}
        for one in change.fields:
            # Where a field holds several values a desk tells of each that came or went; what went was there.
            before[one.field] = before.get(one.field) or one.before_text
        first = {**before, **first}
    return first


def _word(text: str) -> str | None:
    # Some desks keep a reference by its id alone in their history, which says nothing to anybody.
    return None if not text or _ID.fullmatch(text) else text


def _is_readable(changes: Iterable[PastChange]) -> bool:
    """Whether the history can be believed to be whole: a closed ticket was closed by somebody."""
    return any(one.field == "status" for change in changes for one in change.fields)


def names_in(text: str) -> Iterator[str]:
    """What may be the id of an article or a ticket: with a digit, and a letter or the sign for a number."""
    for found in _NAMED.finditer(text[:_READ]):
        name = found[0].rstrip(".-_")
        if any(map(str.isdigit, name)) and (name.startswith("#") or any(map(str.isalpha, name))):
            yield name.lstrip("#")


__all__ = ["FIELDS", "Truth", "names_in", "rebuild", "truth_of"]
