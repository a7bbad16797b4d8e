"""What a backup says of itself, made up; and commands called from tests."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any, TypeVar

from cryptography.fernet import Fernet

from deskhand.recovery.manifest import Figure, Manifest

T = TypeVar("T")

NEWEST, OLDER = Fernet.generate_key().decode(), Fernet.generate_key().decode()
TENANT = "the tenant key of the old place, long enough"


def manifest(**fields: Any) -> Manifest:
    values: dict[str, Any] = {
        "made_at": datetime(2026, 11, 29, 2, 0, tzinfo=UTC),
        "made_by": "0.1.0",
        "revision": "a59c1e7d3b46",
        "server_major": 18,
        "extensions": [],
        "roles": [],
        "tables": {"agents": Figure(rows=1, digest="1")},
        "sequences": {},
        "encryption_keys": [NEWEST, OLDER],
        "tenant_keys": [TENANT],
        "settings": {},
        **fields,
    }
    return Manifest(**values)


def aside(work: Callable[[], T]) -> T:
    """Do what makes an event loop of its own in a thread: the tests' own loop is not disturbed."""
    with ThreadPoolExecutor(max_workers=1) as pool:
        return pool.submit(work).result()
