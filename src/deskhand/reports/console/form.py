"""The address of the pages: what their filter sends, and the links that lead back to them."""

from __future__ import annotations

from datetime import timedelta
from typing import ClassVar, TypeVar
from urllib.parse import urlencode

from pydantic import BaseModel, Field

from deskhand.kit.schema import StorableText
from deskhand.reports.schemas import SpanQuery, SpanView

Query = TypeVar("Query", bound=SpanQuery)

RANGES = (7, 30, 90, 366)
"""Days until today that one click chooses."""


class ReportForm(BaseModel):
    """What the filter form sends, every field possibly empty; the API's schema judges it."""

    since: StorableText = Field("", max_length=40)
    until: StorableText = Field("", max_length=40)
    zone: StorableText = Field("", max_length=100)
    group: StorableText = Field("", max_length=40)
    agent: StorableText = Field("", max_length=40)
    trials: StorableText = Field("", max_length=10)

    def query(self, kind: type[Query]) -> Query:
        """What the API would be asked.

        Raises:
            ValidationError: A value that it would refuse.
        """
        values = self.model_dump(exclude={"agent"}) | {"agent_id": self.agent}
        known = {name: text.strip() for name, text in values.items() if name in kind.model_fields}
        return kind.model_validate({name: text for name, text in known.items() if text})

    def address(self, path: str, **changes: str) -> str:
        """This page with some fields changed."""
        values = self.model_dump() | changes
        query = urlencode({name: text for name, text in values.items() if text})
        return f"{path}?{query}" if query else path

    def ranges(self, path: str, span: SpanView) -> list[tuple[str, str, bool]]:
        """Words, address and whether it is shown, of each range until the last day."""
        found = []
        for days in RANGES:
            since = span.until - timedelta(days=days - 1)
            address = self.address(path, since=str(since), until=str(span.until))
            found.append(("a year" if days > 90 else f"{days} days", address, since == span.since))
        return found


class MonthForm(BaseModel):
    """What the filter form of a month's report sends, every field possibly empty; the API's schema judges it."""

    page: ClassVar[str]

    month: StorableText = Field("", max_length=20)
    zone: StorableText = Field("", max_length=100)

    def said(self) -> dict[str, str]:
        """What was filled in."""
        return {name: text.strip() for name, text in self.model_dump().items() if text.strip()}

    def address(self, path: str, **changes: str) -> str:
        """This page with some fields changed; of another page of figures what both of them know."""
        values = {**self.model_dump(), **changes} if path == self.page else {"zone": self.zone}
        query = urlencode({name: text for name, text in values.items() if text})
        return f"{path}?{query}" if query else path

    def months(self, span: SpanView, *, is_over: bool) -> list[tuple[str, str]]:
        """The month before and, unless the shown one still runs, the one after: words and address."""
        before = span.since - timedelta(days=1)
        found = [(f"Earlier: {before:%Y-%m}", self.address(self.page, month=f"{before:%Y-%m}"))]
        if is_over:
            after = span.until + timedelta(days=1)
            found.append((f"Later: {after:%Y-%m}", self.address(self.page, month=f"{after:%Y-%m}")))
        return found


def file_address(path: str, query: SpanQuery, span: SpanView) -> str:
    """Where the API gives what a page shows as a file, with its days named: tomorrow it is the same file."""
    values = query.model_dump(mode="json", exclude_defaults=True) | span.model_dump(
        mode="json", include={*SpanView.model_fields}
    )
    words = {name: "true" if value is True else str(value) for name, value in values.items() if value is not None}
    return f"{path}?{urlencode(words)}"
