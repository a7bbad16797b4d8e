"""Jira shapes to ours; pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from deskhand.kit.marks import find_marks
from deskhand.kit.times import read_epoch, read_instant
from deskhand.plugins.contract import Company, NamedValue, Note, Person, Ticket
from deskhand.plugins.errors import DeskProtocolError
from deskhand.plugins.history import solution_among
from deskhand.plugins.jira.adf_read import adf_to_markdown
from deskhand.plugins.jira.config import JiraConfig
from deskhand.plugins.jira.manifest import DESK, TOOL_TYPE
from deskhand.plugins.priorities import PriorityMap
from deskhand.plugins.shapes import attached_files, file_names, texts

SUMMARY_LIMIT = 255
TEXT_LIMIT = 32_767
DEFAULT_PRIORITIES = {"critical": "Highest", "high": "High", "medium": "Medium", "low": "Low"}
PRIORITY_SYNONYMS = {"blocker": "critical", "urgent": "critical", "major": "high", "minor": "low", "lowest": "low"}
MARKS_KEPT = 20
LEVELS = " > "
"""Between the two levels of a cascading select, as people write a path."""
# People often close first and write what they did a moment later.
_AFTERWORD = timedelta(minutes=5)
_FIELDS = (
    *("summary", "description", "status", "priority", "reporter", "assignee", "labels", "created", "updated"),
    *("resolution", "resolutiondate", "statuscategorychangedate", "issuetype"),
)
_TIME_FIELDS = {"resolved": "resolutiondate", "createddate": "created", "updateddate": "updated"}
# Comments are read by pages of their own; the other two fill an answer with what no note says.
_HEAVY = ("comment", "worklog", "subtasks")
_ORGANIZATION = re.compile(r"/rest/servicedeskapi/organization/\w+/?$")


def priority_map(tenant: Mapping[str, str]) -> PriorityMap:
    """Priorities of a stock site, with the tenant's own on top."""
    return PriorityMap(DEFAULT_PRIORITIES, tenant, PRIORITY_SYNONYMS)


def list_fields(config: JiraConfig, *, with_comments: bool = False) -> list[str]:
    """Fields to name in a search, which answers with ids only otherwise."""
    own = (
        *(config.jira_category_field, config.jira_group_field, config.jira_resolution_field),
        config.jira_organization_field,
    )
    extra = [name for name in own if name]
    # A page of history needs both: the solution is in a comment, and a duplicate is known by its link.
    return [*dict.fromkeys([*_FIELDS, *extra, *(["comment", "issuelinks"] if with_comments else [])])]


def all_fields() -> str:
    """Every field but the heavy ones, for reading one ticket."""
    return ",".join(["*all", *(f"-{name}" for name in _HEAVY)])


def read_time(value: object) -> datetime | None:
    """A time such as ``2026-11-21T10:00:00.000+0000``, or epoch milliseconds."""
    return read_instant(value) if isinstance(value, str) else read_epoch(value, per_second=1000)


def read_person(value: object) -> Person | None:
    """A reporter, assignee or author; mail addresses are often hidden by the person's own settings."""
    if not isinstance(value, Mapping):
        return None
    # "customer" sees the portal only, "app" is a program. Where the answer leaves it out, nobody is staff on a guess.
    kind = value.get("accountType")
    return Person(
        id=_text(value.get("accountId")),
        name=_text(value.get("displayName")),
        email=_text(value.get("emailAddress")),
        is_staff=None if kind is None else kind == "atlassian",
    )


def fields_of(raw: object) -> Mapping[str, Any]:
    """The fields of an issue.

    Raises:
        DeskProtocolError: It has no id or no fields.
    """
    fields = raw.get("fields") if isinstance(raw, Mapping) and raw.get("id") else None
    if not isinstance(fields, Mapping):
        raise DeskProtocolError(f"{DESK} sent a ticket without id or fields.")
    return fields


