"""Commands in the test's own process, on the database of the tests."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.conftest import DatabaseUrls
from tests.support.logins import KEY, TENANT_KEY


def work_on(urls: DatabaseUrls, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let commands find their settings, and nothing else, in this folder and in the environment."""
    monkeypatch.chdir(folder)
    for name, value in {
        "DATABASE_URL": urls.app_url,
        "DATABASE_PLATFORM_URL": urls.platform_url,
        "ENCRYPTION_KEYS": KEY,
        "TENANT_KEY": TENANT_KEY,
    }.items():
        monkeypatch.setenv(f"DESKHAND_{name}", value)
