"""Shapes of knowledge: what goes in (rows of an import, articles, feedback) and what a search gives back."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from deskhand.kit.db.companies import id_by_name
from deskhand.kit.storable import storable_text
from deskhand.knowledge.audience import Audience, said_audience
from deskhand.knowledge.exports.dates import read_date
from deskhand.knowledge.exports.tickets import ticket_fields

TEXT_LIMIT = 200_000
"""Characters of one text field; PostgreSQL refuses to index a text of more than 1 MB of words."""


_QUANTITY = re.compile(r"(\d+)[.,]0{1,6}", re.ASCII)
_SHORTENED = re.compile(r"\d(?:[.,]\d+)?[eE]\+\d+", re.ASCII)


def _as_text(value: Any) -> Any:
    """Numbers are ids in many exports; ServiceNow gives ``{"display_value": ..., "link": ...}`` for references."""
    if isinstance(value, dict) and "display_value" in value:
        value = value["display_value"]
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    return storable_text(value).strip() if isinstance(value, str) else value


def _as_ticket_id(value: Any) -> Any:
    """A number that a spreadsheet has taken for a quantity is the number it was; shortened, it is nobody's."""
    text = _as_text(value)
    if not isinstance(text, str):
        return text
    # "1.23E+10" has lost digits for good; imported, it would be one ticket for thousands.
    if _SHORTENED.fullmatch(text):
        raise ValueError(f"'{text}' was shortened by a spreadsheet; format the column as text and export it again")
    quantity = _QUANTITY.fullmatch(text)
    return quantity[1] if quantity else text


def _empty_is_none(value: Any) -> Any:
    value = _as_text(value)
    return None if value == "" else value


def _as_tags(value: Any) -> Any:
    if value is None:
        return []
    return [tag.strip() for tag in re.split(r"[;,]", value) if tag.strip()] if isinstance(value, str) else value


def _as_tag(value: Any) -> Any:
    return storable_text(str(value)).strip() if isinstance(value, str | int) else value


def _address(value: str) -> str:
    # In one spelling: an IPv6 address has many, and a ticket's is compared with this one.
    return str(ipaddress.ip_address(value))


def _as_yes(value: Any) -> Any:
    # An empty cell of a column that somebody added says no.
    return False if _empty_is_none(value) is None else value


TicketId = Annotated[str, BeforeValidator(_as_ticket_id), Field(min_length=1, max_length=100)]
Identifier = Annotated[str, BeforeValidator(_as_text), Field(min_length=1, max_length=100)]
LongText = Annotated[str, BeforeValidator(_as_text), Field(max_length=TEXT_LIMIT)]
Short50 = Annotated[Annotated[str, Field(max_length=50)] | None, BeforeValidator(_empty_is_none)]
Short100 = Annotated[Annotated[str, Field(max_length=100)] | None, BeforeValidator(_empty_is_none)]
Short255 = Annotated[Annotated[str, Field(max_length=255)] | None, BeforeValidator(_empty_is_none)]
Url = Annotated[Annotated[str, Field(max_length=500, pattern=r"^https?://")] | None, BeforeValidator(_empty_is_none)]
Tag = Annotated[str, BeforeValidator(_as_tag), Field(max_length=255)]
Tags = Annotated[list[Tag], BeforeValidator(_as_tags), Field(max_length=1000)]
Source = Annotated[str, Field(min_length=1, max_length=50, pattern=r"^[a-z0-9][a-z0-9_-]*$")]
Instant = Annotated[datetime | None, BeforeValidator(read_date)]


ToolName = Annotated[str, Field(min_length=1, max_length=50, pattern=r"^[a-z0-9_]+$")]


class OfCompany(BaseModel):
    """Whose a row is: a client company of the tenant's desk, or everybody's."""

    company_id: Short255 = None
    company_name: Short255 = None
    shared: Annotated[bool, BeforeValidator(_as_yes)] = False

    @model_validator(mode="before")
    @classmethod
    def _name_company(cls, data: Any) -> Any:
        # Where a source has the name alone, the name stands for the id; sessions ask for both.
        if not isinstance(data, dict) or _empty_is_none(data.get("company_id")) is not None:
            return data
        name = _empty_is_none(data.get("company_name"))
        return {**data, "company_id": id_by_name(name)} if isinstance(name, str) else data


class TicketRow(OfCompany):
    """One resolved ticket to import; what the desks call its fields is understood (``exports.tickets``)."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    # The specification's default desk, for files that name none.
    tool_type: ToolName = "servicedesk_plus"
    ticket_id: TicketId
    desk_id: Annotated[TicketId | None, BeforeValidator(_empty_is_none)] = None
    subject: LongText = ""
    description: LongText = ""
    resolution: Annotated[LongText | None, BeforeValidator(_empty_is_none)] = None
    category: Short100 = None
    priority: Short50 = None
    url: Url = None
    tags: Tags = Field(default_factory=list)
    resolved_date: Instant = None
    source: Source = "import"

    @model_validator(mode="before")
    @classmethod
    def _understand_exports(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            raise ValueError("is not an object")
        return dict(ticket_fields(data))

    @model_validator(mode="after")
    def _has_text(self) -> TicketRow:
        if not (self.subject or self.description):
            raise ValueError("subject and description are both empty, so there is nothing to search")
        return self


class DeskTicketRow(TicketRow):
    """A ticket read from a desk itself, with its place in the desk's listing."""

    listed_at: Instant = None
    opened_at: Instant = None


