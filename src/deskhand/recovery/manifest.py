"""What a backup says of itself, before the dump: everything beside the database that an installation needs.

A backup is a sealed file (``kit.sealed``) of four bytes with the manifest's length, the manifest as JSON, and the dump
of the database as ``pg_dump`` writes it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime

from pydantic import BaseModel, ConfigDict, ValidationError

from deskhand.errors import InvalidInputError

_LENGTH = 4
_LONGEST = 1 << 24


class Figure(BaseModel):
    """A table as it is counted: its rows, and the sum of their hashes, which their order does not change."""

    rows: int
    digest: str


class Manifest(BaseModel):
    """What is in a backup.

    Attributes:
        made_at: When the snapshot was taken.
        made_by: The version of Deskhand.
        revision: Of the schema.
        server_major: PostgreSQL's version.
        extensions: What the database needs of its server.
        roles: Who owns or may use something in it, beside the superuser.
        tables: Each with its figure.
        sequences: The last value of each.
        encryption_keys: The ring, newest first.
        tenant_keys: What sessions prove their tenant with.
        settings: What was set in the old place, by variable.
        locked: Stored secrets that none of the keys opened there.
    """

    model_config = ConfigDict(extra="ignore")

    made_at: datetime
    made_by: str
    revision: str
    server_major: int
    extensions: list[str]
    roles: list[str]
    tables: dict[str, Figure]
    sequences: dict[str, int]
    encryption_keys: list[str]
    tenant_keys: list[str]
    settings: dict[str, str]
    locked: int = 0

    @property
    def rows(self) -> int:
        """Of all tables."""
        return sum(figure.rows for figure in self.tables.values())


def packed(manifest: Manifest) -> bytes:
    """The beginning of a backup's content."""
    text = manifest.model_dump_json().encode()
    return len(text).to_bytes(_LENGTH, "big") + text


def unpacked(pieces: Iterator[bytes]) -> tuple[Manifest, Iterator[bytes]]:
    """The manifest, and the dump behind it, of a backup's content.

    Raises:
        InvalidInputError: It is no backup's.
    """
    begun = b""
    for piece in pieces:
        begun += piece
        length = int.from_bytes(begun[:_LENGTH], "big")
        if length > _LONGEST or len(begun) >= _LENGTH + length:
            break
    length = int.from_bytes(begun[:_LENGTH], "big")
    try:
        manifest = Manifest.model_validate_json(begun[_LENGTH : _LENGTH + length])
    except ValidationError as error:
        raise InvalidInputError(
            "What the backup says of itself cannot be read; install the version that made it."
        ) from error
    return manifest, _joined(begun[_LENGTH + length :], pieces)


def _joined(first: bytes, rest: Iterable[bytes]) -> Iterator[bytes]:
    if first:
        yield first
    yield from rest