def read_ticket(
    raw: Mapping[str, Any], config: JiraConfig, priorities: PriorityMap, *, notes: tuple[Note, ...] | None = None
) -> Ticket:
    """An issue; without ``notes`` its resolution is looked for in the comments the issue itself carries."""
    fields = fields_of(raw)
    status = name_of(fields.get("status"))
    closed = is_done(fields.get("status"))
    priority = name_of(fields.get("priority"))
    # Team-managed projects set no resolution, and so no date of one; the change of category is the same moment.
    resolved = read_time(fields.get("resolutiondate")) or read_time(fields.get("statuscategorychangedate"))
    comments = embedded_notes(fields) if notes is None else notes
    reporter = read_person(fields.get("reporter"))
    key = str(raw.get("key") or raw["id"])
    known = {*list_fields(config), "project", "issuelinks", "attachment"}
    return Ticket(
        tool_type=TOOL_TYPE,
        id=str(raw["id"]),
        display_id=key,
        subject=str(fields.get("summary") or ""),
        description=adf_to_markdown(fields.get("description")),
        status=status,
        is_closed=closed,
        priority=priorities.from_desk(priority),
        vendor_priority=priority,
        category=_joined(fields.get(config.jira_category_field)),
        requester=reporter,
        assignee=read_person(fields.get("assignee")),
        group=_joined(fields.get(config.jira_group_field)) if config.jira_group_field else None,
        # Of a ticket that was opened again the old answer did not hold, and must teach no later note.
        resolution=_resolution(fields, config, comments, reporter, resolved) if closed else None,
        created_at=read_time(fields.get("created")),
        updated_at=read_time(fields.get("updated")),
        resolved_at=resolved if closed else None,
        url=f"{config.jira_url}/browse/{key}",
        revision=_text(fields.get("updated")),
        tags=texts(fields.get("labels")),
        notes=notes or (),
        company=read_company(fields, config.jira_organization_field),
        kinds=kinds_of(fields),
        custom={name: plain(value) for name, value in fields.items() if name not in known and plain(value) is not None},
        attachments=file_names(fields.get("attachment"), "filename"),
        # Whether one came with an internal comment is not said with the issue: the vendor's "Attachment" names none.
        files=attached_files(fields.get("attachment"), name="filename"),
    )


def kinds_of(fields: Mapping[str, Any]) -> tuple[str, ...]:
    """Issue type and request type, each by id and name."""
    # The request type stands in a field whose number is each site's own.
    requested = (value.get("requestType") for value in fields.values() if isinstance(value, Mapping))
    named = [one for one in (fields.get("issuetype"), *requested) if isinstance(one, Mapping)]
    return tuple(str(one[key]) for one in named for key in ("id", "name") if one.get(key))


def read_company(fields: Mapping[str, Any], named: str | None = None) -> Company | None:
    """The first customer organisation: of the field that is named for it, else of the one that shows some."""
    for value in [fields.get(named)] if named else fields.values():
        for row in value if isinstance(value, list) else ():
            if isinstance(row, Mapping) and row.get("id") and row.get("name") and (named or _is_organization(row)):
                return Company(id=str(row["id"]), name=str(row["name"]))
    return None


def _is_organization(row: Mapping[str, Any]) -> bool:
    links = row.get("_links")
    address = str(links.get("self") or "") if isinstance(links, Mapping) else ""
    return _ORGANIZATION.search(address) is not None


def listed_at(raw: Mapping[str, Any], config: JiraConfig) -> datetime | None:
    """A ticket's place on the clock of the history search, which names its fields in any case."""
    field = config.jira_history_field.casefold()
    return read_time(fields_of(raw).get(_TIME_FIELDS.get(field, field)))


def is_done(status: object) -> bool:
    """True if a status belongs to the category "done", whatever its name."""
    category = status.get("statusCategory") if isinstance(status, Mapping) else None
    return isinstance(category, Mapping) and category.get("key") == "done"


def _resolution(
    fields: Mapping[str, Any],
    config: JiraConfig,
    comments: Sequence[Note],
    reporter: Person | None,
    resolved: datetime | None,
) -> str | None:
    """Text of the resolution: Jira has only a word ("Done"), the text is in a comment or a custom field."""
    if config.jira_resolution_field:
        return adf_to_markdown(fields.get(config.jira_resolution_field)) or None
    return solution_among(comments, requester=reporter, by=resolved + _AFTERWORD if resolved else None)


