"""ServiceNow shapes to ours and back; pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from deskhand.kit.marks import with_mark
from deskhand.kit.times import read_instant
from deskhand.plugins.contract import Company, LinkKind, Note, NoteDraft, Person, Ticket, TicketLink, TicketQuery
from deskhand.plugins.errors import DeskProtocolError, DeskValidationError
from deskhand.plugins.priorities import PriorityMap
from deskhand.plugins.servicenow.config import NoteFormat, ServiceNowConfig
from deskhand.plugins.servicenow.journal import entries
from deskhand.plugins.servicenow.manifest import DESK, TOOL_TYPE
from deskhand.plugins.servicenow.query import Query, Row, Term, display_of, literal, time_literal, value_of, words
from deskhand.plugins.text import html_to_markdown, markdown_to_html, markdown_to_text, truncate

DEFAULT_PRIORITIES = {"critical": "1 - Critical", "high": "2 - High", "medium": "3 - Moderate", "low": "4 - Low"}
# Numbers are the stored values: they stay the same where labels are translated.
PRIORITY_SYNONYMS = {
    "5 - planning": "low",
    **{"1": "critical", "2": "high", "3": "medium", "4": "low", "5": "low"},
}
JOURNALS = ("comments", "work_notes")
_BASE_FIELDS = (
    *("sys_id", "number", "short_description", "description", "state", "priority", "impact", "urgency"),
    *("category", "subcategory", "caller_id", "caller_id.email", "caller_id.user_name", "caller_id.vip"),
    *("assigned_to", "assigned_to.email"),
    *("assignment_group", "close_code", "close_notes", "contact_type", "cmdb_ci", "business_service", "location"),
    *(
        "company",
        "parent_incident",
        "hold_reason",
        "sys_created_on",
        "sys_updated_on",
        "sys_updated_by",
        "sys_mod_count",
        "sys_class_name",
    ),
)
_MAPPED = {
    *("sys_id", "number", "short_description", "description", "state", "priority", "category", "caller_id"),
    *("caller_id.email", "assigned_to", "assigned_to.email", "assignment_group", "close_notes", "sys_created_on"),
    *(
        "sys_updated_on",
        "sys_mod_count",
        "resolved_at",
        "parent_incident",
        "caller_id.vip",
        "sys_class_name",
        *JOURNALS,
    ),
}
_STORED_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}")
_SYS_ID = re.compile(r"[0-9a-f]{32}")
_NUMBER = re.compile(r"[A-Z]{2,10}[0-9]{3,15}")
_CODE_TAG = re.compile(r"\[(/?code)\]", re.IGNORECASE)


def priority_map(tenant: Mapping[str, str]) -> PriorityMap:
    """Priorities of a stock instance, with the tenant's own on top."""
    return PriorityMap(DEFAULT_PRIORITIES, tenant, PRIORITY_SYNONYMS)


def is_sys_id(text: str) -> bool:
    """True for the stable id of a record."""
    return _SYS_ID.fullmatch(text) is not None


def is_number(text: str) -> bool:
    """True for the number people see, e.g. INC0010001."""
    return _NUMBER.fullmatch(text) is not None


def read_fields(config: ServiceNowConfig) -> tuple[str, ...]:
    """Fields of a ticket in lists; one ticket alone also has its journals."""
    return tuple(dict.fromkeys((*_BASE_FIELDS, config.servicenow_history_field, *config.servicenow_extra_fields)))


def read_time(row: Row, name: str) -> datetime | None:
    """A stored time: always UTC, whatever zone the user sees."""
    text = value_of(row, name)
    # By its full form: an empty cell, or a date without a time, is no instant.
    return read_instant(text) if _STORED_TIME.fullmatch(text) else None


def read_person(row: Row, name: str) -> Person | None:
    """A user reference and, dot-walked, the address."""
    sys_id, shown = value_of(row, name), display_of(row, name)
    # A deleted user leaves the reference's id without a label, and an account without the right to read users sees the
    # label alone: either of the two still says who it was.
    if not sys_id and not shown:
        return None
    return Person(
        id=sys_id or None,
        name=shown or None,
        email=value_of(row, f"{name}.email") or None,
        account=value_of(row, f"{name}.user_name") or None,
        is_vip={"true": True, "false": False}.get(value_of(row, f"{name}.vip")),
    )


