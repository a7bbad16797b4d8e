"""ServiceDesk Plus shapes to ours and back; pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from deskhand.kit.marks import find_marks, with_mark
from deskhand.kit.times import bounded_number, read_epoch
from deskhand.plugins.contract import Company, Note, NoteDraft, Person, Ticket, TicketChanges, TicketDraft, TicketQuery
from deskhand.plugins.cursors import LAST_ROW, offset_of, page_size
from deskhand.plugins.errors import DeskProtocolError
from deskhand.plugins.priorities import PriorityMap
from deskhand.plugins.servicedesk_plus.config import ServiceDeskPlusConfig
from deskhand.plugins.servicedesk_plus.files import attachments_of
from deskhand.plugins.servicedesk_plus.manifest import DESK, TOOL_TYPE
from deskhand.plugins.shapes import attached_files, file_names
from deskhand.plugins.text import html_to_markdown, markdown_to_html, truncate

SUBJECT_LIMIT = 250
DEFAULT_PRIORITIES = {"critical": "Urgent", "high": "High", "medium": "Normal", "low": "Low"}
PRIORITY_SYNONYMS = {"highest": "critical", "very high": "critical"}
LIST_FIELDS = [
    *("id", "display_id", "subject", "description", "status", "priority", "category", "group", "requester"),
    *("technician", "resolution", "created_time", "last_updated_time", "resolved_time", "completed_time"),
]
REFERENCES = {
    *("status", "priority", "category", "subcategory", "item", "group", "site", "account", "request_type"),
    *("urgency", "impact", "level", "mode"),
}
"""Fields that are a value of a list, given by its name."""
_UNSET = datetime.fromtimestamp(0, UTC)
"""A time before it ("-1") is the vendor's way to leave one out."""
_MAPPED = {*LIST_FIELDS, "notes", "has_notes", "attachments", "linked_to_request"}


def priority_map(tenant: Mapping[str, str]) -> PriorityMap:
    """Priorities of a stock installation, with the tenant's own on top."""
    return PriorityMap(DEFAULT_PRIORITIES, tenant, PRIORITY_SYNONYMS)


def read_time(value: object) -> datetime | None:
    """A time: ``{"value": "<epoch ms>"}``, or the bare epoch ms."""
    moment = read_epoch(value.get("value") if isinstance(value, dict) else value, per_second=1000)
    return moment if moment and moment >= _UNSET else None


def epoch_ms(moment: datetime) -> str:
    """A time as the API wants it: epoch milliseconds as text."""
    return str(round(moment.timestamp() * 1000))


def read_person(value: object) -> Person | None:
    """A requester, technician or author."""
    if not isinstance(value, dict):
        return None
    vip = value.get("is_vipuser")
    return Person(
        id=_text(value.get("id")),
        name=_text(value.get("name")),
        email=_text(value.get("email_id")),
        is_vip=vip if isinstance(vip, bool) else None,
    )


def read_ticket(
    raw: object, config: ServiceDeskPlusConfig, priorities: PriorityMap, *, notes: Sequence[Mapping[str, Any]] = ()
) -> Ticket:
    """A request.

    Args:
        raw: As sent.
        config: Of the connection.
        priorities: Of the tenant.
        notes: As sent, in the list of notes.

    Raises:
        DeskProtocolError: It has no id.
    """
    if not isinstance(raw, dict) or not raw.get("id"):
        raise DeskProtocolError(f"{DESK} sent a request without an id.")
    status = name_of(raw.get("status"))
    priority = name_of(raw.get("priority"))
    # A request that nobody has touched yet has no last update.
    updated = raw.get("last_updated_time") or raw.get("created_time")
    # By name and from the configuration: the API tells no category of a status, and every desk names its own.
    closed = {word.casefold() for word in config.servicedesk_closed_statuses}
    attached = attachments_of(raw, *notes)
    return Ticket(
        tool_type=TOOL_TYPE,
        id=str(raw["id"]),
        display_id=str(raw.get("display_id") or raw["id"]),
        subject=str(raw.get("subject") or ""),
        description=html_to_markdown(_text(raw.get("description"))),
        status=status,
        is_closed=bool(status) and str(status).casefold() in closed,
        priority=priorities.from_desk(priority),
        vendor_priority=priority,
        category=name_of(raw.get("category")),
        requester=read_person(raw.get("requester")),
        assignee=read_person(raw.get("technician")),
        group=name_of(raw.get("group")),
        resolution=html_to_markdown(resolution_html(raw)) or None,
        created_at=read_time(raw.get("created_time")),
        updated_at=read_time(updated),
        resolved_at=read_time(raw.get("resolved_time")) or read_time(raw.get("completed_time")),
        url=f"{config.servicedesk_url}/app/{config.servicedesk_portal or 'itdesk'}/ui/requests/{raw['id']}/details"
        if config.is_cloud
        else f"{config.servicedesk_url}/WorkOrder.do?woMode=viewWO&woID={raw['id']}",
        revision=revision_of(raw),
        notes=tuple(read_note(note) for note in notes),
        company=read_company(raw.get(config.servicedesk_company_field)),
        parent=_parent(raw),
        kinds=kinds_of(raw),
        custom={name: value for name, value in raw.items() if name not in _MAPPED and value is not None},
        attachments=file_names([*attached], "name"),
        # The desk does not say who sees a file: a technician's is not the requester's because it hangs there.
        files=attached_files([*attached], name="name"),
    )


