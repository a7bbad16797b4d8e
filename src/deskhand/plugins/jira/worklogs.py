"""Work logs of an issue: platform REST API v3, "Issue worklogs"."""

from __future__ import annotations

import json
from datetime import UTC
from typing import Any
from urllib.parse import quote

from deskhand.kit.marks import find_marks
from deskhand.kit.times import read_number
from deskhand.plugins.contract import NoteDraft, WorkLog, WriteReceipt
from deskhand.plugins.errors import DeskNotFoundError, DeskProtocolError
from deskhand.plugins.further import FurtherOperations
from deskhand.plugins.jira import mapping
from deskhand.plugins.jira.config import JiraConfig
from deskhand.plugins.jira.desk import JiraDesk, issue_path
from deskhand.plugins.jira.manifest import DESK
from deskhand.plugins.ownership import same_account
from deskhand.plugins.paging import Listing, read_pages

PAGE = 1000
# Watchers are mailed and the remaining estimate is reduced unless a client says otherwise.
_IN_SILENCE = {"notifyUsers": "false", "adjustEstimate": "leave"}


class WorkLogs(FurtherOperations):
    """Part of the plugin."""

    config: JiraConfig
    _desk: JiraDesk

    async def log_time(self, ticket_id: str, work: WorkLog) -> WriteReceipt:
        body = {
            "comment": self._desk.document(NoteDraft(body=work.text, mark=work.mark)),
            "started": work.started_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.000+0000"),
            "timeSpentSeconds": work.minutes * 60,
        }
        row = await self._desk.client.write("POST", _path(ticket_id), body, params=_IN_SILENCE)
        if not row.get("id"):
            raise DeskProtocolError(f"{DESK} answered without a work log.")
        self._desk.wrote(ticket_id)
        return await self._logged(ticket_id, str(row["id"]), work.mark)

    async def find_time(self, ticket_id: str, mark: str) -> WriteReceipt | None:
        logs = await self._logs(ticket_id)
        bearing = [row for row in logs.rows if mark in find_marks(json.dumps(row.get("comment")))]
        if not bearing:
            logs.ensure_none_left("the ticket's work logs", desk=DESK)
            return None
        # Whoever copies our text copies its mark.
        ours = self.config.jira_account_id or (await self._desk.myself()).get("accountId")
        row = next((one for one in bearing if same_account((ours, mapping.author_id(one))) is not False), None)
        return None if row is None else await self._logged(ticket_id, str(row.get("id")), mark, adopted=True)

    async def withdraw_time(self, ticket_id: str, log_id: str) -> WriteReceipt:
        try:
            await self._desk.client.delete(f"{_path(ticket_id)}/{quote(log_id, safe='')}", _IN_SILENCE)
        except DeskNotFoundError:
            await self._desk.issue(ticket_id, "updated")  # unless it is the ticket that is not there
            return await self._logged(ticket_id, log_id, "", adopted=True)
        return await self._logged(ticket_id, log_id, "")

    async def _logged(self, ticket_id: str, log_id: str, mark: str, *, adopted: bool = False) -> WriteReceipt:
        stamp = (await self._desk.saved(ticket_id, ())).get("updated")
        revision = str(stamp) if stamp else None
        return WriteReceipt(id=log_id, ticket_id=ticket_id, mark=mark, revision=revision, adopted=adopted)

    async def _logs(self, ticket_id: str) -> Listing[dict[str, Any]]:
        async def read(start: int) -> tuple[list[dict[str, Any]], int | None]:
            page = await self._desk.client.get(_path(ticket_id), {"startAt": start, "maxResults": PAGE})
            rows = page.get("worklogs")
            if not isinstance(rows, list):
                raise DeskProtocolError(f"{DESK} answered without a list of work logs.")
            following = start + len(rows)
            more = bool(rows) and following < (read_number(page.get("total")) or 0)
            return [row for row in rows if isinstance(row, dict)], following if more else None

        return await read_pages(read, 0)


def _path(ticket_id: str) -> str:
    return f"{issue_path(ticket_id)}/worklog"