def read_ticket(row: Row, config: ServiceNowConfig, priorities: PriorityMap, *, notes: tuple[Note, ...] = ()) -> Ticket:
    """A record of the ticket table.

    Raises:
        DeskProtocolError: It has no id.
    """
    sys_id = value_of(row, "sys_id")
    if not is_sys_id(sys_id):
        raise DeskProtocolError(f"{DESK} sent a record without a sys_id.")
    shown, number = display_of(row, "priority"), value_of(row, "priority")
    return Ticket(
        tool_type=TOOL_TYPE,
        id=sys_id,
        display_id=value_of(row, "number") or sys_id,
        subject=value_of(row, "short_description"),
        description=to_markdown(value_of(row, "description")),
        status=display_of(row, "state") or None,
        is_closed=value_of(row, "state") in config.servicenow_closed_states,
        # The label first, since the tenant's own mapping is in people's words; the number holds in every language.
        priority=priorities.from_desk(shown) or priorities.from_desk(number),
        vendor_priority=shown or None,
        category=display_of(row, "category") or None,
        requester=read_person(row, "caller_id"),
        assignee=read_person(row, "assigned_to"),
        group=display_of(row, "assignment_group") or None,
        resolution=to_markdown(value_of(row, "close_notes")) or None,
        created_at=read_time(row, "sys_created_on"),
        updated_at=read_time(row, "sys_updated_on"),
        resolved_at=read_time(row, config.servicenow_history_field),
        # Through the frame, so that a technician's browser keeps the menu around the record.
        url=f"{config.servicenow_instance_url}/nav_to.do?uri="
        + quote(f"{config.servicenow_table}.do?sys_id={sys_id}", safe=""),
        revision=value_of(row, "sys_mod_count") or None,
        notes=notes,
        company=_company(row),
        links=_links(row),
        merged_into=_merged_into(row, config),
        parent=value_of(row, "parent_incident") or None,
        kinds=tuple(dict.fromkeys(filter(None, (value_of(row, "sys_class_name"), display_of(row, "sys_class_name"))))),
        custom={name: text for name in row if name not in _MAPPED and (text := display_of(row, name))},
    )


def _company(row: Row) -> Company | None:
    sys_id = value_of(row, "company")
    return Company(id=sys_id, name=display_of(row, "company") or sys_id) if sys_id else None


def _links(row: Row) -> tuple[TicketLink, ...]:
    parent = value_of(row, "parent_incident")
    return (TicketLink(kind=LinkKind.CHILD_OF, ticket_id=parent),) if parent else ()


def _merged_into(row: Row, config: ServiceNowConfig) -> str | None:
    # The instance merges nothing: people close the one as a duplicate below the other. By the stored value, which is
    # the same in every language.
    is_duplicate = "duplicate" in value_of(row, "close_code").casefold()
    is_closed = value_of(row, "state") in config.servicenow_closed_states
    return value_of(row, "parent_incident") if is_closed and is_duplicate else None


def read_note(row: Row) -> Note:
    """An entry of the journal.

    Raises:
        DeskProtocolError: It has no id.
    """
    if not value_of(row, "sys_id"):
        raise DeskProtocolError(f"{DESK} sent a journal entry without a sys_id.")
    return Note(
        id=value_of(row, "sys_id"),
        body=to_markdown(value_of(row, "value")),
        public=value_of(row, "element") == "comments",
        author=Person(name=value_of(row, "sys_created_by") or None, account=value_of(row, "sys_created_by") or None),
        created_at=read_time(row, "sys_created_on"),
    )


