"""The files of a ticket: what of them is asked for, and what of an answer is taken for one."""

from __future__ import annotations

from deskhand.plugins.errors import DeskNotFoundError, DeskProtocolError, DeskValidationError
from deskhand.plugins.values import MAX_FILE_BYTES, AttachedFile

_MIB = 1024 * 1024


def file_number(file: AttachedFile, *, desk: str) -> str:
    """The id of a file at a desk that numbers them, fit to stand in an address.

    Raises:
        DeskNotFoundError: It is no number, so no file has it, and it must not become another address.
    """
    if not (file.id.isascii() and file.id.isdigit()):
        raise DeskNotFoundError(f"{desk} has no such file.")
    return file.id


def ensure_size(size: int | None, file: AttachedFile, *, desk: str) -> None:
    """Refuse what is too long; called with what the desk says before a file is asked for, and with its length after.

    Raises:
        DeskValidationError: It is longer than ``MAX_FILE_BYTES``.
    """
    if size is not None and size > MAX_FILE_BYTES:
        raise DeskValidationError(
            f"'{file.name}' at {desk} has {size / _MIB:.1f} MiB; files of up to {MAX_FILE_BYTES // _MIB} MiB are read."
        )


def whole_file(content: bytes, file: AttachedFile, *, desk: str) -> bytes:
    """The bytes that came for a file, if they can be all of it and nothing else.

    Raises:
        DeskValidationError: They are longer than ``MAX_FILE_BYTES``, whatever the desk said before.
        DeskProtocolError: The desk said another length: a page to sign in at answers 200 as well.
    """
    ensure_size(len(content), file, desk=desk)
    if file.size is not None and len(content) != file.size:
        raise DeskProtocolError(
            f"{desk} sent {len(content)} bytes for '{file.name}', which has {file.size}: that is not the file."
        )
    return content