def _parent(raw: Mapping[str, Any]) -> str | None:
    """The request that this one is linked to; the desk copies that one's notes and resolution here if it is told to."""
    linked = raw.get("linked_to_request")
    # Prior knowledge: some builds put the request itself into it, others a link that names the request.
    inner = linked.get("request", linked) if isinstance(linked, Mapping) else None
    return _text(inner.get("id")) if isinstance(inner, Mapping) else None


def revision_of(raw: Mapping[str, Any]) -> str | None:
    """Stamp compared before a write."""
    stamp = raw.get("last_updated_time") or raw.get("created_time")
    return _text(stamp.get("value")) if isinstance(stamp, dict) else None


def resolution_html(raw: Mapping[str, Any]) -> str | None:
    """Text of the resolution as sent."""
    resolution = raw.get("resolution")
    return _text(resolution.get("content")) if isinstance(resolution, dict) else None


def read_note(raw: object) -> Note:
    """A note.

    Raises:
        DeskProtocolError: It has no id.
    """
    if not isinstance(raw, dict) or not raw.get("id"):
        raise DeskProtocolError(f"{DESK} sent a note without an id.")
    return Note(
        id=str(raw["id"]),
        body=html_to_markdown(_text(raw.get("description"))),
        public=bool(raw.get("show_to_requester")),
        author=read_person(raw.get("added_by") or raw.get("created_by")) or Person(),
        created_at=read_time(raw.get("added_time") or raw.get("created_time")),
    )


def read_public(raw: object) -> bool | None:
    """Whether the requester sees a note; None where the build's answer does not say."""
    shown = raw.get("show_to_requester") if isinstance(raw, dict) else None
    return None if shown is None else bool(shown)


def kinds_of(raw: Mapping[str, Any]) -> tuple[str, ...]:
    """Template and request type, each by id and name."""
    named = [raw.get(name) for name in ("template", "request_type")]
    return tuple(str(one[key]) for one in named if isinstance(one, dict) for key in ("id", "name") if one.get(key))


def read_company(value: object) -> Company | None:
    """A reference to a site or an account."""
    if not isinstance(value, dict) or not value.get("id") or not value.get("name"):
        return None
    return Company(id=str(value["id"]), name=str(value["name"]))


def note_body(note: NoteDraft, config: ServiceDeskPlusConfig) -> dict[str, Any]:
    """``input_data`` of a new note in the connection's dialect."""
    body: dict[str, Any] = {
        "description": markdown_to_html(with_mark(note.body, note.mark)),
        "show_to_requester": note.public,
        # A machine's note is no first response of a technician, and must not stop that clock.
        "mark_first_response": False,
        "add_to_linked_requests": False,
    }
    # Of the Cloud's dialect alone.
    if config.is_cloud:
        body["notify_technician"] = False
    return {config.note_key: body}


def change_fields(changes: TicketChanges, priorities: PriorityMap) -> dict[str, Any]:
    """Request fields to set; names are sent as names, the API accepts either."""
    fields: dict[str, Any] = {}
    if changes.subject is not None:
        fields["subject"] = truncate(changes.subject, SUBJECT_LIMIT)
    if changes.description is not None:
        fields["description"] = markdown_to_html(changes.description)
    if changes.priority is not None:
        fields["priority"] = {"name": priorities.to_desk(changes.priority)}
    for name in ("category", "group"):
        value = getattr(changes, name)
        if value is not None:
            fields[name] = {"name": value}
    if changes.assignee_email is not None:
        fields["technician"] = {"email_id": changes.assignee_email}
    return {**fields, **custom_fields(changes.custom)}


def draft_fields(
    draft: TicketDraft, priorities: PriorityMap, config: ServiceDeskPlusConfig, mark: str
) -> dict[str, Any]:
    """Fields of a new request; its mark is in the field that the connection names, else below the description."""
    fields = change_fields(draft.as_changes(), priorities)
    marked = config.servicedesk_mark_field
    # Below the description the mark is seen by everybody; the field of its own spares requesters the line.
    fields["description"] = markdown_to_html(draft.description if marked else with_mark(draft.description, mark))
    if marked and mark:
        fields["udf_fields"] = {**fields.get("udf_fields", {}), marked: mark}
    if draft.requester_email is not None:
        fields["requester"] = {"email_id": draft.requester_email}
    if draft.type is not None:
        fields["request_type"] = {"name": draft.type}
    if draft.company is not None:
        fields[config.servicedesk_company_field] = {"name": draft.company}
    return fields


def custom_fields(custom: Mapping[str, Any]) -> dict[str, Any]:
    """Fields given by their own names: a plain word for a reference is its name."""
    udf = {name: value for name, value in custom.items() if name.startswith("udf_")}
    fields = {
        name: {"name": value} if name in REFERENCES and isinstance(value, str) else value
        for name, value in custom.items()
        if name not in udf
    }
    return {**fields, "udf_fields": udf} if udf else fields