def embedded_notes(fields: Mapping[str, Any]) -> tuple[Note, ...]:
    """Comments in the field ``comment``, oldest first."""
    page = fields.get("comment")
    rows = page.get("comments") if isinstance(page, Mapping) else None
    return tuple(read_note(row) for row in rows) if isinstance(rows, list) else ()


def read_note(raw: object) -> Note:
    """A comment of the platform.

    Raises:
        DeskProtocolError: It has no id.
    """
    if not isinstance(raw, Mapping) or not raw.get("id"):
        raise DeskProtocolError(f"{DESK} sent a comment without an id.")
    return Note(
        id=str(raw["id"]),
        body=adf_to_markdown(raw.get("body")),
        public=bool(raw.get("jsdPublic", True)),  # outside service projects every comment is for all who see the ticket
        author=read_person(raw.get("author")) or Person(),
        created_at=read_time(raw.get("created")),
    )


def read_public(comment: Mapping[str, Any]) -> bool | None:
    """Whether a requester sees a comment; None where the site does not say."""
    return bool(comment["jsdPublic"]) if comment.get("jsdPublic") is not None else None


def author_id(comment: Mapping[str, Any]) -> str | None:
    """Whose comment it is."""
    author = read_person(comment.get("author"))
    return author.id if author else None


def has_mark(comment: Mapping[str, Any], mark: str) -> bool:
    """True if a comment's text carries the mark."""
    # The body is a tree (ADF); as text it is searched wherever in it an editor has moved the mark.
    return mark in find_marks(json.dumps(comment.get("body")))


def property_marks(raw: Mapping[str, Any], name: str) -> list[str]:
    """Marks in our issue property, oldest first."""
    properties = raw.get("properties")
    value = properties.get(name) if isinstance(properties, Mapping) else None
    marks = value.get("marks") if isinstance(value, Mapping) else None
    return [str(mark) for mark in marks] if isinstance(marks, list) else []


def property_with(raw: Mapping[str, Any], name: str, mark: str) -> list[dict[str, Any]]:
    """The property with one mark more, ready to be part of a write; nothing without a mark."""
    if not mark:
        return []
    others = [known for known in property_marks(raw, name) if known != mark]
    # Bounded, because Jira limits a property to 32 KiB; a doubt is settled long before twenty further writes.
    return [{"key": name, "value": {"marks": [*others, mark][-MARKS_KEPT:]}}]


def plain(value: object) -> Any:
    """A vendor value without its envelope: options and references by their name, ADF as Markdown."""
    if isinstance(value, Mapping):
        if value.get("type") == "doc":
            return adf_to_markdown(value) or None
        # Options have "value", references "name", people "displayName".
        named = next((value[name] for name in ("value", "name", "displayName") if name in value), dict(value))
        child = plain(value["child"]) if isinstance(value.get("child"), Mapping) else None
        return named if child is None else f"{named}{LEVELS}{child}"
    if isinstance(value, list):
        return [plain(item) for item in value] or None
    return value


def named_values(rows: Iterable[Mapping[str, Any]], *extra: str) -> tuple[NamedValue, ...]:
    """Rows with ``id`` and ``name``, each once."""
    # The statuses come once for each issue type of the project.
    unique = {str(row.get("id")): row for row in rows if row.get("id") is not None and row.get("name")}
    return tuple(
        NamedValue(id=number, name=str(row["name"]), extra={name: row[name] for name in extra if name in row})
        for number, row in unique.items()
    )


def name_of(value: object) -> str | None:
    """``name`` of a reference."""
    return _text(value.get("name")) if isinstance(value, Mapping) else None


def _joined(value: object) -> str | None:
    shown = plain(value)
    if isinstance(shown, list):
        return ", ".join(str(item) for item in shown) or None
    return _text(shown)


def _text(value: object) -> str | None:
    return None if value is None else str(value)
