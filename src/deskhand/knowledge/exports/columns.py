"""What other systems call our fields: by their own names and by the labels their lists show (pure)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from deskhand.errors import InvalidInputError

COMPANY = {
    "company_id": ("company id", "organization id", "organisation id", "account id"),
    "company_name": ("company name", "organization name", "organisation name", "account name", "company"),
    "shared": ("shared",),
}
TICKETS = {
    "ticket_id": (
        *("ticket id", "number", "display id", "issue key", "key", "request id", "requestid", "ticket number"),
        *("ticket no", "ticketid", "incident number", "incident id", "case number", "case id", "request number"),
        *("ticket", "id", "sys id", "issue id"),
    ),
    # The surest names first: where an export has several of them, the first that is there and filled counts.
    "desk_id": ("desk id", "sys id", "issue id", "id"),
    "subject": ("subject", "short description", "title", "summary", "ticket subject"),
    "description": ("description", "body", "details", "problem description", "ticket description"),
    "resolution": (
        *("resolution", "close notes", "solution", "resolution notes", "resolution text", "resolution details"),
        *("resolution description", "closing notes", "closure comments", "close comments"),
    ),
    "category": ("category", "components", "component s", "component"),
    "priority": ("priority",),
    "url": ("url", "link", "ticket url", "web url"),
    "tags": ("tags", "labels", "label", "tag", "keywords"),
    "resolved_date": (
        *("resolved date", "resolved at", "resolved", "resolutiondate", "resolution date", "resolved time"),
        *(
            "date resolved",
            "solved at",
            "solved",
            "closed at",
            "closed",
            "completed time",
            "closed time",
            "closed date",
        ),
    ),
    "tool_type": ("tool type",),
    "source": ("source",),
    **COMPANY,
    # "customer" and "client" are people in many exports, so a caller says it (--column) where they are companies.
    "company_name": (*COMPANY["company_name"], "organization", "organisation", "organizations", "account"),
}
SYSTEMS = {
    "hostname": ("hostname", "host name", "name", "computer name", "device name", "asset name", "fqdn"),
    "ip_address": ("ip address", "ip", "ip addr"),
    "role": ("role", "function"),
    "client": ("client", "company", "customer"),
    "location": ("location", "site"),
    "aliases": ("aliases", "alias"),
    "tool_type": ("tool type",),
    **COMPANY,
}
ARTICLES = {
    "article_id": ("article id", "number", "id"),
    "title": ("title", "short description", "item"),
    "body": ("body", "html", "text", "article"),
    "url": ("url", "link"),
    "tags": ("tags", "labels", "keywords"),
    "source": ("source",),
    "tool_type": ("tool type",),
    "audience": ("audience", "visibility"),
    "audience_groups": ("audience groups",),
    **COMPANY,
}
# Where one of these had to serve as the number, no second id of the desk's is to be had beside it.
OWN_NUMBERS = frozenset({"desk id", "sys id", "issue id", "id"})
"""Names under which an export may have a desk's internal id."""


def plain_name(name: object) -> str:
    """A column's name without what differs between a field's name and its label."""
    return re.sub(r"[\W_]+", " ", str(name).casefold()).strip()


@dataclass(frozen=True)
class Vocabulary:
    """The fields of one kind of row.

    Attributes:
        row: What a row is called.
        fields: Field to the names it goes by, the surest first.
        required: Of each group at least one field must have a column.
        keeps_others: Columns that are no field are kept under their own names.
        renamed: What the caller says a column is: its plain name to the field.
    """

    row: str
    fields: Mapping[str, Sequence[str]]
    required: Sequence[tuple[str, ...]]
    keeps_others: bool = False
    renamed: Mapping[str, str] = field(default_factory=dict)

    def with_names(self, columns: Mapping[str, str]) -> Vocabulary:
        """The same with what the caller calls a field: column to field.

        Raises:
            InvalidInputError: A name is given to a field that does not exist.
        """
        strange = [one for one in columns.values() if one not in self.fields]
        if strange:
            raise InvalidInputError(
                f"{', '.join(strange)}: no field of a {self.row}. There are: {', '.join(self.fields)}."
            )
        return replace(self, renamed={plain_name(name): one for name, one in columns.items()})

    def field_of(self, name: object) -> str | None:
        """The field a column is, as far as its name alone tells."""
        plain = plain_name(name)
        if plain in self.renamed:
            return self.renamed[plain]
        return next((one for one, names in self.fields.items() if plain in names), None)

    def candidates(self, names: Iterable[str]) -> dict[str, list[str]]:
        """Field to the columns that may be it, the surest first."""
        # From the end, so that of two columns with one plain name the first is the one that stays.
        plain = {plain_name(name): name for name in reversed(list(names))}
        columns: dict[str, list[str]] = {}
        for one, known in self.fields.items():
            said = [own for own, target in self.renamed.items() if target == one and own in plain]
            # A column that the caller has named is that field alone, whatever else its name would mean.
            free = [own for own in known if own in plain and own not in self.renamed]
            columns[one] = [plain[own] for own in (*said, *free)]
        return columns

    def identifies(self, names: Iterable[str]) -> bool:
        """Whether something with these names is a row by itself, and no envelope around rows."""
        return any(self.field_of(name) in self.required[0] for name in names)

    def under_own_names(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """A row with our fields under our names, and every other column under its own."""
        columns = self.candidates(row)
        fields = {one: row[names[0]] for one, names in columns.items() if names}
        used = {names[0] for names in columns.values() if names}
        return {**{name: value for name, value in row.items() if name not in used}, **fields}

    def missing(self, names: Iterable[str]) -> list[tuple[str, ...]]:
        """Required groups for which there is no column."""
        candidates = self.candidates(names)
        return [group for group in self.required if not any(candidates[one] for one in group)]


TICKET_VOCABULARY = Vocabulary("ticket", TICKETS, (("ticket_id",), ("subject", "description")))
# Inventories have columns of their own making, and a technician wants to see them; a ticket's others are noise.
SYSTEM_VOCABULARY = Vocabulary("system", SYSTEMS, (("hostname",),), keeps_others=True)
ARTICLE_VOCABULARY = Vocabulary("article", ARTICLES, (("article_id",), ("title",), ("body",)))


__all__ = [
    "ARTICLE_VOCABULARY",
    "OWN_NUMBERS",
    "SYSTEM_VOCABULARY",
    "TICKET_VOCABULARY",
    "Vocabulary",
    "plain_name",
]
