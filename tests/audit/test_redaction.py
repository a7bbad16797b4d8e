"""Nothing that an entry says of before and after is a secret, and of a change it says what changed."""

from __future__ import annotations

from deskhand.audit.service import record
from deskhand.audit.source import Source, acting_from
from deskhand.kit.db.session import Database

CANARY = "canary-5f2b9c"


async def test_a_change_says_what_differs_and_no_secret(clean_db: Database) -> None:
    token = f"sk-{CANARY}-abcdefgh"
    async with clean_db.platform_session() as session:
        entry = await record(
            session,
            tenant_id="",
            actor="a",
            operation="o",
            resource_type="r",
            resource_id=None,
            before={"same": 1, "name": "old", "api_key": CANARY, "gone": True},
            after={"same": 1, "name": "new", "api_key": f"{CANARY}2", "nested": [{"password": CANARY}]},
            details={"why": f"the key {token} leaked", "max_tokens": 5},
            source=Source(address="192.0.2.7"),
        )
    assert entry.details == {
        "before": {"name": "old", "api_key": "[redacted]", "gone": True},
        "after": {"name": "new", "api_key": "[redacted]", "nested": [{"password": "[redacted]"}]},
        "why": "the key [redacted] leaked",
        "max_tokens": 5,
    }
    assert CANARY not in str(entry.details)
    assert (entry.address, entry.user_agent, entry.request_id) == ("192.0.2.7", None, None)


async def test_what_is_recorded_in_a_block_comes_from_there(clean_db: Database) -> None:
    async def write() -> str | None:
        async with clean_db.platform_session() as session:
            entry = await record(session, tenant_id="", actor="a", operation="o", resource_type="r", resource_id=None)
            return entry.address

    with acting_from(Source(address="192.0.2.8")):
        assert await write() == "192.0.2.8"
    assert await write() is None