def rendered_notes(row: Row) -> tuple[Note, ...]:
    """Notes out of the text the record itself shows, for accounts that may not read the journal table, oldest first."""
    notes = [replace(note, body=to_markdown(note.body)) for field in JOURNALS for note in reversed(entries(row, field))]
    dated = [note.created_at for note in notes if note.created_at is not None]
    if len(dated) == len(notes):  # between entries without a time, only the order within each journal is known
        notes.sort(key=lambda note: note.created_at or datetime.max.replace(tzinfo=UTC))
    return tuple(notes)


def to_markdown(text: str) -> str:
    """Markdown of a ServiceNow text: plain, apart from HTML between [code] tags."""
    parts = _around_code_tags(text.replace("\r\n", "\n"))
    read = [html_to_markdown(part) if position % 2 else part.strip() for position, part in enumerate(parts)]
    return "\n\n".join(part for part in read if part)


def _around_code_tags(text: str) -> list[str]:
    """What stands before, between and behind pairs of [code] tags; odd positions are between. No pair: all before."""
    tags = list(_CODE_TAG.finditer(text))
    # Computed once: to look for an end from each opening tag would take quadratic time on a stranger's text.
    last_end = max((tag.start() for tag in tags if tag[1].startswith("/")), default=-1)
    parts: list[str] = []
    start = 0
    for tag in tags:
        between = len(parts) % 2 == 1
        if tag[1].startswith("/") if between else tag.start() < last_end and not tag[1].startswith("/"):
            parts.append(text[start : tag.start()])
            start = tag.end()
    return [*parts, text[start:]]


def note_text(note: NoteDraft, config: ServiceNowConfig) -> str:
    """A note as it is sent."""
    return _written(with_mark(note.body, note.mark), config)


def note_fields(note: NoteDraft, config: ServiceNowConfig) -> dict[str, str]:
    """The field a note goes into: comments are seen by the caller, work notes are not."""
    return {"comments" if note.public else "work_notes": note_text(note, config)}


def resolution_text(resolution: str, mark: str, config: ServiceNowConfig) -> str:
    """Close notes, plain; cut visibly so that the mark still fits, for the instance would cut without a word."""
    plain = _without_code_tags(markdown_to_text(resolution))
    room = config.servicenow_text_limit - len(with_mark("", mark))
    return with_mark(truncate(plain, room), mark)


def _written(markdown: str, config: ServiceNowConfig) -> str:
    if config.servicenow_note_format is NoteFormat.HTML:
        # A [code] of the text's own would end ours early, and let the rest be shown as HTML.
        html = _CODE_TAG.sub(r"&#91;\1]", markdown_to_html(markdown))
        return f"[code]{html}[/code]"
    return _without_code_tags(markdown_to_text(markdown))


def _without_code_tags(text: str) -> str:
    """Text that asks for HTML on its own does not get it."""
    return _CODE_TAG.sub(r"[ \1]", text)


def change_fields(custom: Mapping[str, Any], config: ServiceNowConfig) -> dict[str, str]:
    """Fields given by their own names.

    Raises:
        DeskValidationError: One that is none.
    """
    return {name: custom_value(name, value, config) for name, value in custom.items()}


def subject_text(subject: str, config: ServiceNowConfig) -> str:
    """A short description: one line, within the instance's limit."""
    return truncate(" ".join(subject.split()), config.servicenow_subject_limit)


def custom_value(name: str, value: object, config: ServiceNowConfig) -> str:
    """A value in the API's own form: text, with ``""`` for null and ``"true"`` for true."""
    # A journal is written by notes alone: set as a field it would carry no mark, and could not be found again.
    if name in JOURNALS or not re.fullmatch(r"[a-z][a-z0-9_]*", name):
        raise DeskValidationError(f"{name} cannot be set as a field of a {DESK} record.", fields=(name,))
    if isinstance(value, bool):
        return "true" if value else "false"
    text = "" if value is None else str(value)
    if name == "short_description":
        return truncate(text, config.servicenow_subject_limit)
    if name in {"description", "close_notes"}:
        return truncate(text, config.servicenow_text_limit)
    return text