class ArticleIn(OfCompany):
    """An article to store; ``body`` is Markdown.

    Attributes:
        audience: None where its source does not say whom it is for.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    article_id: Identifier
    title: Annotated[str, BeforeValidator(_as_text), Field(min_length=1, max_length=500)]
    body: Annotated[LongText, Field(min_length=1)]
    url: Url = None
    tags: Tags = Field(default_factory=list)
    source: Source = "import"
    tool_type: ToolName | None = None
    audience: Audience | None = None
    audience_groups: list[str] = Field(default_factory=list)

    @model_validator(mode="before")
    @classmethod
    def _is_for(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        said = said_audience(data)
        return {**data, "audience": said.audience, "audience_groups": list(said.groups)}


class SystemRow(OfCompany):
    """One system of the inventory. Fields of other names are kept as attributes.

    ``aliases`` are the names people use for it in tickets ("SAP", "file server"), separated by semicolons.
    """

    model_config = ConfigDict(extra="allow", frozen=True)

    hostname: Annotated[str, BeforeValidator(_as_text), Field(min_length=1, max_length=255)]
    ip_address: Annotated[
        str | None, BeforeValidator(_empty_is_none), AfterValidator(lambda value: value and _address(value))
    ] = None
    role: Short100 = None
    client: Short255 = None
    location: Short255 = None
    aliases: Annotated[list[str], BeforeValidator(_as_tags)] = Field(default_factory=list)
    tool_type: ToolName | None = None

    @model_validator(mode="before")
    @classmethod
    def _is_clients(cls, data: Any) -> Any:
        # An inventory's client is the company; one that names the company by itself is believed.
        if not isinstance(data, dict) or data.get("company_name") or data.get("company_id") or not data.get("client"):
            return data
        return {**data, "company_name": data["client"]}

    def attributes(self) -> dict[str, Any]:
        """Everything that has no column of its own."""
        # Empty cells say nothing, and would fill the row's JSON with names.
        extra = {key: value for key, value in (self.model_extra or {}).items() if value not in (None, "")}
        return {**extra, "aliases": self.aliases} if self.aliases else extra


@dataclass(frozen=True, slots=True)
class TicketNames:
    """A ticket of a desk under every name it has there: the number people see, the internal id."""

    tool_type: str
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryHit:
    """A resolved ticket found for a query.

    Attributes:
        score: 0 to 1, see ``knowledge.ranking``.
        source: Where the text came from; ``synthetic`` means invented, and readers are told so.
        codes: Exact codes of the query that this ticket has, e.g. ``("809",)``.
        closeness: Cosine of the two meanings; None where one of them has no vector.
        useful: Verdicts that a note citing it helped on a ticket like this one.
        useless: Verdicts that it did not.
    """

    tool_type: str
    ticket_id: str
    subject: str
    description: str
    resolution: str | None
    category: str | None
    priority: str | None
    url: str | None
    resolved_date: datetime | None
    source: str
    score: float
    codes: tuple[str, ...] = ()
    closeness: float | None = None
    useful: int = 0
    useless: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ArticleHit:
    """An article found for a query; ``body`` is Markdown, ``score`` as in ``HistoryHit``."""

    article_id: str
    title: str
    body: str
    url: str | None
    source: str
    score: float
    audience: str = Audience.INTERNAL.value
    codes: tuple[str, ...] = ()
    closeness: float | None = None
    useful: int = 0
    useless: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class SystemHit:
    """A system that a text names.

    Attributes:
        matched: The words of the text that name it.
        match: How: by its host name, its address, a name people use for it, or a near-spelling of its host name.
        score: 1.0 for a name or address, 0.8 for an alias, the trigram similarity for a near-spelling.
    """

    hostname: str
    ip_address: str | None
    role: str | None
    client: str | None
    location: str | None
    matched: str
    match: Literal["hostname", "ip_address", "alias", "similar"]
    score: float
    attributes: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ImportProblem:
    """A row that was refused: where it is and what is wrong with which field."""

    where: str
    field: str
    detail: str

    def __str__(self) -> str:
        return f"{self.where}: {self.field}: {self.detail}" if self.field else f"{self.where}: {self.detail}"


@dataclass(slots=True)
class ImportReport:
    """How far an import is, and at its end what it did.

    Attributes:
        fraction: Share of the input read, 0 to 1; None where the size is unknown (a desk).
        problems: The first 100 refused rows; ``failed`` counts all.
        cursor: Where a desk's history goes on; None for files and at the end.
        ignored_columns: Columns of a file that were not understood.
        proposed_columns: What some of them may be: column to field.
        unread_sheets: Sheets of a workbook that hold something else.
        ended_early: Why a desk's history was not read to its end; empty where it was.
    """

    created: int = 0
    updated: int = 0
    unchanged: int = 0
    failed: int = 0
    fraction: float | None = None
    problems: list[ImportProblem] = field(default_factory=list)
    cursor: str | None = None
    ignored_columns: list[str] = field(default_factory=list)
    proposed_columns: dict[str, str] = field(default_factory=dict)
    unread_sheets: list[str] = field(default_factory=list)
    ended_early: str = ""

    @property
    def done(self) -> int:
        """Rows dealt with so far."""
        return self.created + self.updated + self.unchanged + self.failed


__all__ = [
    "ArticleHit",
    "ArticleIn",
    "DeskTicketRow",
    "HistoryHit",
    "ImportProblem",
    "ImportReport",
    "SystemHit",
    "SystemRow",
    "TicketNames",
    "TicketRow",
]
