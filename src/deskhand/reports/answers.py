"""A report as a file that an API answers with."""

from __future__ import annotations

from typing import Any

from fastapi.responses import Response

from deskhand.errors import InvalidInputError
from deskhand.kit.problem import problem_responses

KNOWN = problem_responses(InvalidInputError)
"""What a report may answer beside itself."""
FILES: dict[int | str, dict[str, Any]] = {
    200: {"content": {"text/csv": {"schema": {"type": "string"}}}},
    **KNOWN,
}
"""The same of one that is a file."""


def csv_answer(text: str, name: str) -> Response:
    """A file for spreadsheets, to be kept under a name.

    Args:
        text: Its rows.
        name: Without its ending.
    """
    headers = {"Content-Disposition": f'attachment; filename="{name}.csv"', "Cache-Control": "no-store"}
    return Response(text, media_type="text/csv", headers=headers)
