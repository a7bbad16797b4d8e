"""What a command is given wrongly is told in sentences, before anything is opened."""

from __future__ import annotations

from pathlib import Path

import pytest

from deskhand.access.schemas import ApiKeyCreate
from deskhand.cli.common import checked, read_json_file
from deskhand.errors import InvalidInputError
from deskhand.tenants.schemas import TenantConfigCreate


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b'{"name": "M\xfcller"}', "not UTF-8"),
        (b"{", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b"", "not JSON"),
    ],
)
def test_a_file_that_cannot_be_read(tmp_path: Path, content: bytes, told: str) -> None:
    file = tmp_path / "tenant.json"
    file.write_bytes(content)
    with pytest.raises(InvalidInputError, match=told):
        read_json_file(file)


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ({"tenant_id": "acme", "name": "Acme", "tool_type": "jira"}, "Jira requires"),
        ({"tenant_id": "acme", "name": "half \ud83d", "tool_type": "jira"}, "surrogates"),
        ({"tenant_id": "a\0b", "name": "x", "tool_type": "jira"}, "NUL"),
        ([], "dictionary"),
    ],
)
def test_a_tenant_that_cannot_be(value: object, told: str) -> None:
    with pytest.raises(InvalidInputError) as refused:
        checked(TenantConfigCreate, value)
    assert told in " ".join(fault.detail for fault in refused.value.errors)


def test_a_keys_name_that_is_no_text() -> None:
    with pytest.raises(InvalidInputError) as refused:
        checked(ApiKeyCreate, {"name": "x\udcff", "role": "nobody"})
    assert refused.value.errors
