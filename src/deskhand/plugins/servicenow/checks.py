"""What ``test_connection`` tries, in order; it stops at the first thing without which nothing else works."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from deskhand.plugins.contract import ConnectionReport, Person
from deskhand.plugins.errors import DeskError, DeskNotFoundError, DeskPermissionError
from deskhand.plugins.servicenow import mapping
from deskhand.plugins.servicenow.account import TECHNICAL, warnings
from deskhand.plugins.servicenow.client import ServiceNowClient
from deskhand.plugins.servicenow.config import ServiceNowConfig
from deskhand.plugins.servicenow.lookups import Lookups
from deskhand.plugins.servicenow.query import Query, Term, literal, value_of, where

_GMT = {"gmt", "utc", "etc/utc", "etc/gmt"}
_USER_FIELDS = ("sys_id", "user_name", "name", "email", "time_zone", *TECHNICAL)


@dataclass(slots=True)
class _Run:
    config: ServiceNowConfig
    client: ServiceNowClient
    lookups: Lookups
    user: dict[str, Any] = field(default_factory=dict)

    async def account(self) -> tuple[bool, str]:
        """Who we are. A script in a query finds the user of an OAuth client; it is ours, not text from outside."""
        name = self.config.servicenow_username
        if self.config.uses_oauth or not name:
            query = Query(verbatim="user_name=javascript:gs.getUserName()")
        else:
            query = where(Term("user_name", "=", literal(name, "servicenow_username")))
        page = await self.client.page("sys_user", query, _USER_FIELDS, limit=2)
        # More than one: the instance ignored the filter, and the first row would be a stranger.
        if len(page.rows) != 1:
            return False, "The account may not read its own user record (sys_user)."
        self.user = page.rows[0]
        login = value_of(self.user, "user_name")
        bot = self.config.servicenow_bot_username
        # With the wrong name every write of ours would come back as somebody's event and start another run.
        if bot and bot.casefold() != login.casefold():
            return (
                False,
                f"Signed in as '{login}', but servicenow_bot_username is '{bot}': own events would be missed.",
            )
        if not self.config.bot:
            return False, f"Set servicenow_bot_username to '{login}', so that Deskhand recognises its own events."
        return True, f"signed in as {login}"

    async def time_zone(self) -> tuple[bool, str]:
        """Times in a query are read in the user's zone: in any but GMT, history would have gaps."""
        zone = value_of(self.user, "time_zone")
        if zone.casefold() in _GMT:
            return True, zone
        return False, f"The user's time zone is '{zone or 'the default of the instance'}'; set it to GMT."

    async def tickets(self) -> tuple[bool, str]:
        await self.client.page(self.config.servicenow_table, Query(), ("sys_id",), limit=1)
        return True, "works"

    async def names(self) -> tuple[bool, str]:
        """A name that the table does not have would be ignored in silence later."""
        try:
            rows = await self.lookups.fields()
        except (DeskPermissionError, DeskNotFoundError):
            rows = ()
        # Passed and not failed: few integration users may read the dictionary, and everything else works without it.
        if not rows:
            return True, "sys_dictionary cannot be read by this account; names are checked on every answer instead"
        known = {value_of(row, "element") for row in rows}
        wanted = (*mapping.read_fields(self.config), *mapping.JOURNALS)
        missing = [name for name in wanted if name.partition(".")[0] not in known]
        return not missing, f"not in sys_dictionary: {', '.join(missing)}" if missing else "works"

    async def close_code(self) -> tuple[bool, str]:
        await self.lookups.value("close_code", self.config.servicenow_close_code)
        return True, "works"

    async def journal(self) -> tuple[bool, str]:
        query = where(Term("element", "IN", ",".join(mapping.JOURNALS)))
        page = await self.client.page("sys_journal_field", query, ("sys_id",), limit=1)
        return True, "works" if page.rows else "no entry visible yet; notes are then read from the record"


async def run(config: ServiceNowConfig, client: ServiceNowClient, lookups: Lookups) -> ConnectionReport:
    """Every check until one fails."""
    this = _Run(config, client, lookups)
    steps: tuple[tuple[str, Callable[[], Awaitable[tuple[bool, str]]]], ...] = (
        ("Address, credentials and account", this.account),
        ("Time zone of the account is GMT", this.time_zone),
        (f"Permission to read {config.servicenow_table}", this.tickets),
        ("Field names", this.names),
        ("Resolution code", this.close_code),
        ("Permission to read notes", this.journal),
    )
    done: list[tuple[str, bool, str]] = []
    for title, step in steps:
        try:
            passed, said = await step()
        except DeskError as error:
            passed, said = False, error.detail
        done.append((title, passed, said))
        # What follows would fail for the same reason, and bury the sentence that names it.
        if not passed:
            break
    user = this.user
    account = (
        Person(id=value_of(user, "sys_id"), name=value_of(user, "user_name"), email=value_of(user, "email") or None)
        if user
        else None
    )
    ok = all(passed for _, passed, _ in done)
    told = await warnings(client, config, user) if ok else ()
    return ConnectionReport(ok=ok, checks=tuple(done), account=account, warnings=told)
