"""``deskhand backup`` and ``deskhand restore``."""

from __future__ import annotations

import json
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import typer
from pydantic import SecretStr
from rich.filesize import decimal
from rich.progress import Progress

from deskhand.cli.common import err, out, read_settings, run
from deskhand.errors import ConfigurationError, ConflictError, InvalidInputError
from deskhand.installation import KEYS_FILE, TENANT_KEY_FILE, Installation, migrate, open_installation, split_keys
from deskhand.kit.clock import utc_now
from deskhand.kit.db.embedded import EmbeddedPostgres
from deskhand.kit.db.files import write_whole
from deskhand.recovery import restore as restoring
from deskhand.recovery.backup import back_up
from deskhand.recovery.manifest import Manifest
from deskhand.settings import Settings
from deskhand.ui.terminal import bars

KEY_FILE = typer.Option(
    None, "--key-file", help="A file whose text opens the backup (`deskhand keys new` makes one); else you are asked."
)
_IN_THE_MANIFEST = frozenset({"encryption_keys", "tenant_key"})
_ENDING = ".backup"
_OLD_SETTINGS = "restored.env"

app = typer.Typer()


@app.callback()
def main() -> None:
    """Backup and restore."""


@app.command()
def backup(
    file: Path = typer.Argument(
        ..., help="The file to write; it must not be there yet. In a folder it is named by the date."
    ),
    key_file: Path | None = KEY_FILE,
) -> None:
    """Write everything that this installation needs to live again into one encrypted file."""
    passphrase = passphrase_of(key_file, twice=True)
    file = file / f"deskhand-{utc_now():%Y%m%d-%H%M%S}{_ENDING}" if file.is_dir() else file
    with open_installation(read_settings()) as installation:
        manifest = run(_backed_up(installation, file, passphrase))
    out.print(
        f"{file}: {len(manifest.tables)} tables, {manifest.rows:,} rows, {decimal(file.stat().st_size)}. Keep what"
        " opens it in another place: without it nobody can read the backup.",
        highlight=False,
        soft_wrap=True,
    )
    _warn_of_locked(manifest)


def _warn_of_locked(manifest: Manifest) -> None:
    if manifest.locked:
        err.print(
            f"[bold yellow]warning:[/] {manifest.locked} stored secrets open with none of the keys that are set here,"
            " nor will they after a restore. Was this the ring that API and workers have?",
            highlight=False,
            soft_wrap=True,
        )


async def _backed_up(installation: Installation, file: Path, passphrase: str) -> Manifest:
    with bars(out) as display:
        manifest = await back_up(
            installation,
            file,
            passphrase,
            settings=_settings_text(installation.settings),
            counting=_share(display, "counting"),
            writing=_bytes(display, "written"),
        )
    about = {"file": file.name, "rows": manifest.rows}
    await restoring.note_down(installation.owner_url, "installation.backup", about)
    return manifest


@app.command()
def restore(
    file: Path = typer.Argument(..., help="A backup, or a folder of them: its newest."),
    key_file: Path | None = KEY_FILE,
    verify: bool = typer.Option(
        False, "--verify", help="Restore into a scratch database, compare everything, and remove it again."
    ),
) -> None:
    """Bring an installation back from a backup, into an empty place; with --verify prove that it could be."""
    settings = read_settings()
    file = _newest(file) if file.is_dir() else file
    kept = restoring.Backup(file, passphrase_of(key_file, twice=False), settings.pg_bin)
    manifest = kept.manifest()
    made = f"{manifest.made_at:%Y-%m-%d %H:%M} UTC by Deskhand {manifest.made_by}"
    out.print(f"{file}: made {made}, {manifest.rows:,} rows.", highlight=False, soft_wrap=True)
    if verify:
        with open_installation(settings) as installation:
            _tell(run(_verified(installation, kept, manifest)))
        out.print("This backup can be restored. The scratch database is gone again.")
        return
    with _placed_keys(settings, manifest), open_installation(settings) as installation:
        report = run(_compared(kept, installation.owner_url))
        migrate(installation)
        run(restoring.note_down(installation.owner_url, "installation.restore", {"file": file.name, "made": made}))
    _tell(report)
    _say_what_is_left(settings, manifest)


def _newest(folder: Path) -> Path:
    found = sorted(folder.glob(f"*{_ENDING}"), key=lambda path: (path.stat().st_mtime, path.name))
    if not found:
        raise InvalidInputError(f"There is no backup (*{_ENDING}) in {folder}.")
    return found[-1]


def _tell(report: restoring.Report) -> None:
    restoring.ensure_same(report)
    out.print(
        "Every table has the same rows as when it was backed up;"
        f" {report.chains} audit chains verify, {report.secrets} stored secrets open, tenants are kept apart.",
        highlight=False,
        soft_wrap=True,
    )


