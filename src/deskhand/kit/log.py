"""Structured logs: one JSON object a line for machines, coloured lines for people, secrets in neither.

Lines of the standard library's loggers (uvicorn, SQLAlchemy, PgQueuer) pass through the same chain, so
redaction holds for them and for tracebacks too. Logs go to stderr: stdout belongs to a command's own output.

A line is one line, whatever a stranger's text holds: line breaks, terminal commands and characters that turn the order
of others round are written as escapes, so that nobody writes entries of their own.

Names of the fields that tie lines together: ``request_id``, ``tenant_id``, ``execution_id``, ``agent_id``.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any, Literal, TextIO

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from deskhand.kit.secrets_in_text import REDACTED, names_a_secret, scrub

_MAX_DEPTH = 6
# What JSON leaves as it is and a terminal or a viewer acts on: C1 commands, line separators, marks of direction; and
# halves of surrogates, which cannot be written at all.
_UNSEEN = {
    code: f"\\u{code:04x}"
    for code in (
        *range(0x7F, 0xA0), *(0x061C, 0x200E, 0x200F, 0x2028, 0x2029), *range(0x202A, 0x202F), *range(0x2066, 0x206A),
        *range(0xD800, 0xE000),
    )
}  # fmt: skip
_COMMANDS = {**_UNSEEN, **{code: f"\\x{code:02x}" for code in range(0x20)}, ord("\n"): "\\n", ord("\r"): "\\r"}
_OF_MANY_LINES = ("exception", "stack")


def configure_logging(
    *, level: str = "INFO", log_format: Literal["json", "console"] = "json", stream: TextIO | None = None
) -> None:
    """Set up logging for the process; a second call replaces the first.

    Give uvicorn ``log_config=None``, or it installs handlers of its own beside these.

    Args:
        level: Least severe level that is written: DEBUG, INFO, WARNING or ERROR.
        log_format: ``json``, or ``console`` for people.
        stream: Where lines go; stderr if None.
    """
    threshold = logging.getLevelNamesMapping()[level.upper()]
    out = stream or sys.stderr
    handler = logging.StreamHandler(out)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=_shared_processors(),
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                redact,
                *_renderers(log_format, colors=out.isatty()),
            ],
        )
    )
    root = logging.getLogger()
    # Uvicorn's and the libraries' own handlers go: what they wrote would not pass the redaction.
    root.handlers[:] = [handler]
    root.setLevel(threshold)
    # The HTTP library logs whole addresses, and at DEBUG headers: of a chat's webhook the address is the secret.
    for name in ("httpx2", "httpcore2"):
        logging.getLogger(name).setLevel(max(threshold, logging.WARNING))
    structlog.configure(
        processors=[*_shared_processors(), structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        logger_factory=structlog.stdlib.LoggerFactory(),
        # Not cached: it saves microseconds, and costs every test that captures or reconfigures logs.
        cache_logger_on_first_use=False,
    )


def _shared_processors() -> list[Processor]:
    return [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
    ]


def _renderers(log_format: str, *, colors: bool) -> list[Processor]:
    if log_format == "console":
        return [
            _as_one_line,
            structlog.dev.ConsoleRenderer(colors=colors, exception_formatter=structlog.dev.plain_traceback),
        ]
    return [structlog.processors.JSONRenderer(ensure_ascii=False), _escaped]


def _as_one_line(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Processor: texts without line breaks and terminal commands; a traceback keeps its lines, each behind a bar."""
    return {
        key: _barred(value)
        if key in _OF_MANY_LINES
        else value.translate(_COMMANDS)
        if isinstance(value, str)
        else value
        for key, value in event.items()
    }


def _barred(value: object) -> str:
    # An exception's message may quote a stranger: behind the bar none of its lines passes for an entry.
    return "\n".join(f"  | {line.translate(_COMMANDS)}" for line in str(value).split("\n"))


def _escaped(_logger: WrappedLogger, _method: str, line: Any) -> str:
    """Processor: the same JSON, with escapes for what the serialiser lets through."""
    return str(line).translate(_UNSEEN)


def log_context(**ids: str | None) -> AbstractContextManager[None]:
    """Put ids on every line written inside the block, in this task and the tasks it starts.

    Args:
        ids: ``request_id``, ``tenant_id``, ``execution_id``, ``agent_id``, ...; None values are left out.
    """
    present = {name: value for name, value in ids.items() if value is not None}
    return structlog.contextvars.bound_contextvars(**present)


def redact(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Processor: remove secrets by the name of their field, and wherever a value looks like one."""
    return {key: _clean(key, value, 0) for key, value in event.items()}


def _clean(key: str, value: object, depth: int) -> object:
    # By its name first: a password looks like any other word.
    if value is not None and names_a_secret(key):
        return REDACTED
    if value is None or isinstance(value, bool | int | float):
        return value
    # Somebody's whole payload in a log line must not make writing it cost more than handling it.
    if isinstance(value, Mapping | list | tuple | set | frozenset) and depth >= _MAX_DEPTH:
        return "[too deep]"
    if isinstance(value, Mapping):
        return {str(name): _clean(str(name), item, depth + 1) for name, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_clean("", item, depth + 1) for item in value]
    # Everything else as the renderer would write it, but cleaned: an object's text may quote a secret.
    return scrub(str(value))
