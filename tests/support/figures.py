"""Who may look at figures: costs, performance and what a month was worth."""

from __future__ import annotations

FIGURES = """\
viewer          GET /api/v1/reports/costs
viewer          GET /api/v1/reports/costs/export
viewer          GET /api/v1/reports/performance
viewer          GET /api/v1/reports/performance/export
viewer          GET /api/v1/reports/worth
viewer          GET /api/v1/reports/worth/export
viewer          GET /api/v1/reports/chargeback
viewer          GET /api/v1/reports/chargeback/export
viewer          GET /api/v1/reports/calls
viewer          GET /api/v1/reports/calls/export
platform_admin  GET /api/v1/platform-reports/costs
platform_admin  GET /api/v1/platform-reports/costs/export
viewer          GET /costs
viewer          GET /performance
viewer          GET /worth
viewer          GET /chargeback
platform_admin  GET /platform-costs
"""
"""Role and route, as the list of all permissions has them."""
