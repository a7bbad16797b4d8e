"""Roundup shapes to ours and back; pure.

The classic schema has no description, resolution or time of resolution. What came with the issue is its
description, the last message that is not internal says how a closed one was solved, and its last activity
stands in for when.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from deskhand.kit.marks import with_mark
from deskhand.plugins.contract import Note, NoteDraft, Person, Ticket, TicketChanges, TicketQuery
from deskhand.plugins.errors import DeskProtocolError
from deskhand.plugins.priorities import PriorityMap
from deskhand.plugins.text import html_to_markdown, truncate
from deskhand_roundup.config import RoundupConfig
from deskhand_roundup.manifest import DESK, TOOL_TYPE

DEFAULT_PRIORITIES = {"critical": "critical", "high": "urgent", "medium": "bug", "low": "wish"}
PRIORITY_SYNONYMS = {"feature": "low"}
TITLE_LIMIT = 250
PAGE_LIMIT = 100
_PERSON = ("", ".username", ".realname", ".address")
_STOCK = ("title", "status", "priority", "keyword", "messages", "nosy", "creation", "activity")
_TIME = "%Y-%m-%d.%H:%M:%S"
Query = list[tuple[str, str]]


def priority_map(tenant: Mapping[str, str]) -> PriorityMap:
    """Priorities of the classic template, with the tenant's own on top."""
    return PriorityMap(DEFAULT_PRIORITIES, tenant, PRIORITY_SYNONYMS)


def issue_fields(config: RoundupConfig, custom: Iterable[str] = ()) -> tuple[str, str]:
    """The query part that asks for everything we read of an issue."""
    people = [f"{link}{part}" for link in ("creator", "assignedto") for part in _PERSON]
    group = [config.roundup_group_field] if config.roundup_group_field else []
    return "@fields", ",".join(dict.fromkeys([*_STOCK, *people, *group, *custom]))


def message_fields(config: RoundupConfig) -> Query:
    """The query part for messages with their text."""
    people = [f"author{part}" for part in _PERSON]
    names = ["content", "type", "creation", "messageid", config.roundup_public_field, *people]
    return [("@fields", ",".join(names)), ("@verbose", "3")]


def read_time(value: object) -> datetime | None:
    """``2026-11-21.19:24:38``, which is UTC."""
    try:
        return datetime.strptime(str(value)[:19], _TIME).replace(tzinfo=UTC)
    except ValueError:
        return None


def since(moment: datetime) -> str:
    """A lower bound in a filter."""
    return f"from {moment.astimezone(UTC).strftime(_TIME)}"


def id_of(value: object) -> str | None:
    """Id of a linked item."""
    return str(value["id"]) if isinstance(value, dict) and value.get("id") else None


def name_of(value: object) -> str | None:
    """Label of a linked item: the one key that is neither its id nor its address."""
    if not isinstance(value, dict):
        return None
    return next((str(label) for key, label in value.items() if key not in {"id", "link"} and label), None)


def names_of(value: object) -> tuple[str, ...]:
    """Labels of a list of linked items."""
    found = [name_of(item) for item in value] if isinstance(value, list) else []
    return tuple(name for name in found if name)


def ids_of(value: object) -> list[str]:
    """Ids of a list of linked items, in the order they were made."""
    found = [id_of(item) for item in value] if isinstance(value, list) else []
    return sorted((item for item in found if item), key=lambda item: (len(item), item))


def read_person(raw: Mapping[str, Any], link: str) -> Person | None:
    """A user; the tracker leaves out what our account may not see of it."""
    user = id_of(raw.get(link))
    if user is None:
        return None
    name = raw.get(f"{link}.realname") or raw.get(f"{link}.username") or name_of(raw.get(link))
    return Person(id=user, name=name, email=raw.get(f"{link}.address"))


def read_ticket(
    item: Mapping[str, Any],
    config: RoundupConfig,
    priorities: PriorityMap,
    *,
    messages: Sequence[Mapping[str, Any]] = (),
    with_notes: bool = False,
    custom: Iterable[str] = (),
) -> Ticket:
    """An issue: a row of a collection, or an item with its ``attributes``.

    Raises:
        DeskProtocolError: It has no id.
    """
    raw = item.get("attributes") or item
    if not item.get("id"):
        raise DeskProtocolError(f"{DESK} sent an issue without an id.")
    status, priority, keywords = name_of(raw.get("status")), name_of(raw.get("priority")), names_of(raw.get("keyword"))
    closed = (status or "").casefold() in {word.casefold() for word in config.roundup_closed_statuses}
    description, rest = split_messages(raw, messages, config)
    activity = read_time(raw.get("activity"))
    return Ticket(
        tool_type=TOOL_TYPE,
        id=str(item["id"]),
        display_id=str(item["id"]),
        subject=str(raw.get("title") or ""),
        description=_markdown(description) if description else "",
        status=status,
        is_closed=closed,
        priority=priorities.from_desk(priority),
        vendor_priority=priority,
        category=keywords[0] if keywords else None,
        requester=read_person(raw, "creator"),
        assignee=read_person(raw, "assignedto"),
        group=name_of(raw.get(config.roundup_group_field)) if config.roundup_group_field else None,
        resolution=_resolution(rest, config) if closed else None,
        created_at=read_time(raw.get("creation")),
        updated_at=activity,
        resolved_at=activity if closed else None,
        url=f"{config.web_url}/issue{item['id']}",
        revision=revision_of(item),
        tags=keywords,
        notes=tuple(read_note(row, config) for row in rest) if with_notes else (),
        custom={name: raw[name] for name in custom if raw.get(name) is not None},
    )


