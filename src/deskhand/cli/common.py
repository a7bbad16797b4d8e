"""What every command shares: settings, the console, and failures in words instead of tracebacks."""

from __future__ import annotations

import asyncio
import json
import os
import socket
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from getpass import getuser
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ValidationError
from rich.console import Console
from rich.markup import escape

from deskhand.audit.source import USER_AGENT_LENGTH, Source, acting_from
from deskhand.errors import ConfigurationError, DeskhandError, FieldProblem, InvalidInputError
from deskhand.installation import Installation, migrate, open_installation
from deskhand.kit.db.readiness import verify_application_role, verify_proofs
from deskhand.kit.db.session import Database
from deskhand.kit.log import configure_logging
from deskhand.kit.parent import CHILD_VARIABLES
from deskhand.kit.pointer import fault_sentence, pointer
from deskhand.settings import Settings, load_settings, mistyped_variables

try:
    from uvloop import new_event_loop
except ImportError:  # it is not made for Windows
    new_event_loop = asyncio.new_event_loop  # type: ignore[assignment]  # the standard one, of a wider type

T = TypeVar("T")
Input = TypeVar("Input", bound=BaseModel)

out = Console()
err = Console(stderr=True)


def tell(error: Exception) -> bool:
    """Print one of our own failures as a sentence; False if it is none."""
    if isinstance(error, DeskhandError):
        err.print(f"[bold red]error:[/] {escape(error.detail)}", highlight=False, soft_wrap=True)
        for fault in error.errors:
            err.print(f"  {escape(fault.pointer)}: {escape(fault.detail)}", highlight=False, soft_wrap=True)
        return True
    return False


def read_settings() -> Settings:
    """The settings, or a sentence per wrong variable; one that is mistyped is named, and nothing is refused for it."""
    # A child of ours inherits what its parent has told already.
    for sentence in () if CHILD_VARIABLES.keys() <= os.environ.keys() else mistyped_variables():
        err.print(f"[bold yellow]warning:[/] {escape(sentence)}", highlight=False, soft_wrap=True)
    try:
        return load_settings()
    except ValidationError as error:
        faults = "; ".join(
            f"DESKHAND_{'_'.join(str(part) for part in fault['loc']).upper()}: {fault['msg']}"
            for fault in error.errors(include_input=False, include_url=False)
        )
        raise ConfigurationError(f"The settings cannot be used: {faults}") from error


def checked(model: type[Input], value: object) -> Input:
    """What was given to a command, as the API would take it.

    Raises:
        InvalidInputError: It is something else; names each fault and its place.
    """
    try:
        return model.model_validate(value)
    except ValidationError as error:
        faults = [
            FieldProblem(pointer=pointer(fault["loc"]) or "/", detail=fault_sentence(fault))
            for fault in error.errors(include_input=False, include_url=False)
        ]
        raise InvalidInputError("What was given cannot be used:", errors=faults) from None


def read_json_file(path: Path) -> Any:
    """The JSON in a file that a command was given.

    Raises:
        InvalidInputError: It cannot be read, is no UTF-8, or no JSON.
    """
    try:
        # utf-8-sig: editors on Windows put a mark before the text, which is no JSON.
        return json.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise InvalidInputError(f"{path} cannot be read: {error.strerror or error}.") from error
    except UnicodeDecodeError as error:
        raise InvalidInputError(f"{path.name} is not UTF-8 (byte {error.start + 1}); save it as UTF-8.") from error
    except (ValueError, RecursionError) as error:
        raise InvalidInputError(f"{path.name} is not JSON: {error}.") from error


def start_logging(settings: Settings, *, log_format: Literal["json", "console"] | None = None) -> None:
    """Logging as the settings say."""
    chosen: Literal["json", "console"] = "console" if (log_format or settings.log_format) == "console" else "json"
    configure_logging(level=settings.log_level, log_format=chosen)


@contextmanager
def opened_installation(*, up_to_date: bool = True) -> Iterator[Installation]:
    """The installation the settings describe; its own database is migrated, another one is only used.

    Args:
        up_to_date: Migrate the embedded database first.
    """
    with open_installation(read_settings()) as installation:
        if up_to_date and installation.embedded:
            migrate(installation)
        yield installation


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run a command's asynchronous part; what it records says who sat at which machine."""
    with acting_from(Source(user_agent=f"deskhand of {_login()} on {socket.gethostname()}"[:USER_AGENT_LENGTH])):
        return asyncio.run(work)


def _login() -> str:
    try:
        return getuser()
    except (KeyError, OSError):  # a container may run as a number that has no name
        return str(os.getuid())


def run_service(work: Coroutine[Any, Any, T]) -> T:
    """Run a process that serves, on the event loop that uvicorn takes for the API: it halves what a statement costs."""
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        return runner.run(work)


@asynccontextmanager
async def database(installation: Installation, *, pool_size: int = 1) -> AsyncIterator[Database]:
    """Sessions for one command."""
    db = await Database.reach(
        installation.database_url,
        platform_url=installation.platform_url,
        prover=installation.prover,
        pool_size=pool_size,
    )
    try:
        yield db
    finally:
        await db.dispose()


async def check_login(installation: Installation) -> None:
    """Refuse a database login on which tenancy would not hold, and one that the database would show nothing.

    Raises:
        ConfigurationError: Says what the login may that it must not.
    """
    async with database(installation) as db:
        await verify_application_role(db)
        await verify_proofs(db)


def say(text: str, where: Console = out) -> None:
    """Print words of other people: they must not steer the terminal of whoever reads them."""
    text = "".join(char if char.isprintable() or char == "\n" else "\N{REPLACEMENT CHARACTER}" for char in text)
    where.print(text, markup=False, highlight=False, soft_wrap=True)