def _say_what_is_left(settings: Settings, manifest: Manifest) -> None:
    if manifest.settings:
        path = settings.data_dir / _OLD_SETTINGS
        settings.data_dir.mkdir(parents=True, exist_ok=True)
        lines = [f"{name}={_quoted(text)}\n" for name, text in sorted(manifest.settings.items())]
        write_whole(
            path,
            "# What was set in the old place. Take over what holds here; nothing reads this file.\n" + "".join(lines),
        )
        out.print(f"What was set in the old place is in {path}.", highlight=False, soft_wrap=True)
    out.print(
        "Before you start it: stop the old installation, or both would write on the same tickets. Embedded models are"
        " not in a backup: `deskhand models pull`. Then: `deskhand doctor`.",
        highlight=False,
        soft_wrap=True,
    )


async def _verified(installation: Installation, kept: restoring.Backup, manifest: Manifest) -> restoring.Report:
    async with _scratch(installation, manifest) as owner_url:
        return await _compared(kept, owner_url)


async def _compared(kept: restoring.Backup, owner_url: str) -> restoring.Report:
    with bars(out) as display:
        read = _bytes(display, "read", total=2 * kept.path.stat().st_size)
        return await restoring.restore(kept, owner_url, read=read, counting=_share(display, "comparing"))


@asynccontextmanager
async def _scratch(installation: Installation, manifest: Manifest) -> AsyncIterator[str]:
    admin_url = installation.owner_url
    if installation.embedded:
        settings = installation.settings
        admin_url = EmbeddedPostgres(settings.data_dir / "postgres", binaries=settings.pg_bin).superuser_url
    async with restoring.scratch_database(admin_url, installation.owner_url, manifest.extensions) as owner_url:
        yield owner_url


@contextmanager
def _placed_keys(settings: Settings, manifest: Manifest) -> Iterator[None]:
    """The backup's keys where this place looks for them; taken away again if the restore fails.

    Raises:
        ConfigurationError: This place has its keys from the environment, and they are others.
        ConflictError: The data directory has keys of its own: it is an installation's.
    """
    files = {}
    if settings.encryption_keys is None:
        files[KEYS_FILE] = manifest.encryption_keys
    elif not set(manifest.encryption_keys) <= set(split_keys(settings.encryption_keys.get_secret_value())):
        raise ConfigurationError(
            "DESKHAND_ENCRYPTION_KEYS does not hold the backup's keys, so no stored secret could be read. Unset it, and"
            f" the restore writes them into {settings.data_dir / KEYS_FILE}, from where they are read. Nothing was"
            " changed."
        )
    if settings.tenant_key is None and manifest.tenant_keys:
        files[TENANT_KEY_FILE] = manifest.tenant_keys
    written = []
    try:
        for name, keys in files.items():
            path = settings.data_dir / name
            if _place(path, keys):
                written.append(path)
        yield
    except BaseException:
        for path in written:
            path.unlink()
        raise


def _place(path: Path, keys: list[str]) -> bool:
    if path.exists():
        if split_keys(path.read_text(encoding="ascii").replace("\n", ",")) == tuple(keys):
            return False
        raise ConflictError(
            f"{path} holds other keys: this data directory is an installation's already. Restore into a new folder"
            " (DESKHAND_DATA_DIR). Nothing was changed."
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, "\n".join(keys))
    return True


def passphrase_of(key_file: Path | None, *, twice: bool) -> str:
    """What opens a sealed file: a key file's text, or what somebody types.

    Raises:
        InvalidInputError: The file cannot be read, or there is nobody to ask.
    """
    if key_file is not None:
        try:
            return key_file.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise InvalidInputError(f"{key_file} cannot be read as a key: {error}.") from error
    if not sys.stdin.isatty():
        raise InvalidInputError("Name the file with the key: --key-file. There is no terminal to ask at.")
    return str(typer.prompt("Passphrase", hide_input=True, confirmation_prompt=twice))


def _settings_text(settings: Settings) -> dict[str, str]:
    """What somebody has set, as it is written in the environment; defaults are the code's."""
    names = sorted(settings.model_fields_set - _IN_THE_MANIFEST)
    return {f"DESKHAND_{name.upper()}": _text(getattr(settings, name)) for name in names}


def _text(value: object) -> str:
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    return json.dumps(value) if isinstance(value, dict) else str(value)


def _quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _share(display: Progress, words: str) -> Callable[[float], None]:
    task = display.add_task(words, total=1.0)
    return lambda share: display.update(task, completed=share)


def _bytes(display: Progress, words: str, *, total: int | None = None) -> Callable[[int], None]:
    task = display.add_task(words, total=total)

    def grow(count: int) -> None:
        display.update(task, advance=count)
        display.update(task, description=f"{words} {decimal(int(display.tasks[task].completed))}")

    return grow
