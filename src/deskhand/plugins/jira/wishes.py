"""What a caller wants a ticket to be, in the site's own fields."""

from __future__ import annotations

from typing import Any

from deskhand.plugins.contract import TicketChanges, TicketDraft
from deskhand.plugins.errors import DeskUnsupportedError, DeskValidationError
from deskhand.plugins.jira import fields as values
from deskhand.plugins.jira.config import JiraConfig
from deskhand.plugins.jira.desk import JiraDesk
from deskhand.plugins.jira.manifest import DESK
from deskhand.plugins.jira.records import JiraRecords
from deskhand.plugins.priorities import PriorityMap


class Wishes:
    """Names and values of one connection.

    Args:
        config: The connection.
        priorities: Of the tenant.
        desk: The site.
        records: Further conversations with it.
    """

    def __init__(self, config: JiraConfig, priorities: PriorityMap, desk: JiraDesk, records: JiraRecords) -> None:
        self._config = config
        self._priorities = priorities
        self._desk = desk
        self._records = records

    async def draft(self, draft: TicketDraft) -> dict[str, Any]:
        """``fields`` of a new ticket, in the form its type's own metadata asks for."""
        kinds = await self._records.types()
        wanted = draft.type or self._config.jira_issue_type
        kind = next(
            (one for one in kinds if wanted is None or wanted.casefold() in (one.name.casefold(), one.id)), None
        )
        if kind is None:
            offered = ", ".join(one.name for one in kinds)
            raise DeskValidationError(f"{DESK} has no type '{wanted}'; it offers: {offered}.", fields=("type",))
        changes = TicketChanges(
            description=draft.description or None,
            priority=draft.priority,
            category=draft.category,
            group=draft.group,
            custom=draft.custom,
        )
        # By the type's own metadata: each type has screens of its own, and a value's form depends on its field.
        fields = values.encoded(self.named(changes), await self._records.create_metadata(kind.id))
        fields |= {
            "project": {"key": self._config.jira_project_key},
            "issuetype": {"id": kind.id},
            "summary": values.summary(draft.subject),
        }
        for name, email in (("reporter", draft.requester_email), ("assignee", draft.assignee_email)):
            if email is not None:
                account = await self._records.account_of(email)
                # Refused here with the address: Jira would answer about an accountId that nobody wrote.
                if account is None:
                    raise DeskValidationError(f"{DESK} shows nobody with the address '{email}'.", fields=(name,))
                fields[name] = {"accountId": account}
        if draft.company is not None:
            company = await self._records.company(draft.company)
            # Written as numbers, although the service desk's own API names the same ids as text.
            fields[await self._desk.organization_field()] = [int(company.id)]
        if draft.tags:
            fields["labels"] = [values.label(tag) for tag in draft.tags]
        return fields

    def named(self, changes: TicketChanges) -> dict[str, Any]:
        """Fields by the site's names, values as people write them."""
        plain: dict[str, Any] = dict(changes.custom)
        if changes.description is not None:
            plain["description"] = changes.description
        if changes.priority is not None:
            plain["priority"] = self._priorities.to_desk(changes.priority)
        if changes.category is not None:
            plain[self._config.jira_category_field] = changes.category
        if changes.group is not None:
            plain[self.group_field()] = changes.group
        return plain

    def group_field(self) -> str:
        """Field of the support group.

        Raises:
            DeskUnsupportedError: The connection names none.
        """
        if self._config.jira_group_field is None:
            raise DeskUnsupportedError(
                f"{DESK} tickets have no group; set jira_group_field to the field you use for it."
            )
        return self._config.jira_group_field