def levels_for(row: Row, priority: str, config: ServiceNowConfig) -> dict[str, str]:
    """Impact and urgency that make a priority, changing as little as possible: urgency first, then impact.

    Raises:
        DeskValidationError: No pair of the matrix makes it.
    """
    if value_of(row, "priority") == priority:
        return {}
    pairs = [pair.split(",") for pair, made in config.servicenow_priority_matrix.items() if made == priority]
    if not pairs:
        raise DeskValidationError(
            f"{DESK} computes priority from impact and urgency, and no pair makes {priority}.", fields=("priority",)
        )
    impact, urgency = value_of(row, "impact"), value_of(row, "urgency")
    # Pairs that keep the impact come first: a technician judged how many people are hit.
    best = min(pairs, key=lambda pair: (pair[0] != impact, pair[1] != urgency, pair))
    return {"impact": best[0], "urgency": best[1]}


def not_taken(row: Row, fields: Mapping[str, str]) -> tuple[str, ...]:
    """Fields the record does not have as they were sent; journals are no longer there to compare."""
    # ServiceNow answers 200 to a value it did not take (a read-only field, access control, a business rule), so the
    # saved record is the only witness.
    return tuple(name for name, value in fields.items() if name not in JOURNALS and not same(row, name, value))


def same(row: Row, name: str, value: str) -> bool:
    """True if a field already has a value, line ends and outer blanks aside."""
    current = value_of(row, name).replace("\r\n", "\n").strip()
    return current == value.replace("\r\n", "\n").strip()


def search_query(query: TicketQuery, states: tuple[str, ...], priorities: tuple[str, ...], group: str) -> Query:
    """A search, newest change first; states, priorities and the group are what the instance stores for them."""
    # Every word on its own, in either text: ServiceNow's LIKE knows no words, and the whole phrase would seldom stand
    # so.
    conditions: list[tuple[Term, ...]] = [
        (Term("short_description", "LIKE", word), Term("description", "LIKE", word)) for word in words(query.text)
    ]
    for name, stored in (("state", states), ("priority", priorities)):
        if stored:
            conditions.append((Term(name, "IN", ",".join(stored)),))
    if group:
        conditions.append((Term("assignment_group", "=", group),))
    if query.requester is not None:
        conditions.append((Term("caller_id.email", "=", literal(query.requester, "caller_id")),))
    bounds = (
        ("sys_created_on", ">=", query.created_since),
        ("sys_created_on", "<", query.created_until),
        ("sys_updated_on", ">=", query.updated_since),
        ("sys_updated_on", "<", query.updated_until),
    )
    conditions += [(Term(name, sign, time_literal(moment)),) for name, sign, moment in bounds if moment is not None]
    # With the id behind the time: stamps have whole seconds, and rows of one second would change places between two
    # pages.
    return Query(tuple(conditions), ("-sys_updated_on", "-sys_id"))


def created_query(mark: str) -> Query:
    """The records that were created with a mark, the first of them first."""
    return Query(((Term("correlation_id", "=", mark),),), ("sys_created_on", "sys_id"))


def number_query(number: str) -> Query:
    """The record with a number."""
    return Query(((Term("number", "=", number),),))


def journal_query(sys_id: str, *, mark: str = "", newest_first: bool = False) -> Query:
    """Journal entries of a record, oldest first."""
    # The journal table holds the entries of every field of every table; without the field's name other journals come
    # along.
    conditions = [(Term("element_id", "=", sys_id),), (Term("element", "IN", ",".join(JOURNALS)),)]
    if mark:
        conditions.append((Term("value", "LIKE", mark),))
    sign = "-" if newest_first else ""
    return Query(tuple(conditions), (f"{sign}sys_created_on", f"{sign}sys_id"))


def cursor_parts(cursor: str | None, pattern: re.Pattern[str]) -> tuple[Any, ...]:
    """The parts of a cursor of ours.

    Raises:
        DeskValidationError: It is not one.
    """
    parts = pattern.fullmatch(cursor or "")
    if parts is None:
        raise DeskValidationError("The cursor is not one that a page before gave.", fields=("cursor",))
    return parts.groups()
