"""An embedded PostgreSQL: the server binaries of a wheel (or of the system), supervised by us.

The server runs as an ordinary account (PostgreSQL refuses uid 0): as root that is the existing account
``postgres``, else ``nobody``. Nothing is created in the system and no directory above ours changes its mode.
It listens on 127.0.0.1 alone, with SCRAM passwords generated here and kept in files of mode 0600.
A file lock lets several processes start it at once; whoever comes later attaches. POSIX systems only.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import secrets
import shlex
import shutil
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

from deskhand.errors import UnavailableError
from deskhand.kit.db.blocking import run_blocking
from deskhand.kit.db.databases import drop_database, is_ready, make_database
from deskhand.kit.db.files import is_number, read_number, read_word, write_whole
from deskhand.kit.db.homes import OWNER_FILE, SYSTEM_DIRECTORY
from deskhand.kit.db.programs import ServerPrograms, find_binaries, unprivileged_account
from deskhand.kit.db.roles import APP_ROLE, OWNER_ROLE, PLATFORM_LOGIN, scram_verifier

DATABASE = "deskhand"
SUPERUSER = "postgres"

_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "200",
    "password_encryption": "scram-sha-256",
    "logging_collector": "off",
    "log_line_prefix": "%m [%p] %u@%d ",
    "timezone": "UTC",
}
_LOGINS = {"superuser": SUPERUSER, "owner": OWNER_ROLE, "app": APP_ROLE, "platform": PLATFORM_LOGIN}
_PORTS = range(20_000, 32_000)


class EmbeddedPostgres:
    """One PostgreSQL cluster under ``root``, with database ``deskhand`` and its roles.

    Args:
        root: Directory for the data, the passwords, the log and the lock; created if missing.
        port: TCP port on 127.0.0.1; None keeps the last one used, or picks a free one.
        settings: Server settings on top of ours, e.g. ``{"fsync": "off"}`` in tests.
        binaries: Directory of the server's binaries; None takes the wheel's.
        system_directory: Where the data goes when we are root and ``root`` lies where the unprivileged
            account cannot reach it (root's home): opening that directory to everyone is not ours to do.
    """

    def __init__(
        self,
        root: Path,
        *,
        port: int | None = None,
        settings: Mapping[str, str] | None = None,
        binaries: Path | None = None,
        system_directory: Path = SYSTEM_DIRECTORY,
    ) -> None:
        self.root = root.absolute()
        self.port = port
        self.settings = {**_SETTINGS, **(settings or {})}
        self._account = unprivileged_account()
        self._programs = ServerPrograms(find_binaries(binaries), self._account, self.log)
        self._system_directory = system_directory
        self._home = self.root
        self._home_marker = self.root / "data-home"
        self._started_here = False

    # --- what callers use -------------------------------------------------------------------------

    def start(self, *, timeout: float = 120.0) -> None:
        """Start the server, or attach to the running one; return when it answers and the roles exist.

        Args:
            timeout: Seconds to wait for the server, crash recovery included.

        Raises:
            ConfigurationError: No binaries, or no account to run the server as.
            UnavailableError: The server did not come up; the message names its log.
        """
        self._make_root()
        with self._lock():
            self._choose_home()
            self._programs.stage_if_unreachable(self._home)
            self._initialise_if_empty()
            # Another process may have started it since: whoever holds the lock second finds a server and uses it.
            if not self._attach(timeout):
                (self.data / "postmaster.pid").unlink(missing_ok=True)  # nobody's any more
                # Single-user mode needs the cluster to itself: after we know that none runs, and before one does.
                self._mend_passwords()
                self._launch(timeout)
            self._ensure_database()

    def stop(self) -> None:
        """Stop the server, whoever started it; no harm where none runs."""
        with self._lock():
            self._find_home()
            if self._live_pid() is not None:
                self._programs.run("pg_ctl", "-D", self.data, "-m", "fast", "-w", "-t", "60", "stop")
            self._started_here = False

    def remove(self) -> None:
        """Stop the server and delete everything it has, wherever its data had to go."""
        self.stop()
        for directory in {self._home, self.root}:
            shutil.rmtree(directory)

    @contextmanager
    def stopped_without_us(self) -> Iterator[None]:
        """Inside the block, which ``start`` belongs into, a death without ``stop`` stops the server; SIGKILL too."""
        self._make_root()
        with self._lock():
            self._choose_home()
            self._programs.stage_if_unreachable(self._home)
        guardian = self._programs.run_when_we_are_gone("pg_ctl", "-D", self.data, "-m", "fast", "stop")
        try:
            yield
        finally:
            # Killed before its pipe is closed: an end of the pipe is what tells it to stop the server.
            guardian.kill()
            guardian.communicate()

    @property
    def running(self) -> bool:
        """Whether a server answers on this data directory."""
        self._find_home()
        return self._live_pid() is not None and self._answers() == 0

    @property
    def data(self) -> Path:
        """The cluster's data directory."""
        return self._home / "data"

    @property
    def log(self) -> Path:
        """The server's log."""
        return self.root / "postgres.log"

    @property
    def superuser_url(self) -> str:
        """The cluster's superuser on database ``deskhand``: for administration, never for the application."""
        return self._url(SUPERUSER, "superuser")

    @property
    def owner_url(self) -> str:
        """``deskhand_owner``: for migrations."""
        return self._url(OWNER_ROLE, "owner")

    @property
    def app_url(self) -> str:
        """``deskhand_app``: for API and workers."""
        return self._url(APP_ROLE, "app")

    @property
    def platform_url(self) -> str:
        """``deskhand_platform_login``: for platform administration, by the API and the command line."""
        return self._url(PLATFORM_LOGIN, "platform")

    def __enter__(self) -> EmbeddedPostgres:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._started_here:
            self.stop()

    # --- files ------------------------------------------------------------------------------------

    def _make_root(self) -> None:
        # 0711: the server's account passes through to its data, and still cannot list what lies beside it.
        mode = 0o711 if self._account else 0o700
        self.root.parent.mkdir(parents=True, exist_ok=True)
        self.root.mkdir(mode=mode, exist_ok=True)
        self.root.chmod(mode)

    @contextmanager
    def _lock(self) -> Iterator[None]:
        # The kernel drops a flock with its last descriptor, a killed process's too; a lock file by itself would stay.
        descriptor = os.open(self.root / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def _find_home(self) -> None:
        """Where an earlier start put the data."""
        # Written down, because the modes of directories, by which the place was chosen, may have changed since.
        recorded = Path(read_word(self._home_marker))
        if recorded.is_absolute() and recorded.is_dir():
            self._home = recorded
        elif (self._system_home / "data").exists() and not (self.root / "data").exists():
            self._home = self._system_home

    def _choose_home(self) -> None:
        """Decide once where the data goes: later changes of modes above must not make a second cluster."""
        self._find_home()
        known = (self._home / "data").exists()
        if self._account is not None and not known and not self._programs.account_can(["test", "-x", str(self.root)]):
            self._system_directory.mkdir(mode=0o711, parents=True, exist_ok=True)
            self._home = self._system_home
            self._home.mkdir(mode=0o711, exist_ok=True)
        write_whole(self._home_marker, str(self._home))
        if self._home != self.root:
            write_whole(self._home / OWNER_FILE, str(self.root))

    @property
    def _system_home(self) -> Path:
        # Named after the installation's directory, so that two installations of one machine never share a cluster.
        return self._system_directory / hashlib.sha256(str(self.root).encode()).hexdigest()[:16]

    def _password(self, name: str) -> str:
        path = self.root / f"{name}-password"
        password = read_word(path)
        if not password:
            password = secrets.token_urlsafe(24)
            write_whole(path, password)
        return password

    def _mend_passwords(self) -> None:
        """Passwords whose files were lost are set anew in the cluster, by its owner's single-user mode."""
        torn = [name for name in _LOGINS if not read_word(self.root / f"{name}-password")]
        if torn and (self.root / "database-created").exists():
            statements = [
                f"ALTER ROLE {_LOGINS[name]} PASSWORD '{scram_verifier(self._password(name))}'\n" for name in torn
            ]
            self._programs.run("postgres", "--single", "-D", self.data, "postgres", feed="".join(statements))

    def _url(self, user: str, password_name: str, database: str = DATABASE) -> str:
        if self.port is None:
            self._find_home()
            self.port = self._recorded_port()
        if self.port is None:
            raise UnavailableError(f"The embedded PostgreSQL in {self.root} has never been started.")
        return f"postgresql://{user}:{self._password(password_name)}@127.0.0.1:{self.port}/{database}"

    # --- processes --------------------------------------------------------------------------------

    def _initialise_if_empty(self) -> None:
        if self._data_is_initialised():
            return
        unfinished = self._home / "data.new"
        for leftover in (self.data, unfinished):
            shutil.rmtree(leftover, ignore_errors=True)
        password_file = self._home / ".initdb-password"
        # O_EXCL below refuses a file that a crashed start left, or that somebody else put there to read the password.
        password_file.unlink(missing_ok=True)
        descriptor = os.open(password_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(self._password("superuser"))
        unfinished.mkdir(mode=0o700)
        if self._account:
            # A file, since another uid cannot reopen our /dev/stdin.
            for path in (unfinished, password_file):
                os.chown(path, self._account.pw_uid, self._account.pw_gid)
        # PostgreSQL 17 brings collation rules of its own. Those of the C library change with the system's upgrades,
        # which would break every index on text.
        modern = int(self._programs.version().split(".")[0]) >= 17
        locale = ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]
        try:
            self._programs.run(
                "initdb",
                *("-D", unfinished, "-U", SUPERUSER, f"--pwfile={password_file}", "--auth=scram-sha-256"),
                *("--encoding=UTF8", "--data-checksums", "--no-instructions"),
                *(locale if modern else ["--locale=C.UTF-8"]),
                log=True,
            )
        finally:
            password_file.unlink()
        # In one step, so that a start which is killed inside initdb leaves nothing that looks like a cluster.
        unfinished.rename(self.data)

    def _data_is_initialised(self) -> bool:
        # What initdb did not finish never gets this name; the two files tell what an earlier version of ours began.
        return (self.data / "PG_VERSION").exists() and (self.data / "global" / "pg_control").exists()

    # --- the running server -----------------------------------------------------------------------

    def _pid_file(self) -> list[str]:
        try:
            return (self.data / "postmaster.pid").read_text(errors="replace").splitlines()
        except FileNotFoundError:
            return []

    def _live_pid(self) -> int | None:
        lines = self._pid_file()
        if not lines or not is_number(lines[0]):
            return None
        pid = int(lines[0])
        try:
            # Signal 0 sends nothing; it only asks whether the process exists.
            os.kill(pid, 0)
        except (ProcessLookupError, OverflowError):
            return None
        # It exists and runs as another account, as the server of an installation of root does.
        except PermissionError:
            pass
        # After a restart of the machine or container the number may belong to something else, another cluster too.
        if Path("/proc/self").exists() and not self._serves_here(pid):
            return None
        return pid

    def _serves_here(self, pid: int) -> bool:
        try:
            words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except (FileNotFoundError, ProcessLookupError):
            return False
        return Path(os.fsdecode(words[0])).name == "postgres" and os.fsencode(self.data) in words

    def _recorded_port(self) -> int | None:
        lines = self._pid_file()
        # The port of a running server stands in the fourth line of its file, an order that PostgreSQL's tools need.
        if len(lines) > 3 and is_number(lines[3]):
            return int(lines[3])
        return read_number(self._home / "port")

    def _answers(self) -> int:
        """Exit status of pg_isready: 0 ready, 1 starting or stopping, 2 nothing there."""
        port = self._recorded_port()
        if port is None:
            return 2
        return self._programs.run("pg_isready", "-q", "-h", "127.0.0.1", "-p", port, check=False)

    def _attach(self, timeout: float) -> bool:
        deadline = time.monotonic() + timeout
        while self._live_pid() is not None:
            if self._answers() == 0:
                self.port = self._recorded_port()
                return True
            if time.monotonic() > deadline:
                raise UnavailableError(f"PostgreSQL is running but does not answer; see {self.log}.")
            time.sleep(0.05)
        return False

    def _launch(self, timeout: float) -> None:
        deadline = time.monotonic() + timeout
        # The last port again where it is free: addresses that people have written down stay right.
        self.port = self.port or _free_port(self._recorded_port())
        options = {**self.settings, "port": str(self.port)}
        flags = " ".join(f"-c {shlex.quote(f'{key}={value}')}" for key, value in options.items())
        # Backends of a killed postmaster hold shared memory for a moment, so one refusal is not the end.
        start = ("-D", self.data, "-s", "-w", "-t", max(1, round(timeout)), "-o", flags, "start")
        while self._programs.run("pg_ctl", *start, check=False, log=True):
            if time.monotonic() > deadline:
                raise UnavailableError(f"PostgreSQL did not start within {timeout:.0f} s; see {self.log}.")
            time.sleep(0.3)
        self._started_here = True
        write_whole(self._home / "port", str(self.port))

    # --- databases --------------------------------------------------------------------------------

    def create_database(self, name: str, *, template: str | None = None) -> None:
        """Create a database with our roles' rights and the extensions only a superuser may add."""
        passwords = {role: self._password(login) for login, role in _LOGINS.items() if role != SUPERUSER}
        run_blocking(lambda: make_database(self._superuser_at, name, passwords=passwords, template=template))

    def drop_database(self, name: str) -> None:
        """Drop a database, whoever is connected to it."""
        run_blocking(lambda: drop_database(self._superuser_at, name))

    def _superuser_at(self, database: str) -> str:
        return self._url(SUPERUSER, "superuser", database)

    def _ensure_database(self) -> None:
        marker = self.root / "database-created"
        if marker.exists() and run_blocking(lambda: is_ready(self._superuser_at, DATABASE)):
            return
        self.create_database(DATABASE)
        marker.touch(mode=0o600)


def _free_port(preferred: int | None) -> int:
    """The preferred port if it is free (connected clients find the server again), else any free one.

    From below the range that systems give to outgoing connections, so that none of those takes it while we restart.
    """
    candidates = [_PORTS.start + secrets.randbelow(len(_PORTS)) for _ in range(100)]
    for candidate in candidates if preferred is None else [preferred, *candidates]:
        with socket.socket() as probe:
            # As the server will set it: without it a port whose last connections have just closed would seem taken.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", candidate))
            except OSError:
                continue
            return candidate
    raise UnavailableError("No free TCP port on 127.0.0.1.")
