"""Whether a ring opens what is stored: each secret is tried, and a ring with the old key behind a new one opens all."""

from __future__ import annotations

from tests.support.api import AGENT, Api
from tests.support.logins import KEY
from tests.support.recovery import NEWEST

from deskhand.recovery.stored_secrets import try_secrets


async def test_each_stored_secret_is_tried_with_every_key(api: Api) -> None:
    assert await try_secrets(api.db, [NEWEST]) == (0, 0), "nothing is stored yet"
    client = await api.tenant("acme")
    assert await try_secrets(api.db, [KEY]) == (2, 0), "the desk's key and the webhooks' secret"
    assert (await client.post("/api/v1/agents", json=AGENT)).status_code == 201
    assert await try_secrets(api.db, [KEY]) == (3, 0)
    assert await try_secrets(api.db, [NEWEST]) == (0, 3)
    assert await try_secrets(api.db, [NEWEST, KEY]) == (3, 0)
