"""Zendesk shapes to ours and back; pure.

A ticket's description is its first comment, and a ticket has no resolution of its own: that is what an agent
said when it was solved.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from deskhand.kit.times import read_instant
from deskhand.plugins.contract import (
    AttachedFile,
    Company,
    LinkKind,
    Note,
    NoteDraft,
    Person,
    Ticket,
    TicketLink,
    TicketQuery,
)
from deskhand.plugins.errors import DeskProtocolError
from deskhand.plugins.history import solution_among
from deskhand.plugins.priorities import PriorityMap
from deskhand.plugins.shapes import attached_files, file_names, texts
from deskhand.plugins.text import html_to_markdown, markdown_to_html, truncate
from deskhand.plugins.zendesk import family
from deskhand.plugins.zendesk.config import ZendeskConfig
from deskhand.plugins.zendesk.manifest import DESK, TOOL_TYPE

COMMENT_LIMIT = 65_535
SUBJECT_LIMIT = 255
MARK_KEY = "itsm_run"
STATUSES = ("new", "open", "pending", "hold", "solved", "closed")
CLOSED = ("solved", "closed")
DEFAULT_PRIORITIES = {"critical": "urgent", "high": "high", "medium": "normal", "low": "low"}
_OFFSET = re.compile(r"(?:Z|[+-][0-9]{2}:?[0-9]{2})\s*$", re.IGNORECASE)
_PLAIN_WORD = re.compile(r"[\w.@/+]+")
_TAG_OR_BRACE = re.compile(r'<[^<>"]*(?:"[^"]*"[^<>"]*)*>|\{(?=[{%])')
_OPERATORS = {"and", "or", "not"}
_MERGED_TAG = "closed_by_merge"
"""The desk sets it on a ticket that it closed because it was merged into another one."""
_MERGED_INTO = re.compile(r"closed and merged into (?:request|ticket) \[?#([0-9]{1,20})")
_AT_ONCE = timedelta(seconds=5)  # a comment of the very save that solved the ticket
_MAPPED = {
    *("id", "url", "subject", "raw_subject", "description", "status", "priority", "requester_id", "assignee_id"),
    *("organization_id", "problem_id", "group_id", "tags", "created_at", "updated_at", "generated_timestamp"),
    *("custom_fields", "fields", "metric_set", "result_type"),
}


@dataclass(slots=True)
class Sideloads:
    """People and groups that came along with tickets, and the labels of custom statuses."""

    people: dict[str, Person] = field(default_factory=dict)
    groups: dict[str, str] = field(default_factory=dict)
    companies: dict[str, str] = field(default_factory=dict)
    status_labels: Mapping[str, str] = field(default_factory=dict)

    def add(self, body: Mapping[str, Any]) -> None:
        """Take what an answer brings."""
        for user in _dicts(body.get("users")):
            person = read_person(user)
            self.people[str(person.id)] = person
        for group in _dicts(body.get("groups")):
            self.groups[str(group.get("id"))] = str(group.get("name"))
        for company in _dicts(body.get("organizations")):
            self.companies[str(company.get("id"))] = str(company.get("name"))

    def person(self, user_id: object) -> Person | None:
        """The person with an id; the id alone where nothing more came along."""
        return None if user_id is None else self.people.get(str(user_id), Person(id=str(user_id)))

    def group(self, group_id: object) -> str | None:
        """Name of a group, or its id as text."""
        return None if group_id is None else self.groups.get(str(group_id), str(group_id))

    def company(self, company_id: object) -> Company | None:
        """The organization with an id, by its id where nothing more came along."""
        if company_id is None:
            return None
        return Company(id=str(company_id), name=self.companies.get(str(company_id), str(company_id)))


def priority_map(tenant: Mapping[str, str]) -> PriorityMap:
    """Zendesk's four priorities, with the tenant's own mapping on top."""
    return PriorityMap(DEFAULT_PRIORITIES, tenant)


def read_time(value: object) -> datetime | None:
    """An ISO 8601 time with an offset; one without could be of any zone."""
    return read_instant(value) if isinstance(value, str) and _OFFSET.search(value) else None


def write_time(moment: datetime) -> str:
    """A time as the API wants it: whole seconds, UTC."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def read_person(user: Mapping[str, Any]) -> Person:
    """A user."""
    role = user.get("role")
    return Person(
        id=_text(user.get("id")),
        name=_text(user.get("name")),
        email=_text(user.get("email")),
        is_staff=None if role is None else role in ("agent", "admin"),
    )


