"""What the product is made of: pins, licences and the list of parts, each seen to fail."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

GOOD = "anyio==4.9.0 \\\n    --hash=sha256:00\n    # via x\n"


@pytest.fixture(scope="module")
def supply(tool: Callable[[str], ModuleType]) -> ModuleType:
    return tool("lint/supply.py")


@pytest.mark.parametrize(
    ("text", "faults"),
    [
        (GOOD, 0),
        (GOOD + "uvloop==0.22.1 ; sys_platform != 'win32' \\\n    --hash=sha256:00\n", 0),
        (GOOD + "idna==3.1\n", 1),
        (GOOD + "idna>=3.1 \\\n    --hash=sha256:00\n", 1),
        (GOOD + "idna @ file:///tmp/idna.whl\n", 1),
    ],
)
def test_every_package_is_one_version_with_a_hash(supply: ModuleType, text: str, faults: int) -> None:
    assert len([*supply.unpinned("x.lock", text)]) == faults


@pytest.mark.parametrize(
    ("licence", "fine"),
    [
        ("MIT", True),
        ("Apache-2.0 OR BSD-3-Clause", True),
        ("BSD License", True),
        ("GPL-3.0-only", False),
        ("GPL-3.0-only OR MIT", True),
        ("MIT AND LGPL-2.1-or-later", False),
        ("Mozilla Public License 2.0 (MPL 2.0)", False),
        ("Other/Proprietary License", False),
        ("", False),
    ],
)
def test_a_licence_lets_anyone_pass_it_on(supply: ModuleType, licence: str, fine: bool) -> None:
    assert (supply.licence_fault("something", licence) is None) is fine


def test_an_exception_is_still_needed(supply: ModuleType, root: Path) -> None:
    pins = supply.pins((root / "requirements.lock").read_text())
    assert {name for name, _ in pins} >= supply.WEAK_COPYLEFT


def test_the_list_of_parts_is_the_lock(supply: ModuleType, root: Path, tmp_path: Path) -> None:
    lock = root / "requirements.lock"
    target = tmp_path / "sbom.json"
    program = Path(sys.executable).parent / "cyclonedx-py"
    subprocess.run([program, "requirements", "--of", "JSON", "-o", target, lock], check=True, capture_output=True)
    assert supply.main([str(target)]) == 0
    target.write_text(target.read_text().replace('"name": "asyncpg"', '"name": "asyncpgs"'))
    assert supply.main([str(target)]) == 1


def test_the_build_backend_is_the_locks(supply: ModuleType, root: Path) -> None:
    (backend,) = tomllib.loads((root / "pyproject.toml").read_text())["build-system"]["requires"]
    name, _, version = backend.partition("==")
    for lock in ("requirements.lock", "requirements-dev.lock"):
        assert supply.pins((root / lock).read_text())[name, version]


@pytest.mark.skipif(shutil.which("unshare") is None, reason="needs unshare (util-linux) to be without a network")
def test_an_audit_without_an_advisory_service_fails(root: Path, tmp_path: Path) -> None:
    lock = tmp_path / "one.lock"
    lock.write_text(GOOD.replace("00", "0" * 64))
    program = Path(sys.executable).parent / "pip-audit"
    command = ["unshare", "--user", "--net", program, "--require-hashes", "--disable-pip", "--strict", "-r", lock]
    answer = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    if "unshare failed" in answer.stderr:
        pytest.skip("this machine does not allow namespaces to an ordinary user")
    assert answer.returncode != 0
    assert "No known vulnerabilities" not in answer.stdout + answer.stderr


def test_the_report_has_each_licence_and_its_text(supply: ModuleType, root: Path, tmp_path: Path) -> None:
    report = tmp_path / "licences.md"
    assert supply.main(["--licences", str(report)]) == 0
    text = report.read_text()
    rows = [line for line in text.splitlines() if line.startswith("| ")][1:]
    names = [row.split(" | ")[0].removeprefix("| ") for row in rows[1:]]
    locked = supply.pins((root / "requirements.lock").read_text())
    assert names == sorted(name for name, _ in locked)
    assert "| fastapi |" in text
    assert "## asyncpg: LICENSE" in text
    assert "Apache License" in text[text.index("## asyncpg: LICENSE") :]


def test_the_report_says_of_what_it_was_read(supply: ModuleType) -> None:
    lines = [*supply.licence_report([("jinja2", "0.0.1"), ("pywin32", "312")])]
    assert any(
        line.startswith("| jinja2 | 0.0.1 | BSD License (read from 3.") or "BSD-3-Clause (read from" in line
        for line in lines
    )
    assert "| pywin32 | 312 | not for this platform, and so not read |" in lines
