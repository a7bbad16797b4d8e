"""Programs of npm that tests run as they are; tools/ci-setup.sh installs them from lock files."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest


def need_npm(installed: Path, name: str) -> None:
    """Skip where a package is not installed; in CI that is a failure.

    Args:
        installed: What is there once it is.
        name: The package's.
    """
    if shutil.which("node") and installed.exists():
        return
    reason = f"npm's {name} is not installed: tools/ci-setup.sh does it where npm is"
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)