def read_ticket(
    raw: object,
    config: ZendeskConfig,
    priorities: PriorityMap,
    side: Sideloads,
    *,
    comments: Sequence[Mapping[str, Any]] | None = None,
) -> Ticket:
    """A ticket.

    Args:
        raw: As sent.
        config: Of the connection.
        priorities: Of the tenant.
        side: What came along.
        comments: All of the ticket's comments, oldest first; None if they were not read.

    Raises:
        DeskProtocolError: It has no id.
    """
    if not isinstance(raw, dict) or not raw.get("id"):
        raise DeskProtocolError(f"{DESK} sent a ticket without an id.")
    # One of six words in every account; the label beside it is whatever the account's administrators wrote.
    category, priority = str(raw.get("status") or ""), _text(raw.get("priority"))
    fields = {str(item.get("id")): item.get("value") for item in _dicts(raw.get("custom_fields"))}
    # The first comment is the description, which the ticket shows already.
    notes = read_notes((comments or ())[1:], side)
    return Ticket(
        tool_type=TOOL_TYPE,
        id=str(raw["id"]),
        display_id=str(raw["id"]),
        subject=str(raw.get("subject") or ""),
        description=_comment_text(comments[0]) if comments else str(raw.get("description") or ""),
        status=side.status_labels.get(str(raw.get("custom_status_id")), category) or None,
        is_closed=category in CLOSED,
        priority=priorities.from_desk(priority),
        vendor_priority=priority,
        category=_text(fields.get(str(config.zendesk_category_field))),
        requester=side.person(raw.get("requester_id")),
        assignee=side.person(raw.get("assignee_id")),
        group=side.group(raw.get("group_id")),
        resolution=_resolution(raw, fields, config, notes),
        created_at=read_time(raw.get("created_at")),
        updated_at=read_time(raw.get("updated_at")),
        resolved_at=solved_at(raw),
        url=f"{config.base_url}/agent/tickets/{raw['id']}",
        # What `safe_update` compares: Zendesk refuses an update made from an older state of the ticket.
        revision=_text(raw.get("updated_at")),
        tags=texts(raw.get("tags")),
        notes=notes,
        company=side.company(raw.get("organization_id")),
        links=_links(raw),
        kinds=tuple(str(raw[name]) for name in ("ticket_form_id", "type") if raw.get(name)),
        custom=_custom(raw, fields),
        attachments=tuple(name for one in comments or () for name in file_names(one.get("attachments"), "file_name")),
        files=files_of(comments or ()),
        merged_into=_merged_into(raw, notes),
        parent=family.parent_of(raw),
        split_from=family.split_from(raw),
    )


def _custom(raw: Mapping[str, Any], fields: Mapping[str, Any]) -> dict[str, Any]:
    custom = {name: value for name, value in raw.items() if name not in _MAPPED and value is not None}
    return {**custom, **{name: value for name, value in fields.items() if value is not None}}


def files_of(comments: Iterable[Mapping[str, Any]]) -> tuple[AttachedFile, ...]:
    """The files of comments, as private as each comment; none that was deleted or in which malware was found."""
    found: list[AttachedFile] = []
    for comment in comments:
        public = comment.get("public")
        sound = [row for row in _dicts(comment.get("attachments")) if not _withheld(row)]
        found += attached_files(sound, name="file_name", public=public if isinstance(public, bool) else None)
    return tuple(found)


def _withheld(row: Mapping[str, Any]) -> bool:
    return bool(row.get("deleted")) or row.get("malware_scan_result") == "malware_found"


