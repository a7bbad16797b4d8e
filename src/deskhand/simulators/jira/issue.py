"""Issues of the simulated site: their JSON, and the reading of what a caller wants to set."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from functools import partial
from typing import Any

from deskhand.simulators.base import SimNote, SimPerson, SimTicket, TicketStore
from deskhand.simulators.base.state import SimFile
from deskhand.simulators.jira import family, world
from deskhand.simulators.jira import text as sim_text

TextOut = Callable[[str | None], Any]
REMOTE = "remote"
"""Kind of a link to elsewhere, which no issue shows among its links."""
_HIDDEN = {"comment"}
_NOT_ADF = "Operation value must be an Atlassian Document (see the Atlassian Document Format)"
_PRIORITY_IDS = {str(number): word for number, word in enumerate(world.PRIORITIES, 1)}
_COMPONENT_IDS = {str(number): word for number, word in enumerate(world.COMPONENTS, 10_300)}
_GROUP_IDS = {str(number): word for number, word in enumerate(world.GROUPS, 10_400)}


def attachment_json(base: str, ticket: SimTicket, file: SimFile) -> dict[str, Any]:
    """A file as an issue shows it: it does not tell an internal comment's from the others."""
    note = next((note for note in ticket.notes if note.id == file.note_id), None)
    return {
        "self": f"{base}/rest/api/3/attachment/{file.id}",
        "id": file.id,
        "filename": file.name,
        "author": world.person_json(base, note.author if note else ticket.requester),
        "created": world.iso(note.created_at if note else ticket.created_at),
        "size": len(file.content),
        "mimeType": file.content_type,
        "content": f"{base}/rest/api/3/attachment/content/{file.id}",
    }


class BadFieldsError(Exception):
    """Values that cannot be set, by field."""

    def __init__(self, errors: dict[str, str]) -> None:
        super().__init__(", ".join(errors))
        self.errors = errors


