"""Names to ids: statuses, groups, people, fields; lists are read once per connection object."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from deskhand.plugins.contract import NamedValue, TicketChanges, TicketDraft, ValueKind
from deskhand.plugins.errors import (
    DeskNotFoundError,
    DeskPermissionError,
    DeskUnsupportedError,
    DeskValidationError,
)
from deskhand.plugins.priorities import PriorityMap
from deskhand.plugins.text import truncate
from deskhand.plugins.zendesk import checks, mapping
from deskhand.plugins.zendesk.client import ZendeskClient, rows
from deskhand.plugins.zendesk.config import ZendeskConfig
from deskhand.plugins.zendesk.manifest import DESK

_SYSTEM_FIELDS = frozenset(
    {"type", "due_at", "external_id", "problem_id", "organization_id", "brand_id", "ticket_form_id", "requester_id"}
)
_PRIORITY_FIELDS = {"priority", "basic_priority"}


class ZendeskValues:
    """What one account offers.

    Args:
        client: Makes the calls.
    """

    def __init__(self, client: ZendeskClient) -> None:
        self._client = client
        self._statuses: list[dict[str, Any]] | None = None
        self._ticket_fields: list[dict[str, Any]] | None = None

    async def offered(self, kind: ValueKind) -> tuple[NamedValue, ...]:
        """Everything of one kind."""
        if kind is ValueKind.PRIORITIES:
            return await self._priorities()
        if kind is ValueKind.STATUSES:
            return await self._status_values()
        if kind is ValueKind.GROUPS:
            return tuple(NamedValue(id=str(row.get("id")), name=str(row.get("name"))) for row in await self._groups())
        if kind is ValueKind.TYPES:
            return await self._types()
        if kind is not ValueKind.FIELDS:
            raise DeskUnsupportedError(f"{DESK} has no list of {kind.value}.")
        return tuple(
            NamedValue(
                id=str(row.get("id")),
                name=str(row.get("title")),
                extra={"type": row.get("type"), "custom": bool(row.get("removable"))},
            )
            for row in await self._fields()
        )

    async def _types(self) -> tuple[NamedValue, ...]:
        kinds = [row for row in await self._fields() if row.get("type") == "tickettype"]
        options = [option for row in kinds for option in row.get("system_field_options") or ()]
        return tuple(NamedValue(id=str(option.get("value")), name=str(option.get("name"))) for option in options)

    async def company_id(self, name: str) -> int:
        """Id of an organization by its name or its id.

        Raises:
            DeskValidationError: There is none.
        """
        body = await self._client.get("organizations/search", {"name": name})
        for row in rows(body, "organizations"):
            if str(row.get("name")).casefold() == name.casefold():
                return int(row["id"])
        # After the name: a client may be called "4711".
        if name.isascii() and name.isdigit():
            return int(name)
        raise DeskValidationError(f"{DESK} has no organization '{name}'.", fields=("organization_id",))

    async def draft_fields(
        self, draft: TicketDraft, priorities: PriorityMap, config: ZendeskConfig, mark: str
    ) -> dict[str, Any]:
        """A new ticket; its mark is its external id, which the desk lists tickets by."""
        fields = await self.change_fields(draft.as_changes(), priorities, config)
        html = mapping.fitting_html(draft.description or draft.subject)
        # The first comment is the description, which the requester may read: it is what they asked.
        fields["comment"] = {"html_body": html, "public": True}
        if mark:
            fields |= {"external_id": mark, "metadata": mapping.metadata_json([mark])}
        if draft.requester_email is not None:
            # The desk makes an unknown requester, and refuses one without a name.
            name = draft.requester_email.split("@", maxsplit=1)[0]
            fields["requester"] = {"email": draft.requester_email, "name": name}
        if draft.type is not None:
            fields["type"] = draft.type.casefold()
        if draft.company is not None:
            fields["organization_id"] = await self.company_id(draft.company)
        if draft.tags:
            fields["tags"] = list(draft.tags)
        return fields

    async def _priorities(self) -> tuple[NamedValue, ...]:
        """Fixed by the desk, but an account may offer only two of them."""
        options = [
            option
            for row in await self._fields()
            if row.get("type") in _PRIORITY_FIELDS
            for option in row.get("system_field_options") or ()
        ]
        return tuple(NamedValue(id=str(option.get("value")), name=str(option.get("name"))) for option in options)

    # -- statuses --------------------------------------------------------------------------------

    async def _custom_statuses(self) -> list[dict[str, Any]]:
        """Custom statuses; none where the account does not have them."""
        if self._statuses is None:
            try:
                self._statuses = rows(await self._client.get("custom_statuses"), "custom_statuses")
            # Accounts without custom statuses answer 404 or 403 here; the six categories are all there is then.
            except (DeskNotFoundError, DeskPermissionError):
                self._statuses = []
        return self._statuses

    async def status_labels(self) -> dict[str, str]:
        """Id to label of the statuses an account added; a default one goes by its category."""
        added = (row for row in await self._custom_statuses() if not row.get("default"))
        return {str(row.get("id")): str(row.get("agent_label")) for row in added}

    async def _status_values(self) -> tuple[NamedValue, ...]:
        system = tuple(NamedValue(id=name, name=name) for name in mapping.STATUSES if name != "closed")
        added = (row for row in await self._custom_statuses() if not row.get("default") and row.get("active", True))
        return system + tuple(
            NamedValue(
                id=str(row.get("id")), name=str(row.get("agent_label")), extra={"category": row.get("status_category")}
            )
            for row in added
        )

    async def status_fields(self, status: str) -> dict[str, Any]:
        """Ticket fields that move a ticket to a status, by category or label."""
        wanted = status.casefold()
        if wanted in mapping.STATUSES:
            return {"status": wanted}
        row = await self._added_status(wanted)
        if row is None:
            raise DeskValidationError(f"{DESK} has no status '{status}'.", fields=("status",))
        return {"custom_status_id": row["id"], "status": row["status_category"]}

    async def status_term(self, status: str) -> str:
        """The search term of a status."""
        fields = await self.status_fields(status)
        if "custom_status_id" in fields:
            return f"custom_status_id:{fields['custom_status_id']}"
        return f"status:{fields['status']}"

    async def _added_status(self, wanted: str) -> dict[str, Any] | None:
        found = [row for row in await self._custom_statuses() if str(row.get("agent_label")).casefold() == wanted]
        return found[0] if found else None

    # -- groups and people -----------------------------------------------------------------------

    async def _groups(self) -> list[dict[str, Any]]:
        pages = (await self._client.pages("groups", "groups")).whole("groups", desk=DESK)
        return [row for page in pages for row in rows(page, "groups")]

    async def group_id(self, name: str) -> int:
        """Id of a group by its name.

        Raises:
            DeskValidationError: There is none.
        """
        for row in await self._groups():
            if str(row.get("name")).casefold() == name.casefold():
                return int(row["id"])
        raise DeskValidationError(f"{DESK} has no group '{name}'.", fields=("group_id",))

    async def agent_id(self, email: str) -> int:
        """Id of an agent by mail address.

        Raises:
            DeskValidationError: There is none, or only an end user.
        """
        body = await self._client.get("users/search", {"query": f'email:"{email.replace(chr(34), "")}"'})
        for row in rows(body, "users"):
            if str(row.get("email")).casefold() == email.casefold() and row.get("role") in {"agent", "admin"}:
                return int(row["id"])
        raise DeskValidationError(f"{DESK} has no agent with the address '{email}'.", fields=("assignee_id",))

    # -- fields ----------------------------------------------------------------------------------

    async def _fields(self) -> list[dict[str, Any]]:
        if self._ticket_fields is None:
            pages = (await self._client.pages("ticket_fields", "ticket_fields")).whole("ticket fields", desk=DESK)
            self._ticket_fields = [row for page in pages for row in rows(page, "ticket_fields")]
        return self._ticket_fields

    async def require_fields(self, fields: Mapping[str, Any]) -> None:
        """Refuse custom fields that the account does not have.

        Raises:
            DeskValidationError: The desk would accept the call and drop the value without a word.
        """
        wanted = fields.get("custom_fields")
        if wanted:
            known = [{"id": row.get("id")} for row in await self._fields()]
            checks.ensure_fields_exist({"custom_fields": known}, fields)

    async def change_fields(
        self, changes: TicketChanges, priorities: PriorityMap, config: ZendeskConfig
    ) -> dict[str, Any]:
        """Ticket fields to set, without note and tags."""
        fields: dict[str, Any] = {}
        if changes.subject is not None:
            fields["subject"] = truncate(changes.subject, mapping.SUBJECT_LIMIT)
        if changes.priority is not None:
            fields["priority"] = priorities.to_desk(changes.priority)
        if changes.group is not None:
            fields["group_id"] = await self.group_id(changes.group)
        if changes.assignee_email is not None:
            fields["assignee_id"] = await self.agent_id(changes.assignee_email)
        custom = dict(changes.custom)
        if changes.category is not None:
            if config.zendesk_category_field is None:
                raise DeskUnsupportedError(
                    f"{DESK} tickets have no category of their own: set zendesk_category_field to the field that is it."
                )
            custom[str(config.zendesk_category_field)] = changes.category
        return {**fields, **await self._custom(custom)}

    async def _custom(self, custom: Mapping[str, Any]) -> dict[str, Any]:
        """System fields as they are, others as ``custom_fields`` by id or by title."""
        fields = {name: value for name, value in custom.items() if name in _SYSTEM_FIELDS}
        others = [
            {"id": await self._field_id(name), "value": value} for name, value in custom.items() if name not in fields
        ]
        return {**fields, "custom_fields": others} if others else fields

    async def _field_id(self, name: str) -> int:
        if name.isdigit():
            return int(name)
        for row in await self._fields():
            if str(row.get("title")).casefold() == name.casefold() and row.get("removable"):
                return int(row["id"])
        raise DeskValidationError(f"{DESK} has no ticket field '{name}'.", fields=(name,))
