"""A tenant is at rest when it is known, switched off, and has no run to end."""

from __future__ import annotations

import pytest
from tests.conftest import MakeTenant

from deskhand.engine.status import ExecutionStatus
from deskhand.errors import ConflictError, NotFoundError
from deskhand.kit.db.session import Database
from deskhand.tenants.rest import ensure_at_rest

RUNNING = [ExecutionStatus.RUNNING]


async def test_one_that_is_switched_off_is_at_rest_and_no_other(clean_db: Database, make_tenant: MakeTenant) -> None:
    await make_tenant("acme")
    await make_tenant("globex", is_active=False)
    async with clean_db.platform_session() as session:
        await ensure_at_rest(session, "globex", ended=RUNNING, because="or it grows")
        with pytest.raises(ConflictError, match=r"'acme' is active\. .*/acme/deactivate\), or it grows\."):
            await ensure_at_rest(session, "acme", ended=RUNNING, because="or it grows")
        with pytest.raises(NotFoundError, match="no tenant 'nobody'"):
            await ensure_at_rest(session, "nobody", ended=RUNNING, because="or it grows")
