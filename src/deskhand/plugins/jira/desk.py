"""What the operations are made of: one method per vendor conversation."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from deskhand.kit.http import HttpClientFactory
from deskhand.kit.marks import with_mark
from deskhand.kit.times import read_number
from deskhand.plugins.contract import ConnectionReport, NamedValue, NoteDraft, WriteReceipt
from deskhand.plugins.errors import (
    DeskError,
    DeskNotFoundError,
    DeskPermissionError,
    DeskProtocolError,
    DeskUnsupportedError,
    DeskValidationError,
)
from deskhand.plugins.jira import account, jql, mapping
from deskhand.plugins.jira.adf_write import markdown_to_adf
from deskhand.plugins.jira.client import PLATFORM, SERVICE_DESK, JiraClient
from deskhand.plugins.jira.config import JiraConfig, NoteRoute
from deskhand.plugins.jira.fields import allowed_value
from deskhand.plugins.jira.manifest import DESK
from deskhand.plugins.jira.wiki_write import markdown_to_wiki
from deskhand.plugins.ownership import same_account
from deskhand.plugins.paging import Listing, read_pages
from deskhand.plugins.text import truncate

_PAGE = 100
_RECONCILE_LIMIT = 50
_ORGANIZATIONS = "com.atlassian.servicedesk:sd-customer-organizations"
_INTERNAL = {"key": "sd.public.comment", "value": {"internal": True}}


class JiraDesk:
    """One connection's conversations with a site.

    Args:
        config: The connection.
        http: Makes the outbound client.
    """

    def __init__(self, config: JiraConfig, http: HttpClientFactory) -> None:
        self.client = JiraClient(config, http)
        self._config = config
        self._me: dict[str, Any] | None = None
        self._written: deque[int] = deque(maxlen=_RECONCILE_LIMIT)

    # -- who we are ------------------------------------------------------------------------------

    async def myself(self) -> dict[str, Any]:
        """Our account; asked for once."""
        if self._me is None:
            self._me = await self.client.get(f"{PLATFORM}/myself")
        return self._me

    async def time_zone(self) -> ZoneInfo:
        """The zone in which Jira reads the dates of our JQL."""
        # JQL dates have no zone; Jira reads them in that of the account which asks.
        name = self._config.jira_time_zone or str((await self.myself()).get("timeZone") or "UTC")
        try:
            return ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError) as error:
            raise DeskProtocolError(f"{DESK} names an unknown time zone, {name!r}; set jira_time_zone.") from error

    async def test_connection(self) -> ConnectionReport:
        """Address, credentials, service project, search; the first failure ends it."""
        checks: list[tuple[str, bool, str]] = []
        probes = (
            ("Address", self._probe_server),
            ("Credentials", self._probe_account),
            ("Service project", self._probe_project),
            ("Searching tickets", self._probe_search),
        )
        for title, probe in probes:
            try:
                checks.append((title, True, await probe()))
            except DeskError as error:
                checks.append((title, False, error.detail))
                break
        me = mapping.read_person(self._me)
        ok = all(passed for _, passed, _ in checks)
        told = await account.warnings(self.client, self._me or {}, self._config.jira_project_key) if ok else ()
        return ConnectionReport(ok=ok, checks=tuple(checks), account=me, warnings=told)

    async def _probe_server(self) -> str:
        info = await self.client.get(f"{PLATFORM}/serverInfo")
        kind = str(info.get("deploymentType") or "unknown")
        # Server and Data Center answer most of these addresses, in other formats.
        if kind.casefold() != "cloud":
            raise DeskUnsupportedError(f"This is a Jira of type {kind}; Deskhand speaks to Jira Cloud.")
        return f"Jira Cloud, {info.get('serverTitle') or self._config.jira_url}"

    async def _probe_account(self) -> str:
        me = await self.myself()
        return f"signed in as {me.get('displayName')}, accountId {me.get('accountId')}, time zone {me.get('timeZone')}"

    async def _probe_project(self) -> str:
        wanted = self._config.jira_project_key

        async def read(start: int) -> tuple[list[dict[str, Any]], int | None]:
            page = await self.client.get(f"{SERVICE_DESK}/servicedesk", {"start": start, "limit": _PAGE})
            rows = _rows(page, "values")
            is_last = page.get("isLastPage", True) or not rows or any(row.get("projectKey") == wanted for row in rows)
            return rows, None if is_last else start + len(rows)

        # Through the list of desks and not the project itself: a project that is no service project has no internal
        # notes.
        for row in (await read_pages(read, 0)).rows:
            if row.get("projectKey") == wanted:
                return f"{row.get('projectName')} is service desk {row.get('id')}"
        raise DeskNotFoundError(f"There is no service project {wanted}, or our account is no agent of it.")

    async def _probe_search(self) -> str:
        statement = jql.project_only(self._config.jira_project_key)
        answer = await self.client.write("POST", f"{PLATFORM}/search/approximate-count", {"jql": statement})
        return f"about {answer.get('count')} tickets"

    # -- tickets ---------------------------------------------------------------------------------

    async def issue(self, ticket_id: str, names: str) -> dict[str, Any]:
        """One issue with some fields and our property."""
        params = {"fields": names, "properties": self._config.jira_property}
        raw = await self.client.get(issue_path(ticket_id), params)
        mapping.fields_of(raw)
        return raw

    async def comments(self, ticket_id: str) -> Listing[dict[str, Any]]:
        """Every comment, oldest first."""

        async def read(start: int) -> tuple[list[dict[str, Any]], int | None]:
            params: dict[str, str | int] = {"startAt": start, "maxResults": _PAGE, "orderBy": "created"}
            page = await self.client.get(f"{issue_path(ticket_id)}/comment", params)
            rows = _rows(page, "comments")
            following = start + len(rows)
            return rows, following if rows and following < (read_number(page.get("total")) or 0) else None

        return await read_pages(read, 0)

    async def find_comment(self, ticket_id: str, mark: str) -> dict[str, Any] | None:
        """Our comment that carries a mark; somebody else's is a quotation of it."""
        comments = await self.comments(ticket_id)
        bearing = [row for row in comments.rows if mapping.has_mark(row, mark)]
        if not bearing:
            comments.ensure_none_left("the ticket's comments", desk=DESK)
            return None
        # Asked late: the call is needed only when somebody's comment bears the mark, which is seldom.
        ours = self._config.jira_account_id or (await self.myself()).get("accountId")
        return next((row for row in bearing if same_account((ours, mapping.author_id(row))) is not False), None)

    async def saved(self, ticket_id: str, names: Sequence[str]) -> Mapping[str, Any]:
        """Stamp and some fields after a write of ours, which Jira answers with nothing; empty if unreadable."""
        try:
            return mapping.fields_of(await self.issue(ticket_id, ",".join(["updated", *names])))
        except DeskError:
            return {}  # the write took effect all the same

    async def organization_field(self) -> str:
        """Id of the field that holds a ticket's organisations.

        Raises:
            DeskUnsupportedError: The site has none.
        """
        if self._config.jira_organization_field:
            return self._config.jira_organization_field
        for field in await self.fields():
            schema = field.extra.get("schema")
            if isinstance(schema, Mapping) and schema.get("custom") == _ORGANIZATIONS:
                return field.id
        raise DeskUnsupportedError(f"This {DESK} site has no field for organisations.")

    async def search(
        self, statement: str, names: list[str], cursor: str | None, size: int
    ) -> tuple[list[dict[str, Any]], str | None]:
        """One page of issues and our cursor of the next one.

        The index lags behind writes; ``reconcileIssues`` makes it look again at the tickets we wrote to, and must
        be the same list on every page.
        """
        # Kept in the cursor: the plugin that reads the next page may live in another process, and has written to
        # nothing.
        token, reconcile = jql.unpack_cursor(cursor) if cursor is not None else ("", list(dict.fromkeys(self._written)))
        body: dict[str, Any] = {"jql": statement, "maxResults": max(1, min(size, _PAGE)), "fields": names}
        if token:
            body["nextPageToken"] = token
        if reconcile:
            body["reconcileIssues"] = reconcile
        page = await self.client.write("POST", f"{PLATFORM}/search/jql", body)
        following = page.get("nextPageToken")
        more = bool(following) and not page.get("isLast", False)
        return _rows(page, "issues"), jql.pack_cursor(str(following), reconcile) if more else None

    def wrote(self, ticket_id: str) -> None:
        """Remember a ticket whose change the search index may not have seen."""
        if ticket_id.isdigit():
            self._written.append(int(ticket_id))

    # -- notes -----------------------------------------------------------------------------------

    def document(self, note: NoteDraft) -> dict[str, Any]:
        """A note as ADF, its mark as the last line."""
        return markdown_to_adf(with_mark(_fitting(note.body), note.mark))

    async def write_note(self, ticket_id: str, note: NoteDraft) -> WriteReceipt:
        """Write a comment; its receipt says what became of it: a project of another kind has no internal ones."""
        if self._config.jira_note_route is NoteRoute.SERVICE_DESK:
            body = {"body": markdown_to_wiki(with_mark(_fitting(note.body), note.mark)), "public": note.public}
            written = await self.client.write("POST", f"{request_path(ticket_id)}/comment", body)
            public = written.get("public")
        else:
            document = {"body": self.document(note), **({} if note.public else {"properties": [_INTERNAL]})}
            written = await self.client.write("POST", f"{issue_path(ticket_id)}/comment", document)
            public = mapping.read_public(written)
        self.wrote(ticket_id)
        if not written.get("id"):
            raise DeskProtocolError(f"{DESK} answered without the new comment's id.")
        return WriteReceipt(id=str(written["id"]), ticket_id=ticket_id, mark=note.mark, public=public)

    async def write_as_meant(self, ticket_id: str, note: NoteDraft) -> None:
        """Write a comment that goes with another change, whose receipt does not tell of it.

        Raises:
            DeskProtocolError: Jira published a note that was meant to be internal (it is written all the same).
        """
        written = await self.write_note(ticket_id, note)
        if written.public and not note.public:
            raise DeskProtocolError(
                f"{DESK} made comment {written.id} public although an internal note was asked for."
                " Check that the project is a service project, or set jira_note_route to servicedesk."
            )

    async def rewrite_note(self, ticket_id: str, note_id: str, note: NoteDraft) -> WriteReceipt:
        """Give a comment another text; the receipt's revision is the comment's own stamp after it.

        The service desk's API edits no comment, so this is the platform's way on both routes.
        """
        # The property again: an edit without it must not leave to the site what "internal" was.
        body = {"body": self.document(note), **({} if note.public else {"properties": [_INTERNAL]})}
        written = await self.client.write("PUT", f"{issue_path(ticket_id)}/comment/{_quoted(note_id)}", body)
        self.wrote(ticket_id)
        stamp = str(written["updated"]) if written.get("updated") else None
        public = mapping.read_public(written)
        return WriteReceipt(id=note_id, ticket_id=ticket_id, mark=note.mark, revision=stamp, public=public)

    # -- status ----------------------------------------------------------------------------------

    async def transitions(self, ticket_id: str) -> list[dict[str, Any]]:
        """Transitions on offer now, with the fields of their screens."""
        page = await self.client.get(f"{issue_path(ticket_id)}/transitions", {"expand": "transitions.fields"})
        return _rows(page, "transitions")

    async def find_transition(self, ticket_id: str, status: str) -> dict[str, Any]:
        """The transition that leads to a status, by the status's name or else by its own.

        Raises:
            DeskValidationError: The workflow offers none from here.
        """
        offered = await self.transitions(ticket_id)
        wanted = status.casefold()
        # The status first: a transition may be called like another status than the one it leads to.
        for name in (lambda row: mapping.name_of(row.get("to")), lambda row: row.get("name")):
            for row in offered:
                if str(name(row) or "").casefold() == wanted:
                    return row
        targets = ", ".join(str(mapping.name_of(row.get("to"))) for row in offered) or "nothing"
        raise DeskValidationError(
            f"No transition leads to '{status}' from here; on offer: {targets}.", fields=("status",)
        )

    async def resolving(self, ticket_id: str) -> dict[str, Any]:
        """Body of the transition that ends the work: a status of the category "done", with a resolution if asked."""
        offered = await self.transitions(ticket_id)
        done = [row for row in offered if mapping.is_done(row.get("to"))]
        if not done:
            targets = ", ".join(str(mapping.name_of(row.get("to"))) for row in offered) or "nothing"
            raise DeskValidationError(
                f"No transition ends the work from here; on offer: {targets}.", fields=("status",)
            )
        preferred = self._config.jira_resolved_status.casefold()
        # A workflow may end in "Canceled" as well; only the tenant knows which of its endings means solved.
        chosen = next((row for row in done if str(mapping.name_of(row.get("to"))).casefold() == preferred), done[0])
        body: dict[str, Any] = {"transition": {"id": str(chosen["id"])}}
        field = (chosen.get("fields") or {}).get("resolution")
        # Asked for only if the transition's screen has it: Jira refuses a field that is on no screen.
        if isinstance(field, Mapping):
            allowed = field.get("allowedValues") or []
            name = self._config.jira_resolution
            body["fields"] = {
                "resolution": {"id": str(allowed_value("resolution", name, allowed)["id"])}
                if allowed
                else {"name": name}
            }
        return body

    # -- lists -----------------------------------------------------------------------------------

    async def edit_metadata(self, ticket_id: str) -> Mapping[str, Any]:
        """Fields of the ticket's edit screen by id."""
        fields = (await self.client.get(f"{issue_path(ticket_id)}/editmeta")).get("fields")
        if not isinstance(fields, Mapping):
            raise DeskProtocolError(f"{DESK} answered without edit metadata.")
        return fields

    async def account_id(self, ticket_id: str, email: str) -> str:
        """The accountId of somebody the ticket can be assigned to.

        Raises:
            DeskValidationError: Nobody, or more than one person whose mail address is hidden, fits.
        """
        if "@" not in email:
            return email  # an accountId already
        name = "issueId" if ticket_id.isdigit() else "issueKey"
        params: dict[str, str | int] = {name: ticket_id, "query": email, "maxResults": 20}
        people = await self.client.get_list(f"{PLATFORM}/user/assignable/search", params)
        exact = [row for row in people if str(row.get("emailAddress") or "").casefold() == email.casefold()]
        # Most people hide their address. Jira still searches by it, so a single match without an address is that
        # person.
        hidden = [row for row in people if not row.get("emailAddress")]
        fitting = exact or (hidden if len(people) == 1 else [])
        if not fitting:
            raise DeskValidationError(f"'{email}' cannot be assigned to this ticket.", fields=("assignee",))
        return str(fitting[0].get("accountId"))

    async def fields(self) -> tuple[NamedValue, ...]:
        """Every field of the site."""
        return mapping.named_values(await self.client.get_list(f"{PLATFORM}/field"), "custom", "schema")

    async def statuses(self) -> tuple[NamedValue, ...]:
        """Statuses of the project's workflows."""
        kinds = await self.client.get_list(f"{PLATFORM}/project/{_quoted(self._config.jira_project_key)}/statuses")
        rows = [row for kind in kinds for row in _rows(kind, "statuses")]
        return mapping.named_values(rows, "statusCategory")

    async def priorities(self) -> tuple[NamedValue, ...]:
        """Priorities of the project's scheme; the deprecated list where schemes may not be read."""
        try:
            schemes = await self.client.get(f"{PLATFORM}/priorityscheme", {"expand": "priorities,projects"})
        # Reading the schemes takes administration rights that an integration account seldom has.
        except (DeskPermissionError, DeskNotFoundError, DeskUnsupportedError):
            page = await self.client.get(f"{PLATFORM}/priority/search", {"maxResults": _PAGE})
            return mapping.named_values(_rows(page, "values"))
        rows = _rows(schemes, "values")
        ours = [row for row in rows if self._config.jira_project_key in _project_keys(row)]
        chosen = ours or [row for row in rows if row.get("isDefault")] or rows
        return mapping.named_values(_rows(chosen[0].get("priorities") or {}, "values") if chosen else [])

    async def groups(self) -> tuple[NamedValue, ...]:
        """Values of the support-group field as the newest ticket offers them; else the site's groups."""
        field = self._config.jira_group_field
        if field is not None:
            # Values of a custom field are told per ticket; the newest one has today's.
            statement = jql.project_only(self._config.jira_project_key) + " ORDER BY created DESC"
            rows, _ = await self.search(statement, ["summary"], None, 1)
            allowed = (
                (await self.edit_metadata(str(rows[0]["id"]))).get(field, {}).get("allowedValues") if rows else None
            )
            if allowed:
                return tuple(NamedValue(id=str(row.get("id")), name=str(mapping.plain(row))) for row in allowed)
        answer = await self.client.get(f"{PLATFORM}/groups/picker", {"maxResults": _PAGE})
        return tuple(
            NamedValue(id=str(row.get("groupId") or row.get("name")), name=str(row.get("name")))
            for row in _rows(answer, "groups")
        )


def issue_path(ticket_id: str) -> str:
    """Address of an issue; an id from outside must not become another address."""
    return f"{PLATFORM}/issue/{_quoted(ticket_id)}"


def request_path(ticket_id: str) -> str:
    """Address of a request in the service desk API."""
    return f"{SERVICE_DESK}/request/{_quoted(ticket_id)}"


def _quoted(text: str) -> str:
    return quote(text, safe="")


def _fitting(markdown: str) -> str:
    """Half the vendor's limit of 32,767 characters, which counts markup that is not written yet."""
    return truncate(markdown, mapping.TEXT_LIMIT // 2)


def _rows(body: Mapping[str, Any], key: str) -> list[dict[str, Any]]:
    rows = body.get(key)
    if not isinstance(rows, list):
        raise DeskProtocolError(f"{DESK} answered without a list of {key}.")
    return [row for row in rows if isinstance(row, dict)]


def _project_keys(scheme: Mapping[str, Any]) -> set[str]:
    projects = scheme.get("projects")
    rows = projects.get("values") if isinstance(projects, Mapping) else None
    return {str(row.get("key")) for row in rows or () if isinstance(row, Mapping)}