def _merged_into(raw: Mapping[str, Any], notes: Sequence[Note]) -> str | None:
    if raw.get("status") not in CLOSED or _MERGED_TAG not in texts(raw.get("tags")):
        return None
    # The tag says that it was; into which one only the comment that the desk wrote with it, in its default words.
    said = (_MERGED_INTO.search(note.body) for note in reversed(notes))
    return next((found[1] for found in said if found), "")


def _links(raw: Mapping[str, Any]) -> tuple[TicketLink, ...]:
    problem = raw.get("problem_id")
    return () if problem is None else (TicketLink(kind=LinkKind.CAUSED_BY, ticket_id=str(problem)),)


def solved_at(raw: Mapping[str, Any]) -> datetime | None:
    """When it was solved: from the metrics that came along, else the last change of a ticket that is done."""
    if raw.get("status") not in CLOSED:
        return None
    metrics = raw.get("metric_set")
    known = read_time(metrics.get("solved_at")) if isinstance(metrics, dict) else None
    # Metrics are there only where a call asked for them as a sideload.
    return known or read_time(raw.get("updated_at"))


def listed_since(row: Mapping[str, Any], since: datetime) -> bool:
    """The export holds every ticket that changed, deleted ones included, and may begin earlier than was asked."""
    moment = listed_at(row)
    return solved_at(row) is not None and (moment is None or moment >= since.replace(microsecond=0))


def listed_at(raw: Mapping[str, Any]) -> datetime | None:
    """A ticket's place in the export, which goes by the last change, system changes included."""
    stamp = raw.get("generated_timestamp")
    if isinstance(stamp, int) and 0 < stamp < 253_402_300_800:  # below the year 10000
        return datetime.fromtimestamp(stamp, UTC)
    return read_time(raw.get("updated_at"))


def _resolution(
    raw: Mapping[str, Any], fields: Mapping[str, Any], config: ZendeskConfig, notes: Sequence[Note]
) -> str | None:
    # Where a tenant keeps resolutions in a field of its own, that field goes before what the notes let us guess.
    if config.zendesk_resolution_field is not None:
        text = fields.get(str(config.zendesk_resolution_field))
        if text:
            return str(text)
    done = solved_at(raw)
    if done is None:
        return None
    requester = Person(id=_text(raw.get("requester_id")))
    return solution_among(notes, requester=requester, by=done + _AT_ONCE)


def read_note(raw: Mapping[str, Any], side: Sideloads) -> Note:
    """A comment.

    Raises:
        DeskProtocolError: It has no id.
    """
    if not raw.get("id"):
        raise DeskProtocolError(f"{DESK} sent a comment without an id.")
    return Note(
        id=str(raw["id"]),
        body=_comment_text(raw),
        public=bool(raw.get("public")),
        author=side.person(raw.get("author_id")) or Person(),
        created_at=read_time(raw.get("created_at")),
    )


def read_notes(comments: Sequence[Mapping[str, Any]], side: Sideloads) -> tuple[Note, ...]:
    """Comments in their order."""
    return tuple(read_note(comment, side) for comment in comments)


def _comment_text(raw: Mapping[str, Any]) -> str:
    # The HTML first: Zendesk's plain forms have lost links, lists and code.
    html = _text(raw.get("html_body"))
    return html_to_markdown(html) if html else str(raw.get("plain_body") or raw.get("body") or "")


def comment_json(note: NoteDraft) -> dict[str, Any]:
    """A comment to write; ``public`` is always said, because the desk's default follows the first comment."""
    return {"html_body": fitting_html(note.body), "public": note.public}


def fitting_html(markdown: str) -> str:
    """HTML of a Markdown text within the desk's limit, cut visibly."""
    room = COMMENT_LIMIT
    # The limit counts HTML, whose length is known only after rendering; so the Markdown is cut until it fits.
    while len(html := _without_placeholders(markdown_to_html(truncate(markdown, room)))) > COMMENT_LIMIT:
        room -= max(1000, len(html) - COMMENT_LIMIT)
    return html