class Issues:
    """Shapes of one site.

    Args:
        store: Tickets and people.
        project: Project key.
        changed: When a ticket's status category changed last.
        comment_properties: Properties of each comment.
    """

    def __init__(
        self,
        store: TicketStore,
        project: str,
        changed: Mapping[str, datetime],
        comment_properties: Mapping[str, list[dict[str, Any]]],
    ) -> None:
        self._store = store
        self._project = project
        self._changed = changed
        self._comment_properties = comment_properties

    # -- out -------------------------------------------------------------------------------------

    def fields(self, ticket: SimTicket, base: str, text: TextOut) -> dict[str, Any]:
        """Every field of an issue."""
        components = [name for name in (ticket.category or "").split(", ") if name]
        person = world.person_json
        return {
            "summary": ticket.subject,
            "description": text(ticket.description),
            "status": world.status_json(base, ticket.status),
            "priority": world.priority_json(base, ticket.priority or "Medium"),
            **family.fields(self._store, ticket, base),
            "project": world.project_json(base, self._project),
            "reporter": person(base, ticket.requester),
            "creator": person(base, ticket.requester),
            "assignee": person(base, ticket.assignee) if ticket.assignee else None,
            "labels": list(ticket.tags),
            "components": [world.component_json(base, name) for name in components],
            "created": world.iso(ticket.created_at),
            "updated": world.iso(ticket.updated_at),
            "resolution": world.resolution_json(base, ticket.resolution) if ticket.resolution else None,
            "resolutiondate": world.iso(ticket.resolved_at),
            "statuscategorychangedate": world.iso(self.category_changed(ticket)),
            world.GROUP_FIELD: world.option_json(base, ticket.group) if ticket.group else None,
            world.WORKAROUND_FIELD: text(ticket.custom.get(world.WORKAROUND_FIELD)),
            world.HOST_FIELD: ticket.custom.get(world.HOST_FIELD),
            world.ORGANIZATION_FIELD: [world.organization_json(base, ticket.company)] if ticket.company else [],
            "issuelinks": issue_links(self._store, ticket, base),
            "attachment": [attachment_json(base, ticket, one) for one in ticket.attachments],
            "comment": self.comment_page(ticket, base, text),
        }

    def category_changed(self, ticket: SimTicket) -> datetime:
        """When the status category changed last; at creation at the latest."""
        return self._changed.get(ticket.id, ticket.created_at)

    def issue(
        self, ticket: SimTicket, base: str, text: TextOut, *, wanted: Iterable[str], properties: Iterable[str] = ()
    ) -> dict[str, Any]:
        """An issue with the fields asked for (``*all``, ``*navigable``, names, ``-name``)."""
        out: dict[str, Any] = {
            "expand": "renderedFields,names,schema,operations,editmeta,changelog,versionedRepresentations",
            "id": ticket.id,
            "self": f"{base}/rest/api/3/issue/{ticket.id}",
            "key": ticket.display_id,
        }
        every = self.fields(ticket, base, text)
        names = _chosen(wanted, every)
        if names:
            out["fields"] = {name: every[name] for name in every if name in names}
        stored = ticket.custom.get("properties", {})
        names_of_properties = list(properties)
        if names_of_properties:
            out["properties"] = (
                stored if "*all" in names_of_properties else {k: stored[k] for k in names_of_properties if k in stored}
            )
        return out

    def comment(self, ticket: SimTicket, note: SimNote, base: str, text: TextOut) -> dict[str, Any]:
        """A comment as the platform writes it."""
        author = world.person_json(base, note.author)
        stamp = world.iso(note.created_at)
        return {
            "self": f"{base}/rest/api/3/issue/{ticket.id}/comment/{note.id}",
            "id": note.id,
            "author": author,
            "body": text(note.body),
            "updateAuthor": author,
            "created": stamp,
            "updated": world.iso(note.edited_at or note.created_at),
            "jsdPublic": note.public,
            "properties": self._comment_properties.get(note.id, []),
        }

    def comment_page(
        self,
        ticket: SimTicket,
        base: str,
        text: TextOut,
        *,
        start: int = 0,
        size: int = 5000,
        newest_first: bool = False,
    ) -> dict[str, Any]:
        notes = ticket.notes[::-1] if newest_first else ticket.notes
        rows = [self.comment(ticket, note, base, text) for note in notes[start : start + size]]
        for row in rows:
            row.pop("properties")  # only with expand=properties
        return {"comments": rows, "maxResults": size, "total": len(notes), "startAt": start}

    def edit_metadata(self, base: str) -> dict[str, Any]:
        """Fields of the edit screen."""
        allowed: dict[str, list[dict[str, Any]]] = {
            "priority": [world.priority_json(base, name) for name in world.PRIORITIES],
            "components": [world.component_json(base, name) for name in world.COMPONENTS],
            world.GROUP_FIELD: [world.option_json(base, name) for name in world.GROUPS],
        }
        screen = {}
        for name in world.ON_SCREEN:
            label, kind = world.FIELDS[name]
            several = kind["type"] == "array"
            screen[name] = {
                "required": name == "summary",
                "schema": kind,
                "name": label,
                "key": name,
                "operations": ["add", "set", "remove"] if several else ["set"],
                **({"allowedValues": allowed[name]} if name in allowed else {}),
            }
        return screen

    def row(self, ticket: SimTicket) -> dict[str, Any]:
        """What JQL compares."""
        comments = " ".join(sim_text.as_words(note.body) for note in ticket.notes)
        description = sim_text.as_words(ticket.description)
        assignee = ticket.assignee
        return {
            "number": int(ticket.id),
            "project": {self._project, world.PROJECT_ID, "IT help"},
            **{name: {ticket.id, ticket.display_id} for name in ("key", "issuekey", "issue", "id")},
            "status": {ticket.status, world.STATUSES[ticket.status][0]},
            "statuscategory": _category_names(ticket.status),
            "priority": ticket.priority or "Medium",
            "resolution": ticket.resolution,
            "assignee": {world.account_id(assignee), assignee.email, assignee.name} if assignee else None,
            "reporter": {world.account_id(ticket.requester), ticket.requester.email, ticket.requester.name},
            "labels": list(ticket.tags),
            f"cf[{world.GROUP_FIELD.removeprefix('customfield_')}]": ticket.group,
            "component": (ticket.category or "").split(", ") if ticket.category else [],
            "issuetype": world.ISSUE_TYPE["name"],
            "summary": ticket.subject,
            "description": description,
            "comment": comments,
            "text": f"{ticket.subject} {description} {comments}",
            "created": ticket.created_at,
            "updated": ticket.updated_at,
            "resolved": ticket.resolved_at,
            "resolutiondate": ticket.resolved_at,
            "statuscategorychangeddate": self.category_changed(ticket),
        }

    # -- in --------------------------------------------------------------------------------------

    def changes(
        self, ticket: SimTicket | None, fields: Mapping[str, Any], read_text: Callable[[Any], str | None]
    ) -> dict[str, Any]:
        """Attributes to set for ``fields``.

        Raises:
            BadFieldsError: With the vendor's sentence for each field at fault.
        """
        errors: dict[str, str] = {}
        out: dict[str, Any] = {}
        custom = dict(ticket.custom) if ticket else {}
        for name, value in fields.items():
            if name in {"project", "issuetype"} and ticket is None:
                continue
            if name not in world.ON_SCREEN or name in _HIDDEN:
                errors[name] = f"Field '{name}' cannot be set. It is not on the appropriate screen, or unknown."
                continue
            problem = self._set(name, value, out, custom, read_text)
            if problem:
                # All of them at once, as the vendor tells them.
                errors[name] = problem
        if errors:
            raise BadFieldsError(errors)
        return {**out, "custom": custom}

    def _set(
        self,
        name: str,
        value: Any,
        out: dict[str, Any],
        custom: dict[str, Any],
        read_text: Callable[[Any], str | None],
    ) -> str | None:
        """Set one field; returns what is wrong with the value."""
        # Only ADF is taken by version 3; a plain string is refused, where version 2 takes it as wiki text.
        if name in world.TEXT_FIELDS:
            stored = read_text(value) if value is not None else ""
            target, attribute = (out, name) if name == "description" else (custom, name)
            target[attribute] = stored or ("" if name == "description" else None)
            return _NOT_ADF if stored is None else None
        if name == world.HOST_FIELD:
            custom[name] = value
            return None if value is None or isinstance(value, str) else "Operation value must be a string"
        setters: dict[str, Callable[[Any, dict[str, Any]], str | None]] = {
            "summary": self._set_summary,
            "assignee": partial(self._set_person, "assignee"),
            "reporter": partial(self._set_person, "requester"),
            "labels": self._set_labels,
            "components": self._set_components,
            "priority": partial(self._set_chosen, "priority", _PRIORITY_IDS),
            world.GROUP_FIELD: partial(self._set_chosen, "group", _GROUP_IDS),
            world.ORGANIZATION_FIELD: self._set_organizations,
        }
        return setters[name](value, out)

    def _set_summary(self, value: Any, out: dict[str, Any]) -> str | None:
        if not isinstance(value, str) or not value.strip():
            return "You must specify a summary of the issue."
        if len(value) > 255:
            return "Summary must be less than 255 characters."
        if "\n" in value:
            return "The summary is invalid because it contains newline characters."
        out["subject"] = value
        return None

    def _set_person(self, attribute: str, value: Any, out: dict[str, Any]) -> str | None:
        account = value.get("accountId", value.get("id")) if isinstance(value, Mapping) else None
        if account is None:
            out[attribute] = None
            return None if attribute == "assignee" else "Reporter is required."
        person = self.person(str(account))
        out[attribute] = person
        # Anybody may have reported an issue; only somebody with a seat on the site may be assigned one.
        fits = person is not None and (attribute == "requester" or person.is_agent)
        return None if fits else f"User '{account}' cannot be assigned issues."

    def _set_labels(self, value: Any, out: dict[str, Any]) -> str | None:
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            return "data was not an array"
        if any(" " in item for item in value):
            return "The label can't contain spaces."
        # Each once: the vendor keeps no label twice.
        out["tags"] = list(dict.fromkeys(value))
        return None

    def _set_organizations(self, value: Any, out: dict[str, Any]) -> str | None:
        # Organisations are written by number and shown as objects: an asymmetry that a client has to know.
        numbers = {number: name for name, number in world.ORGANIZATIONS.items()}
        names = [numbers.get(str(number)) for number in value or ()]
        out["company"] = next(iter(names), None)
        return "Organization is not valid" if None in names else None

    def _set_components(self, value: Any, out: dict[str, Any]) -> str | None:
        names = [_pick(row, _COMPONENT_IDS) for row in (value if isinstance(value, list) else [value])]
        out["category"] = ", ".join(str(word) for word in names) or None
        return "Component name is not valid" if None in names else None

    def _set_chosen(self, attribute: str, words: Mapping[str, str], value: Any, out: dict[str, Any]) -> str | None:
        out[attribute] = _pick(value, words)
        cleared = value is None and attribute == "group"
        return None if cleared or out[attribute] else f"The {attribute} selected is invalid."

    def person(self, account: str) -> SimPerson | None:
        """Somebody by accountId."""
        return next((p for p in self._store.people.values() if world.account_id(p) == account), None)


