"""What a ticket was before: its changelog, and the images of a write; pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from deskhand.plugins.contract import FieldChange, LinkKind, PastChange, Person, Ticket, TicketLink
from deskhand.plugins.images import field_changes
from deskhand.plugins.jira import family, mapping
from deskhand.plugins.jira.config import JiraConfig

PHRASES = {
    LinkKind.RELATED: "relates to",
    LinkKind.DUPLICATES: "duplicates",
    LinkKind.BLOCKS: "blocks",
    LinkKind.CAUSED_BY: "is caused by",
}
"""How a stock site words what one ticket is to another; the type's own name may be anything."""


def ours(config: JiraConfig) -> dict[str, str]:
    """The site's fields that have a name of ours."""
    named = {"summary": "subject", "labels": "tags", config.jira_category_field: "category"}
    extra = {config.jira_group_field: "group", config.jira_organization_field: "company"}
    return {**named, **{field: name for field, name in extra.items() if field}}


def settable(value: Any) -> Any:
    """A value in the form in which an edit takes it."""
    if isinstance(value, Mapping):
        if value.get("type") == "doc":
            return dict(value)
        # By id, which holds when somebody renames the person or the option.
        return next(({name: value[name]} for name in ("accountId", "id") if name in value), dict(value))
    return [settable(item) for item in value] if isinstance(value, list) else value


def images(
    before: Mapping[str, Any], after: Mapping[str, Any], names: Iterable[str], config: JiraConfig
) -> tuple[FieldChange, ...]:
    """What a write changed, of the fields with these names."""
    wanted = list(dict.fromkeys(names))
    was = {name: settable(before.get(name)) for name in wanted}
    now = {name: settable(after.get(name)) for name in wanted}
    changes = field_changes(was, now, wanted, ours=ours(config), text=text)
    return tuple(
        FieldChange(
            field=change.field,
            vendor_field=change.vendor_field,
            before=change.before,
            after=change.after,
            # Out of what the site showed: the form in which a value is set holds ids, which nobody reads.
            before_text=text(before.get(change.vendor_field)),
            after_text=text(after.get(change.vendor_field)),
        )
        for change in changes
    )


def text(value: Any) -> str:
    """What a person reads."""
    shown = mapping.plain(value)
    if isinstance(shown, list):
        return ", ".join(str(item) for item in shown)
    return "" if shown is None else str(shown)


def same(left: Any, right: Any) -> bool:
    """True if two values are the same to the desk."""
    empty: tuple[Any, ...] = (None, "", [])
    return bool(left == right) or (left in empty and right in empty)


def past_changes(rows: Iterable[Mapping[str, Any]], config: JiraConfig) -> tuple[PastChange, ...]:
    """The saves in a changelog that changed fields."""
    names = ours(config)
    return tuple(
        PastChange(
            id=str(row.get("id")),
            at=mapping.read_time(row.get("created")),
            by=mapping.read_person(row.get("author")) or Person(),
            fields=tuple(_field(item, names) for item in row["items"] if isinstance(item, Mapping)),
        )
        for row in rows
        if isinstance(row.get("items"), list) and row["items"]
    )


def _field(item: Mapping[str, Any], names: Mapping[str, str]) -> FieldChange:
    name = str(item.get("fieldId") or item.get("field") or "")
    before, after = item.get("fromString"), item.get("toString")
    return FieldChange(
        field=names.get(name, name),
        vendor_field=name,
        # Of a reference the changelog has id and words; an edit takes the id, for words may have been renamed since.
        before=before if item.get("from") is None else {"id": item["from"]},
        after=after if item.get("to") is None else {"id": item["to"]},
        before_text=str(before or ""),
        after_text=str(after or ""),
    )


def links(fields: Mapping[str, Any]) -> tuple[TicketLink, ...]:
    """The tickets that an issue is linked with, in kinds that we have a word for."""
    rows = fields.get("issuelinks")
    known = [link_of(row) for row in rows if isinstance(row, Mapping)] if isinstance(rows, list) else []
    return tuple(link for link in known if link is not None)


def linked(ticket: Ticket, raw: Mapping[str, Any]) -> Ticket:
    """A ticket with its links, and the one that it was closed as a duplicate of: what a site has for merging."""
    known = links(mapping.fields_of(raw))
    same = (link.ticket_id for link in known if link.kind is LinkKind.DUPLICATES)
    fields = mapping.fields_of(raw)
    return replace(
        ticket,
        links=known,
        merged_into=next(same, None) if ticket.is_closed else None,
        parent=family.parent_of(fields),
        split_from=family.split_from(fields),
    )


def link_of(row: Mapping[str, Any]) -> TicketLink | None:
    """A link as seen from the issue that shows it: the phrase depends on which end the other one is."""
    kind = row.get("type")
    for end, phrase in (("outwardIssue", "outward"), ("inwardIssue", "inward")):
        other = row.get(end)
        if isinstance(other, Mapping) and isinstance(kind, Mapping):
            said = str(kind.get(phrase) or "").casefold()
            # A kind of link that the site made up has no word of ours, and is left out rather than guessed.
            named = next((link for link, words in PHRASES.items() if words == said), None)
            return TicketLink(kind=named, ticket_id=str(other.get("id"))) if named else None
    return None
