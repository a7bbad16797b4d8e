"""A fuzzer that reads the OpenAPI document calls the whole API as each role and finds nothing the document denies.

Schemathesis over loopback with all of its checks: its coverage phase (every boundary of every limit), fuzzing, and
stateful chains of calls. In CI who may least, the platform and the tenant's administrator, who may most, get seconds;
``DESKHAND_FUZZ_SECONDS=600`` gives each of five roles ten minutes; tests of permissions ask every route as all of them.
"""

from __future__ import annotations

import asyncio
import os
import re
import sys
from pathlib import Path

import pytest
from tests.support.api import Api

PROGRAM = Path(sys.executable).with_name("st")
SETTINGS = Path(__file__).parents[2] / "schemathesis.toml"
LONG = os.environ.get("DESKHAND_FUZZ_SECONDS", "")
SHORT = {"viewer": 3, "platform_admin": 5, "tenant_admin": 20}
ROLES = ("viewer", "editor", "operator", "platform_admin", "tenant_admin") if LONG else tuple(SHORT)

NOTHING = "No test cases were generated"


@pytest.mark.parametrize("role", ROLES)
async def test_a_fuzzer_that_reads_the_document_finds_nothing(api: Api, role: str, tmp_path: Path) -> None:
    acme = await api.tenant()
    await api.agent(acme)
    client = await api.platform() if role == "platform_admin" else await api.member("acme", role)
    # Made once and kept: the fuzzer waits ten seconds for it, in which a busy machine does not make it.
    (await client.get("/openapi.json", timeout=300)).raise_for_status()
    # The budget is the clock's, and on a machine that is busy reading the document alone may use it up.
    for times in (1, 4, 16):
        seconds = LONG or str(SHORT[role] * times)
        fuzzer = await asyncio.create_subprocess_exec(
            *(PROGRAM, "--config-file", SETTINGS, "--no-color", "run", f"{api.url}/openapi.json"),
            *("-H", f"Authorization: {client.headers['authorization']}"),
            *("--exclude-operation-id", "follow_executions"),  # a stream that does not end; tests/access follows it
            *("--phases", "examples,coverage,fuzzing,stateful", "--max-time", seconds),
            *("--max-examples", "100" if LONG else "2", "--seed", "1", "--continue-on-failure", "--warnings", "off"),
            cwd=tmp_path,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        output = (await fuzzer.communicate())[0].decode()
        assert fuzzer.returncode == 0 or NOTHING in output, output[-12_000:]
        made = re.search(r"(\d+) generated", output)
        if made is not None:
            break
    assert made is not None, output
    assert int(made[1]) > 0
