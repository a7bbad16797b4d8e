"""Time worked on a record: rows of ``task_time_worked``.

The table and what a saved timer does are of ServiceNow's documentation ("Time Worked"); that a row can be made by
itself with these fields, and that its ``user`` is then our account, is prior knowledge. So every row is read back.
"""

from __future__ import annotations

from deskhand.kit.marks import find_marks
from deskhand.plugins.contract import WorkLog, WriteReceipt
from deskhand.plugins.errors import DeskNotFoundError, DeskValidationError
from deskhand.plugins.further import FurtherOperations
from deskhand.plugins.ownership import same_account
from deskhand.plugins.servicenow import mapping, records
from deskhand.plugins.servicenow.client import ServiceNowClient
from deskhand.plugins.servicenow.config import ServiceNowConfig
from deskhand.plugins.servicenow.manifest import DESK
from deskhand.plugins.servicenow.query import Query, Term, value_of

TABLE = "task_time_worked"
_FIELDS = ("sys_id", "task", "time_in_seconds", "comments", "sys_created_by")


class WorkLogs(FurtherOperations):
    """Part of the plugin."""

    config: ServiceNowConfig
    _client: ServiceNowClient

    async def log_time(self, ticket_id: str, work: WorkLog) -> WriteReceipt:
        seconds = str(work.minutes * 60)
        fields = {
            "task": ticket_id,
            "time_in_seconds": seconds,
            "comments": mapping.resolution_text(work.text, work.mark, self.config),
            "work_date": work.started_at.date().isoformat(),
        }
        row = await self._client.post(TABLE, fields, _FIELDS)
        # The instance drops in silence what it does not know or allow: a log of nothing would read as one of no time.
        if value_of(row, "time_in_seconds") != seconds or value_of(row, "task") != ticket_id:
            raise DeskValidationError(
                f"{DESK} made a row of {TABLE} and took not its time or its task: look at the table's access rules.",
                fields=("time_in_seconds",),
            )
        return await self._logged(ticket_id, value_of(row, "sys_id"), work.mark)

    async def find_time(self, ticket_id: str, mark: str) -> WriteReceipt | None:
        query = Query(((Term("task", "=", ticket_id),), (Term("comments", "LIKE", mark),)), ("sys_created_on",))
        for row in (await self._client.page(TABLE, query, _FIELDS)).rows:
            ours = same_account((self.config.bot, value_of(row, "sys_created_by"))) is not False
            if ours and mark in find_marks(value_of(row, "comments")):
                return await self._logged(ticket_id, value_of(row, "sys_id"), mark, adopted=True)
        return None

    async def withdraw_time(self, ticket_id: str, log_id: str) -> WriteReceipt:
        try:
            await self._client.delete(TABLE, log_id)
        except DeskNotFoundError:
            return await self._logged(ticket_id, log_id, "", adopted=True)
        return await self._logged(ticket_id, log_id, "")

    async def _logged(self, ticket_id: str, log_id: str, mark: str, *, adopted: bool = False) -> WriteReceipt:
        row = await self._client.get(self.config.servicenow_table, ticket_id, ("sys_id", "sys_mod_count"))
        return records.receipt_of(row, mark, write_id=log_id, adopted=adopted)