def revision_of(item: Mapping[str, Any]) -> str | None:
    """The tracker's own entity tag; rows of a collection have none."""
    tag = item.get("@etag")
    return str(tag) if tag else None


def split_messages(
    raw: Mapping[str, Any], messages: Sequence[Mapping[str, Any]], config: RoundupConfig
) -> tuple[Mapping[str, Any] | None, list[Mapping[str, Any]]]:
    """The message that came with the issue, and the later ones.

    Roundup stores a description as the first message. An issue may have been filed without one, so a first
    message counts only if it is no younger than the issue and is not ours.
    """
    rest = sorted(messages, key=lambda row: (len(str(row["id"])), str(row["id"])))
    if not rest or name_of(rest[0].get("author")) == config.roundup_user:
        return None, rest
    written, filed = read_time(rest[0].get("creation")), read_time(raw.get("creation"))
    if written is None or filed is None or written > filed:
        return None, rest
    return rest[0], rest[1:]


def read_note(row: Mapping[str, Any], config: RoundupConfig) -> Note:
    """A message."""
    return Note(
        id=str(row["id"]),
        body=_markdown(row),
        public=is_public(row, config),
        author=read_person(row, "author") or Person(),
        created_at=read_time(row.get("creation")),
    )


def is_public(row: Mapping[str, Any], config: RoundupConfig) -> bool:
    """Messages from before the property existed, and those from mail and web, say nothing and are public."""
    said = row.get(config.roundup_public_field)
    return said is None or bool(said)  # true and false come as 1 and 0 from some databases


def _resolution(rest: Sequence[Mapping[str, Any]], config: RoundupConfig) -> str | None:
    return next((_markdown(row) for row in reversed(rest) if is_public(row, config)), None)


def _markdown(row: Mapping[str, Any]) -> str:
    text = str(row.get("content") or "")
    return html_to_markdown(text) if row.get("type") == "text/html" else text.replace("\r\n", "\n").strip()


def message_id(ticket_id: str, mark: str) -> str:
    """``messageid`` of a marked message: names its issue even while it is not yet linked to it."""
    return f"<{mark}.issue{ticket_id}@deskhand.invalid>"


def message_values(note: NoteDraft, ticket_id: str, config: RoundupConfig) -> dict[str, Any]:
    """A new message. Roundup renders Markdown or shows it as it is, so it goes as it is."""
    values: dict[str, Any] = {
        "content": with_mark(note.body, note.mark),
        "author": config.roundup_user,  # a message without an author breaks the tracker's mail detector
        "date": ".",  # now, by the tracker's clock
        config.roundup_public_field: note.public,
    }
    return {**values, "messageid": message_id(ticket_id, note.mark)} if note.mark else values


def change_values(changes: TicketChanges, raw: Mapping[str, Any], priorities: PriorityMap) -> dict[str, Any]:
    """Properties to set, apart from the assignee and the group; links by name."""
    values: dict[str, Any] = dict(changes.custom)
    if changes.subject is not None:
        values["title"] = truncate(changes.subject, TITLE_LIMIT)
    if changes.priority is not None:
        values["priority"] = priorities.to_desk(changes.priority)
    wanted = [word for word in (changes.category, *changes.add_tags) if word]
    present = {name.casefold() for name in names_of(raw.get("keyword"))}
    if any(word.casefold() not in present for word in wanted):
        values["keyword"] = list(dict.fromkeys([*names_of(raw.get("keyword")), *wanted]))
    return values


def already_set(raw: Mapping[str, Any], values: Mapping[str, Any]) -> bool:
    """True if an issue has every one of these values already (names compared without case)."""
    return all(_same(raw.get(name), value) for name, value in values.items())


def _same(current: object, wanted: object) -> bool:
    if isinstance(current, list):
        return set(names_of(current)) == set(wanted if isinstance(wanted, list) else [wanted])
    if isinstance(current, dict):
        return str(wanted).casefold() in {id_of(current), (name_of(current) or "").casefold()}
    return str(current) == str(wanted) if wanted is not None else current is None


def search_query(query: TicketQuery, config: RoundupConfig) -> Query:
    """A search, newest change first. Words must all be in the title; the REST interface has no full-text search."""
    filters = [("title", word) for word in query.text.split()]
    if query.status:
        filters.append(("status", ",".join(query.status)))
    if query.updated_since is not None:
        filters.append(("activity", since(query.updated_since)))
    return [*filters, ("@sort", "-activity,-id"), *page(query.cursor, query.page_size, config)]


def history_query(start: datetime, config: RoundupConfig, cursor: str | None, size: int) -> Query:
    """Closed issues by their last activity, oldest first."""
    status = ("status", ",".join(config.roundup_closed_statuses))
    return [status, ("activity", since(start)), ("@sort", "activity,id"), *page(cursor, size, config)]


def page(cursor: str | None, size: int, config: RoundupConfig) -> Query:
    """One page of issues, with labels."""
    return [
        ("@page_size", str(max(1, min(size, PAGE_LIMIT)))),
        ("@page_index", cursor or "1"),
        ("@verbose", "2"),
        issue_fields(config),
    ]


def next_cursor(data: Mapping[str, Any], cursor: str | None) -> str | None:
    """Number of the next page, or None on the last."""
    links = data.get("@links")
    return str(int(cursor or 1) + 1) if isinstance(links, dict) and links.get("next") else None