def already_set(raw: Mapping[str, Any], fields: Mapping[str, Any]) -> bool:
    """True if a request already has every one of these values (names compared without case)."""
    return all(_same(raw.get(name), value) for name, value in fields.items())


def _same(current: object, wanted: object) -> bool:
    if isinstance(wanted, dict):
        return isinstance(current, dict) and all(_same(current.get(key), value) for key, value in wanted.items())
    # The desk takes names in any case and gives them back in its own.
    if isinstance(wanted, str) and isinstance(current, str):
        return current.casefold() == wanted.casefold()
    return current == wanted


def search_list_info(query: TicketQuery, priorities: PriorityMap, config: ServiceDeskPlusConfig) -> dict[str, Any]:
    """``list_info`` of a search, newest change first."""
    criteria = [_word_criterion(word) for word in query.text.split()]
    if query.status:
        criteria.append({"field": "status.name", "condition": "is", "values": list(query.status)})
    if query.priority:
        words = [priorities.to_desk(word) for word in query.priority]
        criteria.append({"field": "priority.name", "condition": "is", "values": words})
    if query.group is not None:
        criteria.append({"field": "group.name", "condition": "is", "value": query.group})
    if query.requester is not None:
        criteria.append({"field": "requester.email_id", "condition": "is", "value": query.requester})
    bounds = (
        ("created_time", "gte", query.created_since),
        ("created_time", "lt", query.created_until),
        ("last_updated_time", "gte", query.updated_since),
        ("last_updated_time", "lt", query.updated_until),
    )
    criteria += [
        {"field": field, "condition": condition, "value": epoch_ms(moment)}
        for field, condition, moment in bounds
        if moment is not None
    ]
    order = {"sort": "last_updated_time", "order": "desc"}
    return list_info(criteria, config, **order, cursor=query.cursor, size=query.page_size)


def created_list_info(mark: str, config: ServiceDeskPlusConfig) -> dict[str, Any]:
    """``list_info`` of the requests that carry a mark from their creation, the first of them first."""
    field = config.servicedesk_mark_field
    # Without a field of its own the mark was written below the description, and is looked for there.
    where = {"field": "description", "condition": "contains", "value": mark}
    if field:
        where = {"field": f"udf_fields.{field}", "condition": "is", "value": mark}
    info = list_info([where], config, sort="created_time", order="asc", cursor=None, size=5)
    info["list_info"]["fields_required"].append("udf_fields")
    return info


def number_list_info(number: str, config: ServiceDeskPlusConfig) -> dict[str, Any]:
    """``list_info`` of the request that people know by a number."""
    where = {"field": "display_id", "condition": "is", "value": number}
    return list_info([where], config, sort="created_time", order="asc", cursor=None, size=5)


def carries_mark(raw: Mapping[str, Any], mark: str, config: ServiceDeskPlusConfig) -> bool:
    """True if a request was created with a mark."""
    udf = raw.get("udf_fields")
    stored = udf.get(config.servicedesk_mark_field) if isinstance(udf, dict) else None
    # Either place: the tenant may have named the field after the request was filed.
    return mark == stored or mark in find_marks(str(raw.get("description") or ""))


def _word_criterion(word: str) -> dict[str, Any]:
    in_description = {"field": "description", "condition": "contains", "value": word, "logical_operator": "OR"}
    return {"field": "subject", "condition": "contains", "value": word, "children": [in_description]}


def list_info(
    criteria: list[dict[str, Any]],
    config: ServiceDeskPlusConfig,
    *,
    sort: str,
    order: str,
    cursor: str | None,
    size: int,
) -> dict[str, Any]:
    """One page of requests; the vendor's limit is 100 rows."""
    for later in criteria[1:]:
        # The operator stands on the later criterion and joins it to the one before.
        later["logical_operator"] = "AND"
    info: dict[str, Any] = {
        "row_count": page_size(size),
        "start_index": offset_of(cursor, first=1),
        "sort_field": sort,
        "sort_order": order,
        "get_total_count": True,
        "fields_required": [*LIST_FIELDS, config.servicedesk_company_field],
    }
    if criteria:
        info["search_criteria"] = criteria
    return {"list_info": info}


def next_cursor(body: Mapping[str, Any], rows: int) -> str | None:
    """Start of the next page, or None on the last."""
    info = info_of(body)
    # An answer that promises more and brings no row would be asked for again for ever.
    if not info.get("has_more_rows") or not rows:
        return None
    start = bounded_number(info.get("start_index"), default=1, low=1, high=LAST_ROW)
    return str(int(start) + rows) if start + rows < LAST_ROW else None


def info_of(body: Mapping[str, Any]) -> Mapping[str, Any]:
    """What an answer says about the list it brings."""
    info = body.get("list_info")
    return info if isinstance(info, dict) else {}


def name_of(value: object) -> str | None:
    """``name`` of a reference."""
    return _text(value.get("name")) if isinstance(value, dict) else None


def _text(value: object) -> str | None:
    return None if value is None else str(value)
