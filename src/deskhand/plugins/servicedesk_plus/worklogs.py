"""Work logs of a request.

Names of the fields: ServiceDesk Plus Cloud, API v3, "Request Worklog", and the vendor's table "Worklog V3 API Old
Format vs New Format" of ServiceDesk Plus MSP, whose new names are those of on-premises builds. That a cost of 0 keeps a
work log out of what a client is charged is prior knowledge.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from deskhand.kit.marks import find_marks, with_mark
from deskhand.plugins.contract import Person, WorkLog, WriteReceipt
from deskhand.plugins.errors import DeskProtocolError, DeskValidationError
from deskhand.plugins.further import FurtherOperations
from deskhand.plugins.ownership import same_account
from deskhand.plugins.paging import Listing
from deskhand.plugins.servicedesk_plus import mapping
from deskhand.plugins.servicedesk_plus.client import ServiceDeskClient
from deskhand.plugins.servicedesk_plus.config import ServiceDeskPlusConfig
from deskhand.plugins.servicedesk_plus.desk import Requests, path_of
from deskhand.plugins.servicedesk_plus.manifest import DESK
from deskhand.plugins.text import markdown_to_html

_HOUR = 60
_NO_OWNER = "The Cloud asks whose a work log is: name Deskhand's account as servicedesk_bot_email of the connection."


class WorkLogs(FurtherOperations):
    """Part of the plugin."""

    config: ServiceDeskPlusConfig
    _client: ServiceDeskClient
    _requests: Requests

    async def log_time(self, ticket_id: str, work: WorkLog) -> WriteReceipt:
        body = {"worklog": work_log_body(work, self.config)}
        row = (await self._client.write("POST", f"{path_of(ticket_id)}/worklogs", body)).get("worklog")
        if not isinstance(row, dict) or not row.get("id"):
            raise DeskProtocolError(f"{DESK} answered without a work log.")
        stamp = await self._requests.stamp(ticket_id)
        return WriteReceipt(id=str(row["id"]), ticket_id=ticket_id, mark=work.mark, revision=stamp)

    async def find_time(self, ticket_id: str, mark: str) -> WriteReceipt | None:
        logs = await self._logs(ticket_id)
        row = self._with_mark(logs.rows, mark)
        if row is not None:
            return WriteReceipt(id=str(row.get("id")), ticket_id=ticket_id, mark=mark, adopted=True)
        logs.ensure_none_left("the ticket's work logs", desk=DESK)
        return None

    async def withdraw_time(self, ticket_id: str, log_id: str) -> WriteReceipt:
        logs = await self._logs(ticket_id)
        known = {str(row.get("id")) for row in logs.rows}
        # A list that was cut may hold it in the part that was not read, so the desk is asked in any case.
        if log_id in known or logs.is_cut:
            await self._client.delete(f"{path_of(ticket_id)}/worklogs/{quote(log_id, safe='')}")
        stamp = await self._requests.stamp(ticket_id)
        return WriteReceipt(id=log_id, ticket_id=ticket_id, revision=stamp, adopted=log_id not in known)

    async def _logs(self, ticket_id: str) -> Listing[dict[str, Any]]:
        return await self._requests.all(f"{path_of(ticket_id)}/worklogs", "worklogs")

    def _with_mark(self, rows: Sequence[dict[str, Any]], mark: str) -> dict[str, Any] | None:
        bearing = (row for row in rows if mark in find_marks(str(row.get("description") or "")))
        return next((row for row in bearing if self._ours(row)), None)

    def _ours(self, row: Mapping[str, Any]) -> bool:
        owner = mapping.read_person(row.get("owner")) or Person()
        return same_account((self.config.servicedesk_bot_email, owner.email)) is not False


def work_log_body(work: WorkLog, config: ServiceDeskPlusConfig) -> dict[str, Any]:
    """``worklog`` of a new work log in the connection's dialect.

    Raises:
        DeskValidationError: The Cloud asks whose it is, and the connection does not say.
    """
    owner = config.servicedesk_bot_email
    # On-premises a work log without one is that of the technician whose key it is (prior knowledge).
    if owner is None and config.is_cloud:
        raise DeskValidationError(_NO_OWNER, fields=("servicedesk_bot_email",))
    hours, minutes = divmod(work.minutes, _HOUR)
    return {
        **({"owner": {"email_id": owner}} if owner else {}),
        "description": markdown_to_html(with_mark(work.text, work.mark)),
        "start_time": {"value": str(int(work.started_at.timestamp() * 1000))},
        "time_spent": {"hours": str(hours), "minutes": str(minutes)},
        # A machine works at night as well, and what it took would be cut to the desk's working hours.
        "include_nonoperational_hours": True,
        "mark_first_response": False,
        # Left out, the desk computes it from what an hour of that technician costs.
        **({} if work.billable else dict.fromkeys(config.cost_fields, "0")),
    }
