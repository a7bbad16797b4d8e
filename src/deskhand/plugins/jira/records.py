"""Further conversations with a site: new tickets, links, changelog, pages of comments, files."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote

from deskhand.kit.clock import utc_now
from deskhand.kit.times import read_number
from deskhand.plugins.contract import AttachedFile, Company, LinkKind, NamedValue, TicketLink, WriteReceipt
from deskhand.plugins.cursors import offset_of, page_size
from deskhand.plugins.errors import (
    DeskConflictError,
    DeskNotFoundError,
    DeskProtocolError,
    DeskUnavailableError,
    DeskValidationError,
)
from deskhand.plugins.files import ensure_size, file_number, whole_file
from deskhand.plugins.jira import jql, mapping, past
from deskhand.plugins.jira.client import PLATFORM, SERVICE_DESK
from deskhand.plugins.jira.config import JiraConfig
from deskhand.plugins.jira.desk import JiraDesk, issue_path
from deskhand.plugins.jira.manifest import DESK
from deskhand.plugins.paging import read_pages

_PAGE = 100
_INDEX_LAG = timedelta(seconds=60)
"""How long the search index may take to see a new ticket; the vendor gives no figure, and seconds are usual."""


class JiraRecords:
    """See the module.

    Args:
        desk: The site.
        config: The connection.
    """

    def __init__(self, desk: JiraDesk, config: JiraConfig) -> None:
        self._desk = desk
        self._client = desk.client
        self._config = config

    # -- reading ---------------------------------------------------------------------------------

    async def comment_page(self, ticket_id: str, cursor: str | None, size: int) -> tuple[list[Any], str | None]:
        """Comments, newest first."""
        path = f"{issue_path(ticket_id)}/comment"
        return await self._page(path, "comments", {"orderBy": "-created"}, cursor, size)

    async def change_page(self, ticket_id: str, cursor: str | None, size: int) -> tuple[list[Any], str | None]:
        """Saves of the changelog, oldest first."""
        return await self._page(f"{issue_path(ticket_id)}/changelog", "values", {}, cursor, size)

    async def file(self, file: AttachedFile) -> bytes:
        """The bytes of a file.

        Platform REST API v3, "Get attachment content": "Clients that do not automatically follow redirects can set
        this to `false` to avoid making multiple requests to download the attachment." So the site sends the bytes
        itself, and no other host is asked.
        """
        ensure_size(file.size, file, desk=DESK)
        path = f"{PLATFORM}/attachment/content/{file_number(file, desk=DESK)}"
        return whole_file(await self._client.get_bytes(path, {"redirect": "false"}), file, desk=DESK)

    async def _page(
        self, path: str, key: str, more: Mapping[str, str], cursor: str | None, size: int
    ) -> tuple[list[Any], str | None]:
        start = offset_of(cursor)
        params: dict[str, str | int] = {"startAt": start, "maxResults": page_size(size), **more}
        page = await self._client.get(path, params)
        rows = page.get(key)
        if not isinstance(rows, list):
            raise DeskProtocolError(f"{DESK} answered without a list of {key}.")
        following = start + len(rows)
        return rows, str(following) if rows and following < (read_number(page.get("total")) or 0) else None

    async def account_of(self, email: str) -> str | None:
        """The accountId of anybody with a mail address, customers included; None if nobody shows it."""
        people = await self._client.get_list(f"{PLATFORM}/user/search", {"query": email, "maxResults": 20})
        exact = [row for row in people if str(row.get("emailAddress") or "").casefold() == email.casefold()]
        hidden = [row for row in people if not row.get("emailAddress")]
        fitting = exact or (hidden if len(people) == 1 else [])
        return str(fitting[0].get("accountId")) if fitting else None

    async def types(self) -> tuple[NamedValue, ...]:
        """Types of tickets that can be created in the project."""
        page = await self._client.get(f"{self._create_path()}?maxResults={_PAGE}")
        rows = page.get("issueTypes")
        named = [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []
        return mapping.named_values([row for row in named if not row.get("subtask")])

    async def create_metadata(self, type_id: str) -> dict[str, Any]:
        """Fields that a new ticket of a type can have, by id."""

        async def read(start: int) -> tuple[list[dict[str, Any]], int | None]:
            path = f"{self._create_path()}/{quote(type_id, safe='')}"
            page = await self._client.get(path, {"startAt": start, "maxResults": _PAGE})
            rows = page.get("fields")
            if not isinstance(rows, list):
                raise DeskProtocolError(f"{DESK} answered without a list of fields.")
            following = start + len(rows)
            return rows, following if rows and following < (read_number(page.get("total")) or 0) else None

        rows = (await read_pages(read, 0)).whole("fields", desk=DESK)
        return {str(row.get("fieldId") or row.get("key")): row for row in rows}

    def _create_path(self) -> str:
        project = quote(self._config.jira_project_key, safe="")
        return f"{PLATFORM}/issue/createmeta/{project}/issuetypes"

    async def company(self, name: str) -> Company:
        """A customer organisation by name or id.

        Raises:
            DeskValidationError: There is none.
        """

        async def read(start: int) -> tuple[list[dict[str, Any]], int | None]:
            page = await self._client.get(f"{SERVICE_DESK}/organization", {"start": start, "limit": _PAGE})
            rows = [row for row in page.get("values") or () if isinstance(row, dict)]
            return rows, None if page.get("isLastPage", True) or not rows else start + len(rows)

        for row in (await read_pages(read, 0)).rows:
            if name.casefold() == str(row.get("name")).casefold() or name == str(row.get("id")):
                return Company(id=str(row.get("id")), name=str(row.get("name")))
        raise DeskValidationError(f"{DESK} has no organisation '{name}'.", fields=("company",))

    # -- new tickets -----------------------------------------------------------------------------

    async def create(self, fields: Mapping[str, Any], mark: str) -> str:
        """Create a ticket that keeps its mark in our property and, where the search finds it, as a label."""
        whole = dict(fields)
        body: dict[str, Any] = {"fields": whole}
        if mark:
            # A property can be read and not searched for without an app of ours on the site; a label can.
            whole["labels"] = [*whole.get("labels", ()), mark]
            body["properties"] = [{"key": self._config.jira_property, "value": {"marks": [mark]}}]
        made = await self._client.write("POST", f"{PLATFORM}/issue", body)
        if not made.get("id"):
            raise DeskProtocolError(f"{DESK} answered without the new ticket's id.")
        self._desk.wrote(str(made["id"]))
        return str(made["id"])

    async def find_created(self, mark: str, begun_at: datetime | None) -> str | None:
        """Id of the ticket with a mark.

        Raises:
            DeskUnavailableError: There is none yet, and the search index may not have seen it.
        """
        statement = jql.created_with(mark, self._config.jira_project_key)
        params: dict[str, str | int] = {"jql": statement, "fields": "labels", "maxResults": 2}
        rows = (await self._client.get(f"{PLATFORM}/search/jql", params)).get("issues")
        tickets = [row for row in rows if isinstance(row, dict) and row.get("id")] if isinstance(rows, list) else []
        if tickets:
            return str(tickets[0]["id"])
        # "None found" counts once the index must have seen the ticket; before that, to create it again might file it
        # twice.
        if begun_at is not None and (left := begun_at + _INDEX_LAG - utc_now()) > timedelta():
            raise DeskUnavailableError(
                f"{DESK} shows no new ticket with the mark {mark}, and its search may not have seen it yet.",
                retry_after=left.total_seconds(),
            )
        return None

    # -- links -----------------------------------------------------------------------------------

    async def link_row(self, ticket_id: str, link: TicketLink) -> dict[str, Any] | None:
        """The link as the ticket shows it, if it is there."""
        fields = mapping.fields_of(await self._desk.issue(ticket_id, "issuelinks"))
        rows = [row for row in fields.get("issuelinks") or () if isinstance(row, dict)]
        return next(
            (row for row in rows if past.link_of(row) == TicketLink(kind=link.kind, ticket_id=link.ticket_id)), None
        )

    async def link(self, ticket_id: str, link: TicketLink) -> None:
        """Link two tickets, by the type whose wording says what one is to the other."""
        types = (await self._client.get(f"{PLATFORM}/issueLinkType")).get("issueLinkTypes")
        wanted = past.PHRASES[link.kind]
        for row in types if isinstance(types, list) else ():
            # Link types are named by each site; only their wording says which end is which.
            for phrase, ends in (("outward", (ticket_id, link.ticket_id)), ("inward", (link.ticket_id, ticket_id))):
                if str(row.get(phrase) or "").casefold() == wanted:
                    body = {
                        "type": {"name": str(row.get("name"))},
                        "inwardIssue": {"id": ends[0]},  # the vendor's word for the end that the link starts from
                        "outwardIssue": {"id": ends[1]},
                    }
                    await self._client.write("POST", f"{PLATFORM}/issueLink", body)
                    self._desk.wrote(ticket_id)
                    return
        raise DeskValidationError(f"This {DESK} site has no link type that says '{wanted}'.", fields=("kind",))

    async def unlink(self, row: Mapping[str, Any]) -> None:
        """Remove a link."""
        await self._client.delete(f"{PLATFORM}/issueLink/{quote(str(row.get('id')), safe='')}")

    async def link_elsewhere(self, ticket_id: str, link: TicketLink) -> bool:
        """Name a ticket elsewhere, once; False if it was named already."""
        path = f"{issue_path(ticket_id)}/remotelink"
        try:
            # Jira keeps one remote link per globalId, so the address serves as the link's own mark.
            await self._client.get(path, {"globalId": link.url})
        except DeskNotFoundError:
            shown = {"url": link.url, "title": link.title or link.url}
            body = {"globalId": link.url, "relationship": _SAID[link.kind], "object": shown}
            await self._client.write("POST", path, body)
            return True
        return False

    async def unlink_elsewhere(self, ticket_id: str, url: str) -> bool:
        """Remove the name of a ticket elsewhere; False if there was none."""
        try:
            await self._client.delete(f"{issue_path(ticket_id)}/remotelink", {"globalId": url})
        except DeskNotFoundError:
            return False
        return True

    async def delete_comment(self, ticket_id: str, comment_id: str) -> bool:
        """Delete a comment; False if it is gone."""
        try:
            await self._client.delete(f"{issue_path(ticket_id)}/comment/{quote(comment_id, safe='')}")
        except DeskNotFoundError:
            await self._desk.issue(ticket_id, "updated")  # unless it is the ticket that is not there
            return False
        return True


_SAID = {**past.PHRASES, LinkKind.CHILD_OF: "is part of"}


def ensure_revision(raw: Mapping[str, Any], expected: str) -> None:
    """Read-compare-write: the vendor has no lock, so an editor who slips in between goes unnoticed.

    Raises:
        DeskConflictError: The ticket is another one than was read.
    """
    now = mapping.fields_of(raw).get("updated")
    if now != expected:
        raise DeskConflictError(f"The ticket changed since it was read (now {now}).")


def adopted(raw: Mapping[str, Any], mark: str) -> WriteReceipt:
    """Receipt of what was so already."""
    ticket_id, revision = str(raw["id"]), mapping.fields_of(raw).get("updated")
    return WriteReceipt(id=ticket_id, ticket_id=ticket_id, mark=mark, revision=revision, adopted=True)
