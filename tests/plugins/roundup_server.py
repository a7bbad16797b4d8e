"""A real Roundup server on loopback, with the plugin from ``examples/`` installed for this test run only.

Roundup lives in an environment of its own under ``.cache``; making it needs the package index once.
"""

from __future__ import annotations

import fcntl
import hashlib
import importlib
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import pytest

ROOT = Path(__file__).parent.parent.parent
PACKAGE = ROOT / "examples" / "deskhand-roundup"
TRACKER = Path(__file__).parent / "roundup_tracker.py"
SERVER_PACKAGES = ("roundup==2.6.0", "waitress==3.0.2")
_UNREACHABLE = re.compile(
    r"failed to fetch|error sending request|dns error|network|connect|timed out|temporary failure", re.IGNORECASE
)


def _uv(*arguments: str) -> None:
    """Run uv; an unreachable package index skips, everything else fails."""
    done = subprocess.run([sys.executable, "-m", "uv", *arguments], capture_output=True, text=True, check=False)
    if done.returncode and _UNREACHABLE.search(done.stderr):
        pytest.skip(f"the package index cannot be reached, so there is no Roundup to test with: {done.stderr[-200:]}")
    assert done.returncode == 0, done.stderr


@contextmanager
def _made_once(name: str, inputs: str) -> Iterator[tuple[Path, bool]]:
    """A directory under ``.cache``, and whether it must still be filled; one test process fills it."""
    directory = ROOT / ".cache" / f"{name}-{hashlib.sha256(inputs.encode()).hexdigest()[:12]}"
    directory.parent.mkdir(exist_ok=True)
    with directory.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        stamp = directory / ".complete"
        missing = not stamp.exists()
        if missing:
            shutil.rmtree(directory, ignore_errors=True)
        yield directory, missing
        stamp.touch()


def server_python() -> Path:
    """Python of an environment that has Roundup."""
    inputs = " ".join([sys.executable, sys.version, *SERVER_PACKAGES, str(ROOT)])
    with _made_once("roundup", inputs) as (directory, missing):
        python = directory / "bin" / "python"
        if missing:
            _uv("venv", "--quiet", "--python", sys.executable, str(directory))
            _uv("pip", "install", "--quiet", "--python", str(python), *SERVER_PACKAGES)
    return python


@contextmanager
def installed_plugin() -> Iterator[None]:
    """The example package, installed from its own pyproject, for the length of a ``with`` block."""
    sources = sorted(path for path in PACKAGE.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    inputs = "".join(f"{path}\n{path.read_bytes()!r}\n" for path in sources)
    with _made_once("deskhand-roundup", inputs) as (directory, missing):
        if missing:
            _uv("pip", "install", "--quiet", "--no-deps", "--target", str(directory), str(PACKAGE))
    sys.path.insert(0, str(directory))
    importlib.invalidate_caches()
    try:
        yield
    finally:
        sys.path.remove(str(directory))
        for name in [name for name in sys.modules if name.split(".")[0] == "deskhand_roundup"]:
            del sys.modules[name]


class RoundupServer:
    """One tracker and the process that serves it.

    Args:
        home: Directory of the tracker; made if it is not there.
    """

    def __init__(self, home: Path) -> None:
        self.home = home
        self.url = ""
        self._python = server_python()
        self._process: subprocess.Popen[str] | None = None
        if not home.exists():
            done = subprocess.run([self._python, TRACKER, "make", home], capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stdout + done.stderr

    def start(self, *, webhook_url: str, secret: str) -> Self:
        """Serve the tracker; its detector delivers to ``webhook_url``."""
        log = (self.home / "server.log").open("a")
        command = [self._python, TRACKER, "serve", self.home, webhook_url, secret]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)
        log.close()
        assert self._process.stdout is not None
        self.url = self._process.stdout.readline().strip().rstrip("/")
        assert self.url, (self.home / "server.log").read_text()[-2000:]
        return self

    def stop(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def fields(self, **changes: Any) -> dict[str, Any]:
        """The connection's configuration."""
        return {
            "roundup_url": self.url,
            "roundup_user": "deskhand",
            "roundup_password": "deskhand-password",
            "roundup_group_field": "team",
            **changes,
        }

    def mail(self) -> str:
        """Everything the tracker has mailed."""
        file = self.home / "mail.log"
        return file.read_text() if file.exists() else ""
