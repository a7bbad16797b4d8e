"""Reading what a caller wants to write to the simulated account, and refusing what cannot be."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from deskhand.plugins.text import markdown_to_html
from deskhand.simulators.base import SimPerson, SimTicket, TicketStore
from deskhand.simulators.zendesk.vocabulary import COMMENT_LIMIT, STATUSES, write_time
from deskhand.simulators.zendesk.wire import (
    ADDED_STATUSES,
    CATEGORIES,
    CATEGORY_FIELD,
    CUSTOM_FIELDS,
    DEFAULT_STATUS_IDS,
    GROUPS,
    ORGANIZATIONS,
    PRIORITIES,
    TYPES,
    invalid,
    refuse,
)

_PLACEHOLDER = re.compile(r"\{\{\s*([\w.]+)\s*\}\}")
_PLAIN = ("external_id", "due_at")


@dataclass(frozen=True, slots=True)
class NewComment:
    """A comment to write; ``public`` is None where the caller did not say."""

    html: str
    public: bool | None


class TicketInput:
    """One ``ticket`` object of a call.

    Args:
        fields: As sent.
        store: Knows the people.
        ticket: The ticket to change; None for a new one.
    """

    def __init__(self, fields: Mapping[str, Any], store: TicketStore, ticket: SimTicket | None) -> None:
        self._fields = fields
        self._store = store
        self._ticket = ticket
        self.changes: dict[str, Any] = {}

    def read(self) -> dict[str, Any]:
        """Attributes to set; unknown names are dropped without a word, as the desk does."""
        readers: dict[str, Callable[[Any], None]] = {
            "subject": self._subject,
            "priority": self._priority,
            "status": self._status,
            "custom_status_id": self._custom_status,
            "assignee_id": self._assignee_id,
            "assignee_email": self._assignee_email,
            "group_id": self._group,
            "tags": self._tags,
            "custom_fields": self._custom_fields,
            "type": self._type,
            "problem_id": self._problem,
            "organization_id": self._organization,
        }
        for name, value in self._fields.items():
            if name in readers:
                readers[name](value)
            elif name in _PLAIN:
                self._custom()[name] = value
        self._finish()
        return self.changes

    def comment(self) -> NewComment | None:
        """The comment, if there is one."""
        comment = self._fields.get("comment")
        if comment is None:
            return None
        if not isinstance(comment, dict):
            raise refuse(400, "InvalidValue", "comment must be an object")
        html = comment.get("html_body") or markdown_to_html(str(comment.get("body") or ""))
        # The vendor fills placeholders in agents' comments, which is how a stranger's text could show what he may not
        # see.
        html = _PLACEHOLDER.sub(self._filled_in, str(html))
        if not html:
            raise invalid("comment", "Comment: cannot be blank", "BlankValue")
        if len(html) > COMMENT_LIMIT:
            raise invalid("comment", f"Comment: is too long (maximum is {COMMENT_LIMIT} characters)", "TooLong")
        return NewComment(html, comment.get("public"))

    def _filled_in(self, placeholder: re.Match[str]) -> str:
        """What stands for a placeholder in an agent's comment; nothing where the desk knows none of that name."""
        return self._ticket.id if self._ticket and placeholder[1] == "ticket.id" else ""

    def metadata(self) -> dict[str, Any]:
        """Custom metadata to keep with the audit."""
        metadata = self._fields.get("metadata")
        custom = metadata.get("custom", metadata) if isinstance(metadata, dict) else {}
        return dict(custom) if isinstance(custom, dict) else {}

    def ensure_fresh(self, ticket: SimTicket) -> None:
        """``safe_update``: present, even as false, it makes the stamp count."""
        stamp = self._fields.get("updated_stamp")
        if "safe_update" in self._fields and stamp is not None and stamp != write_time(ticket.updated_at):
            raise refuse(409, "UpdateConflict", "Safe update prevented the update due to outdated ticket data")

    # -- one field each --------------------------------------------------------------------------

    def _custom(self) -> dict[str, Any]:
        before = self._ticket.custom if self._ticket else {}
        return self.changes.setdefault("custom", dict(before))  # type: ignore[no-any-return]  # a dict of Any

    def _subject(self, value: Any) -> None:
        self.changes["subject"] = str(value or "")

    def _priority(self, value: Any) -> None:
        if value is not None and value not in PRIORITIES:
            raise invalid("priority", f"Priority: {value} is not valid")
        self.changes["priority"] = value

    def _type(self, value: Any) -> None:
        if value is not None and value not in TYPES:
            raise invalid("type", f"Type: {value} is not valid")
        self._custom()["type"] = value

    def _problem(self, value: Any) -> None:
        """Only an incident has a problem, and a problem is a ticket of that type."""
        problem = self._store.get(str(value))
        if value is not None and (problem is None or problem.custom.get("type") != "problem"):
            raise invalid("problem_id", f"Problem: {value} is invalid")
        self._custom()["problem_id"] = None if value is None else int(value)

    def _organization(self, value: Any) -> None:
        name = next((name for name, ident in ORGANIZATIONS.items() if ident == value), None)
        if value is not None and name is None:
            raise invalid("organization", f"Organization: {value} is invalid")
        self.changes["company"] = name

    def _status(self, value: Any) -> None:
        if value not in STATUSES:
            raise invalid("status", f"Status: {value} is not valid")
        if value == "new" and self._ticket and self._ticket.status != "new":
            raise invalid("status", "Status: cannot be set to new again")
        self.changes["status"] = value
        added = self._fields.get("custom_status_id")
        if added not in ADDED_STATUSES:
            self._custom()["custom_status_id"] = None

    def _custom_status(self, value: Any) -> None:
        category = ADDED_STATUSES[value][1] if value in ADDED_STATUSES else None
        category = category or next((name for name, ident in DEFAULT_STATUS_IDS.items() if ident == value), None)
        if category is None or self._fields.get("status", category) != category:
            raise invalid("custom_status_id", "Custom status: is invalid")
        self.changes["status"] = category
        self._custom()["custom_status_id"] = value if value in ADDED_STATUSES else None

    def _assignee_id(self, value: Any) -> None:
        self._assign(None if value is None else self._store.people.get(str(value)), value)

    def _assignee_email(self, value: Any) -> None:
        self._assign(self._store.find_person(str(value)), value)

    def _assign(self, person: SimPerson | None, value: Any) -> None:
        if value is not None and (person is None or not person.is_agent):
            raise invalid("assignee", f"Assignee: {value} is not an agent")
        self.changes["assignee"] = person

    def _group(self, value: Any) -> None:
        name = next((name for name, ident in GROUPS.items() if ident == value), None)
        if value is not None and name is None:
            raise invalid("group", f"Group: {value} is invalid")
        self.changes["group"] = name

    def _tags(self, value: Any) -> None:
        words = value.split() if isinstance(value, str) else [str(word) for word in value or ()]
        self.changes["tags"] = sorted({word.casefold() for word in words})

    def _custom_fields(self, value: Any) -> None:
        """Values of unknown fields are dropped; those of a dropdown must be on its list."""
        items = value if isinstance(value, list) else []
        known = {
            item["id"]: item.get("value")
            for item in items
            if isinstance(item, dict) and item.get("id") in CUSTOM_FIELDS
        }
        category = known.get(CATEGORY_FIELD)
        if category is not None and category not in CATEGORIES:
            raise invalid("base", f"Category: {category} is not a valid value for custom field")
        custom = self._custom()
        custom["fields"] = {**custom.get("fields", {}), **known}
        if category is not None:
            self.changes["category"] = category

    def _finish(self) -> None:
        """Rules that look at the ticket as a whole."""
        before = self._ticket
        assignee = self.changes.get("assignee", before.assignee if before else None)
        status = self.changes.get("status", before.status if before else "new")
        if status == "solved" and assignee is None:
            raise invalid("base", "Assignee: is required when solving a ticket", "BlankValue")
        if status == "new" and self.changes.get("assignee") is not None:
            self.changes["status"] = "open"
