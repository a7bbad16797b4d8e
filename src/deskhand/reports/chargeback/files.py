"""The chargeback as a file for spreadsheets. Money is written to its last digit, so that the rows add up."""

from __future__ import annotations

from deskhand.kit.csv_text import csv_row
from deskhand.reports.chargeback.schemas import Chargeback, ChargebackRow

_COLUMNS = tuple(ChargebackRow.model_fields)


def chargeback_file(report: Chargeback, tenant_id: str) -> str:
    """The rows of a report; no row is a sum of others, so that the column adds up to the ledger."""
    heading = csv_row(("tenant", "month", "zone", *_COLUMNS, "currency"))
    return heading + "".join(
        csv_row((tenant_id, report.month, report.zone, *(getattr(row, name) for name in _COLUMNS), "USD"))
        for row in report.rows
    )