def _without_placeholders(html: str) -> str:
    """HTML that looks the same, in which no ``{{placeholder}}`` or ``{%`` of a stranger's is filled in by the desk.

    The desk fills them in for whoever it takes for an agent, so that a ticket could have ours show what its writer may
    not see. A tag between the braces parts them without a character that a reader would copy.
    """
    return _TAG_OR_BRACE.sub(lambda part: "<span>{</span>" if part[0] == "{" else part[0].replace("{", "&#123;"), html)


def metadata_json(marks: Iterable[str]) -> dict[str, Any]:
    """``metadata`` of an update; the desk keeps it with the audit."""
    # The key keeps its name for good: audits that older releases wrote are searched by it.
    return {"custom": {MARK_KEY: " ".join(dict.fromkeys(marks))}}


def carries_mark(audit: Mapping[str, Any], mark: str) -> bool:
    """True if an audit is of an update that carried this mark."""
    metadata = audit.get("metadata")
    custom = metadata.get("custom") if isinstance(metadata, dict) else None
    # As a whole word: one audit carries the marks of a change and of its note, and a mark may begin like another.
    return isinstance(custom, dict) and mark in str(custom.get(MARK_KEY) or "").split()


def receipt_id(audit: object, default: str) -> str:
    """Id of the comment an update wrote, else of the audit itself."""
    if not isinstance(audit, dict):
        return default
    # The audit of one PUT holds an event for each field and one for the comment; people look for the comment.
    events = _dicts(audit.get("events"))
    comments = (event.get("id") for event in events if event.get("type") == "Comment")
    return str(next(comments, None) or audit.get("id") or default)


def comment_public(audit: object) -> bool | None:
    """Whether the comment that an update wrote is public; None of one that wrote none."""
    events = _dicts(audit.get("events")) if isinstance(audit, dict) else ()
    shown = (event["public"] for event in events if event.get("type") == "Comment" and "public" in event)
    return next((bool(one) for one in shown), None)


def already_set(raw: Mapping[str, Any], fields: Mapping[str, Any]) -> bool:
    """True if a ticket already has every one of these values."""
    return all(_has(raw, name, value) for name, value in fields.items())


def _has(raw: Mapping[str, Any], name: str, wanted: object) -> bool:
    current = raw.get(name)
    # Zendesk keeps tags as a set and gives them back sorted.
    if name == "tags" and isinstance(wanted, list):
        return set(wanted) == set(current or ())
    if name == "custom_fields" and isinstance(wanted, list):
        values = {item.get("id"): item.get("value") for item in _dicts(current)}
        return all(item["id"] in values and values[item["id"]] == item["value"] for item in wanted)
    return current == wanted


def search_words(query: TicketQuery, statuses: Iterable[str]) -> str:
    """The search text without ``type:``, which the export forbids.

    Args:
        query: What is looked for.
        statuses: Terms of statuses and priorities, such as ``status:open``; several of one property mean "any of them".
    """
    words = [_word(word) for word in query.text.split()]
    bounds = (
        ("created>=", query.created_since),
        ("created<", query.created_until),
        ("updated>=", query.updated_since),
        ("updated<", query.updated_until),
    )
    times = [f"{term}{write_time(moment)}" for term, moment in bounds if moment is not None]
    people = [
        f'{term}:"{_quotable(value)}"'
        for term, value in (("group", query.group), ("requester", query.requester))
        if value is not None
    ]
    return " ".join(word for word in (*words, *statuses, *people, *times) if word)


def _quotable(value: str) -> str:
    return value.replace('"', " ").replace("\\", " ").strip()


def _word(word: str) -> str:
    """A word of a person's text, quoted where the search would take it for an operator."""
    clean = word.replace('"', " ").replace("\\", " ").strip()
    if not clean or (_PLAIN_WORD.fullmatch(clean) and clean.casefold() not in _OPERATORS):
        return clean
    return f'"{clean}"'


def _dicts(value: object) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _text(value: object) -> str | None:
    return None if value is None else str(value)
