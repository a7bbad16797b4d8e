"""Words that the figures are asked with. There is no table here: what is counted are the runs themselves."""

from __future__ import annotations

from enum import StrEnum


class CostGroup(StrEnum):
    """By what costs are added up."""

    DAY = "day"
    AGENT = "agent"
    MODEL = "model"
    TICKET = "ticket"


class PerformanceGroup(StrEnum):
    """By what runs are looked at."""

    AGENT = "agent"
    DAY = "day"
