"""Whether an event fits its trigger's ``payload_schema``: in bounded time, whatever the two are.

What is light is judged at once. The rest goes to a process that is killed when it takes too long (``helper``): the
library is fast, but keeps the interpreter's lock, and compares large numbers each with each.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess  # nosec B404
import sys
import threading
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import Any

from deskhand.errors import FieldProblem, InvalidInputError, UnavailableError
from deskhand.kit.payloads.faults import faults_of, fits
from deskhand.kit.payloads.helper import OUT_OF_MEMORY
from deskhand.kit.payloads.rules import Compiled, compiled
from deskhand.kit.payloads.walk import SchemaFaultError

LIGHT_TO_JUDGE = 100_000
LIGHT_TO_EXPLAIN = 5_000
"""Schemas times values; naming a fault costs some thirty times as much as finding that there is one."""
CHARACTERS_PER_VALUE = 16
WALL_SECONDS = 20.0
"""The helper counts CPU time, which a loaded machine does not use up; this is for one that stands still."""
# Each takes a core while it works; more would let heavy events of one tenant crowd out the API itself.
HELPERS = 2
WAITING = 32
RETRY_AFTER = 5.0
PASSED_ON = ("PATH", "PYTHONPATH", "LD_LIBRARY_PATH", "VIRTUAL_ENV")
"""Of our environment, to a process that handles strangers' words: no secret."""

_helpers = ThreadPoolExecutor(HELPERS, thread_name_prefix="payload-schema")
_waiting = threading.BoundedSemaphore(WAITING)


async def check_schema(payload: dict[str, Any], schema: dict[str, Any] | None, *, at: str = "") -> None:
    """Hold an event to the trigger's JSON schema.

    Args:
        payload: The event.
        schema: The trigger's schema, or None where everything fits.
        at: JSON pointer of the event inside the body it came in.

    Raises:
        InvalidInputError: It does not fit, or cannot be judged in time; ``errors`` has a JSON pointer (RFC 6901) per
            fault.
        UnavailableError: Too many heavy events are waiting to be judged.
    """
    if schema is None:
        return
    try:
        ready = _ready(json.dumps(schema))
    except SchemaFaultError as error:
        raise InvalidInputError(f"This trigger's payload_schema cannot be used: {error}. Save another.") from error
    faults = _judged_here(payload, ready)
    if faults is None:
        faults = await _judged_apart(payload, schema)
    if faults:
        problems = [FieldProblem(at + fault.pointer, fault.detail) for fault in faults]
        raise InvalidInputError("The body does not fit this trigger's payload_schema.", errors=problems)


@lru_cache(maxsize=256)
def _ready(schema: str) -> Compiled:
    return compiled(json.loads(schema))


def _judged_here(payload: dict[str, Any], schema: Compiled) -> list[FieldProblem] | None:
    """The faults, or None where they are not found in little time."""
    work = _work(payload, schema)
    if work > LIGHT_TO_JUDGE:
        return None
    if fits(payload, schema):
        return []
    return faults_of(payload, schema) if work <= LIGHT_TO_EXPLAIN else None


def _work(payload: dict[str, Any], schema: Compiled) -> float:
    # Counting stops where the work is heavy for sure, so that the count itself stays cheap for an event of a megabyte.
    size, most = 0, LIGHT_TO_JUDGE / schema.weight
    pending: list[Any] = [payload]
    while pending and size <= most:
        value = pending.pop()
        size += _size(value)
        if isinstance(value, dict):
            pending.extend(value.values())
        elif isinstance(value, list):
            pending.extend(value)
    # uniqueItems compares each item with each other one.
    return schema.weight * size * (size if schema.unique else 1)


def _size(value: Any) -> int:
    if isinstance(value, str):
        return 1 + len(value) // CHARACTERS_PER_VALUE
    if isinstance(value, int):
        return 1 + value.bit_length() // 64
    return 1 + _names(value) if isinstance(value, dict) else 1


def _names(value: Iterable[str]) -> int:
    return sum(len(name) for name in value) // CHARACTERS_PER_VALUE


async def _judged_apart(payload: dict[str, Any], schema: dict[str, Any]) -> list[FieldProblem]:
    if not _waiting.acquire(blocking=False):
        raise UnavailableError(
            "Too many large events wait to be checked; please send it again.", retry_after=RETRY_AFTER
        )
    try:
        return await asyncio.get_running_loop().run_in_executor(_helpers, _ask_helper, payload, schema)
    finally:
        _waiting.release()


def _ask_helper(payload: dict[str, Any], schema: dict[str, Any]) -> list[FieldProblem]:
    """Blocks; killed at its deadline."""
    try:
        result = subprocess.run(  # nosec B603
            # -P: no module of the working directory may stand in for ours.
            [sys.executable, "-P", "-m", "deskhand.kit.payloads.helper"],
            input=json.dumps({"schema": schema, "payload": payload}).encode(),
            env={name: os.environ[name] for name in PASSED_ON if name in os.environ},
            capture_output=True,
            timeout=WALL_SECONDS,
            check=False,
        )
    except (subprocess.TimeoutExpired, OSError) as error:
        raise UnavailableError("The event could not be checked in time; please send it again.") from error
    # Below zero the kernel killed it for its CPU time, which is the event's doing; above, it is a bug of ours.
    if result.returncode > 0 and result.returncode != OUT_OF_MEMORY:
        raise RuntimeError(f"The helper failed: {result.stderr.decode(errors='replace')[-2000:]}")
    if result.returncode != 0:
        raise InvalidInputError(
            "The body takes too long to be checked against this trigger's payload_schema: send less, or save a schema"
            " without uniqueItems or references that multiply."
        )
    return [FieldProblem(*fault) for fault in json.loads(result.stdout)]
