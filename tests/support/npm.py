"""Programs of others that tests run as they are; tools/ci-setup.sh installs them from lock files."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import NoReturn

import pytest


def need_npm(installed: Path, name: str) -> None:
    """Skip where a package is not installed; in CI that is a failure.

    Args:
        installed: What is there once it is.
        name: The package's.
    """
    if not (shutil.which("node") and installed.exists()):
        _missing(f"npm's {name} is not installed: tools/ci-setup.sh does it where npm is")


def need_program(installed: Path, name: str) -> None:
    """Skip where a program of the package index is not installed; in CI that is a failure.

    Args:
        installed: What is there once it is.
        name: The package's.
    """
    if not installed.exists():
        _missing(f"{name} is not installed: tools/ci-setup.sh does it")


def _missing(reason: str) -> NoReturn:
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)
