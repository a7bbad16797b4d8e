"""What ``deskhand doctor`` refuses of an installation that others reach: each unsafe setting, and how to mend it."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from tests.cli.test_doctor import _doctor
from tests.conftest import DatabaseUrls

from deskhand.cli.exposure import debug_faults, is_exposed, is_local, key_file_faults, transport_faults
from deskhand.settings import Settings

SAFE = {"host": "127.0.0.1", "public_url": "https://deskhand.example.com"}
BEHIND = {"host": "0.0.0.0", "public_url": "https://deskhand.example.com", "trusted_proxies": "10.0.0.5"}


def settings(tmp_path: Path, **values: Any) -> Settings:
    return Settings(_env_file=None, data_dir=tmp_path, **values)  # type: ignore[call-arg]  # pydantic-settings' own


def faults(of: Settings) -> str:
    return " ".join([*transport_faults(of), *debug_faults(of), *key_file_faults(of.data_dir)])


@pytest.mark.parametrize(
    ("host", "local"),
    [("127.0.0.1", True), ("127.9.9.9", True), ("::1", True), ("[::1]", True), ("localhost", True),
     ("LOCALHOST.", True),
     ("0.0.0.0", False), ("::", False), ("10.0.0.1", False), ("localhost.evil.test", False), ("desk", False)],
)  # fmt: skip
def test_an_address_of_this_machine_is_known(host: str, local: bool) -> None:
    assert is_local(host) is local


@pytest.mark.parametrize("values", [SAFE, BEHIND, {}, {"host": "localhost"}, {"public_url": "http://127.0.0.1:8000"}])
def test_a_safe_installation_has_no_fault(tmp_path: Path, values: dict[str, str]) -> None:
    assert faults(settings(tmp_path, **values)) == ""


@pytest.mark.parametrize(
    ("values", "fix"),
    [
        ({"public_url": "http://deskhand.example.com"}, "set DESKHAND_PUBLIC_URL to its https:// address"),
        ({"host": "0.0.0.0"}, "set DESKHAND_PUBLIC_URL to its https:// address"),
        ({**SAFE, "host": "0.0.0.0"}, "Set DESKHAND_TRUSTED_PROXIES"),
        ({**SAFE, "host": "::", "trusted_proxies": "127.0.0.0/8, ::1"}, "DESKHAND_HOST=127.0.0.1"),
        ({**BEHIND, "trusted_proxies": "0.0.0.0/0"}, "Name your proxies"),
        ({**BEHIND, "trusted_proxies": "10.0.0.5, ::/0"}, "Name your proxies"),
        ({**SAFE, "log_level": "debug"}, "Set INFO"),
    ],
)
def test_each_unsafe_setting_is_told_with_its_fix(tmp_path: Path, values: dict[str, str], fix: str) -> None:
    assert fix in faults(settings(tmp_path, **values))


def test_a_developers_machine_may_debug(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONASYNCIODEBUG", "1")
    assert not is_exposed(settings(tmp_path))
    assert faults(settings(tmp_path, log_level="DEBUG")) == ""
    assert "PYTHONASYNCIODEBUG" in faults(settings(tmp_path, **SAFE))


@pytest.mark.parametrize("name", ["encryption.keys", "tenant.key"])
def test_a_key_that_others_may_read_is_told(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_text("a key")
    path.chmod(0o640)
    assert f"chmod 600 {path}" in faults(settings(tmp_path))
    path.chmod(0o600)
    assert faults(settings(tmp_path)) == ""


async def test_the_doctor_refuses_each_and_says_the_fix(database_urls: DatabaseUrls, tmp_path: Path) -> None:
    """One look with everything wrong, since each look takes seconds; then a login that is too strong, and no key."""
    spoilt = await asyncio.to_thread(
        _doctor, database_urls, tmp_path,
        DESKHAND_HOST="0.0.0.0", DESKHAND_PUBLIC_URL="http://deskhand.example.com", DESKHAND_LOG_LEVEL="DEBUG",
        DESKHAND_DATABASE_URL=database_urls.superuser_url,
    )  # fmt: skip
    assert spoilt.returncode == 1
    lines = {line.split(": ", 1)[0]: line for line in spoilt.stdout.splitlines()}
    for words in ("is plain HTTP", "DESKHAND_TRUSTED_PROXIES", "DESKHAND_LOG_LEVEL is DEBUG"):
        assert words in lines["✗ exposure"]
    assert "is a superuser" in lines["✗ database role"]
    assert "deskhand_app" in lines["✗ database role"]

    missing = await asyncio.to_thread(_doctor, database_urls, tmp_path, DESKHAND_ENCRYPTION_KEYS="no key")
    assert missing.returncode == 1
    assert "Fernet.generate_key()" in missing.stdout + missing.stderr
    assert "Traceback" not in missing.stdout + missing.stderr
