"""The one place that reads the wall clock, so that tests and simulators can turn it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

Clock = Callable[[], datetime]


def utc_now() -> datetime:
    """Current time as an aware UTC datetime."""
    return datetime.now(UTC)