def _pick(value: Any, words: Mapping[str, str]) -> str | None:
    """One of the words, by ``id``, ``name`` or ``value``."""
    if not isinstance(value, Mapping):
        return None
    # The id goes before the name, as at the vendor, where names are translated.
    if "id" in value:
        return words.get(str(value["id"]))
    label = str(value.get("name", value.get("value"))).casefold()
    return next((word for word in words.values() if word.casefold() == label), None)


def _chosen(patterns: Iterable[str], every: Mapping[str, Any]) -> set[str]:
    names: set[str] = set()
    for name in patterns:
        if name == "*all":
            names |= set(every)
        elif name == "*navigable":
            names |= set(every) - _HIDDEN
        elif name.startswith("-"):
            names.discard(name[1:])
        else:
            names.add(name)
    return names & set(every)


def _category_names(status: str) -> set[str]:
    category = world.CATEGORIES[world.STATUSES[status][1]]
    return {str(category["name"]), str(category["key"]), str(category["id"])}


def issue_links(store: TicketStore, ticket: SimTicket, base: str) -> list[dict[str, Any]]:
    """The field ``issuelinks``: each link is shown at both ends, with the other issue under the end it is."""
    rows = []
    for one in store.tickets.values():
        for link in (*one.links, *family.clone_link(store, one)):
            if link.kind == REMOTE or ticket.id not in {one.id, link.ticket_id}:
                continue
            # Each end shows the other one: nowhere does the vendor list a link with both.
            end, other = ("outwardIssue", link.ticket_id) if one.id == ticket.id else ("inwardIssue", one.id)
            shown = family.short(store.tickets[other], base)
            address = f"{base}/rest/api/3/issueLink/{link.id}"
            kind = world.link_type_json(base, link.kind)
            rows.append({"id": link.id, "self": address, "type": kind, end: shown})
    return rows
