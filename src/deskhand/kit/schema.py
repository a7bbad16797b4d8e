"""Base classes of request bodies, and the text type of query parameters.

PostgreSQL stores neither NUL characters nor unpaired surrogates, and JSONB neither NaN nor
infinity. Such input is refused here, with the place named, instead of failing at the insert.
"""

from __future__ import annotations

import itertools
import json
import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from types import UnionType
from typing import Annotated, Any, ClassVar, Self, Union, get_args, get_origin

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    GetJsonSchemaHandler,
    ModelWrapValidatorHandler,
    ValidationError,
    WithJsonSchema,
    model_validator,
)
from pydantic.config import JsonDict
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, InitErrorDetails, PydanticCustomError
from pydantic_core.core_schema import ErrorType

from deskhand.kit.nearest import nearest, what_exists

MAX_DEPTH = 50
"""Levels of nesting in a body; deeper documents would exhaust the stack of the JSON encoder."""
MAX_PARTS = 50_000
"""Values in a body, names of members included; a megabyte has room for half a million, and to look at each of them
would keep the event loop from everybody else."""

_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


def storable_text(value: str) -> str:
    """Return the text if PostgreSQL can store it.

    Raises:
        ValueError: It holds a NUL character or half of a surrogate pair.
    """
    if _UNSTORABLE.search(value) is not None:
        raise ValueError("must not contain NUL characters or unpaired surrogates")
    return value


def ensure_storable(value: Any) -> None:
    """Walk a JSON value and refuse what the database cannot hold.

    Raises:
        ValueError: A text, number or nesting depth that cannot be stored, or more values than ``MAX_PARTS``.
    """
    # A stack of our own: the depth is the sender's choice, and recursion would end where Python's stack does.
    pending: list[tuple[Any, int]] = [(value, 0)]
    parts = 0
    while pending:
        current, depth = pending.pop()
        if depth > MAX_DEPTH:
            raise ValueError(f"must not be nested deeper than {MAX_DEPTH} levels")
        if isinstance(current, str):
            storable_text(current)
        elif isinstance(current, float) and not math.isfinite(current):
            raise ValueError("must not contain NaN or infinite numbers")
        elif isinstance(current, dict | list | tuple):
            # Counted before they are queued: the queue of half a million is most of the cost.
            parts += len(current) * (2 if isinstance(current, dict) else 1)
            if parts > MAX_PARTS:
                raise ValueError(f"must not have more than {MAX_PARTS} values and names in all")
            members = itertools.chain.from_iterable(current.items()) if isinstance(current, dict) else current
            pending.extend((part, depth + 1) for part in members)


StorableText = Annotated[str, AfterValidator(storable_text)]
NOT_BLANK: JsonDict = {"pattern": r"^[^\u0000]*[^\s\u0000][^\u0000]*$"}
"""For the document: what a text fits that is stripped and may not be empty then."""

KNOWN = "x-known"
"""For the document: the field is one word of a list that the installation decides; ``kit.openapi`` writes the list."""

EARLIEST, LATEST = datetime(1900, 1, 1, tzinfo=UTC), datetime(9000, 1, 1, tzinfo=UTC)
_RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:[Zz]|[+-]\d\d:\d\d)", re.ASCII)
_WHOLE = re.compile(r"-?[0-9]{1,18}", re.ASCII)


def _instant_text(value: Any) -> Any:
    """Pydantic takes numbers for epochs, of which nobody can say whether seconds or milliseconds are meant."""
    if isinstance(value, datetime) or (isinstance(value, str) and _RFC3339.fullmatch(value)):
        return value
    raise ValueError("must be a time with its zone, such as 2026-05-04T09:00:00Z")


def instant_within_reach(value: datetime) -> datetime:
    """Return the time in UTC, if every calendar, zone and interval this product computes with can hold it.

    Raises:
        ValueError: It lies before 1900 or after 9000, or names no zone.
    """
    if value.tzinfo is None:
        raise ValueError("must name its zone")
    try:
        moment = value.astimezone(UTC)
    except OverflowError:
        moment = datetime.min.replace(tzinfo=UTC)
    if not EARLIEST <= moment < LATEST:
        raise ValueError("must lie between the years 1900 and 9000")
    return moment


Instant = Annotated[
    AwareDatetime,
    BeforeValidator(_instant_text),
    AfterValidator(instant_within_reach),
    WithJsonSchema({"type": "string", "format": "date-time", "pattern": "^(?:19|[2-8][0-9])[0-9]{2}-"}),
]
"""A time from outside: RFC 3339 with its zone, and no number."""


def _flag_word(value: Any) -> Any:
    if isinstance(value, bool) or value is None:
        return value
    if value in ("true", "false"):
        return value == "true"
    raise ValueError("must be true or false")


def _whole_number_text(value: Any) -> Any:
    if isinstance(value, str) and not _WHOLE.fullmatch(value):
        raise ValueError("must be a whole number in digits")
    return value


QueryFlag = Annotated[bool, BeforeValidator(_flag_word)]
WholeNumber = BeforeValidator(_whole_number_text)
"""For an ``int`` in an address: put it after the bounds, ``Annotated[int, Field(ge=1), WholeNumber]``, or the document
lacks them."""


class InputModel(BaseModel):
    """A body from outside: unknown fields are refused by name, and everything in it can be stored.

    Inputs are left out of error messages, because a body may carry secrets.

    Attributes:
        read_only: Fields that answers show and bodies cannot change: a body may bring them, so that what was read
            can be sent back, and they are left aside.
        max_bytes: Largest size of a body that keeps keys of its own, as JSON.
        max_own_keys: How many keys of its own a body may have, where it may.
    """

    read_only: ClassVar[frozenset[str]] = frozenset()
    max_bytes: ClassVar[int | None] = None
    max_own_keys: ClassVar[int] = 100

    model_config: ClassVar[ConfigDict] = ConfigDict(
        extra="forbid", hide_input_in_errors=True, str_strip_whitespace=False
    )

    @model_validator(mode="before")
    @classmethod
    def _storable(cls, data: Any) -> Any:
        ensure_storable(data)
        if isinstance(data, Mapping):
            data = {name: value for name, value in data.items() if name not in cls.read_only}
            ensure_size(data, cls.max_bytes)
            _ensure_json_types(cls, data)
            _ensure_few_unknown(cls, data)
            _ensure_no_slip(cls, data)
        return data

    @model_validator(mode="wrap")
    @classmethod
    def _says_which_fields_there_are(cls, data: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        try:
            return handler(data)
        except ValidationError as error:
            if all(fault["type"] != _UNKNOWN_FIELD for fault in error.errors(include_url=False, include_input=False)):
                raise
            # Without the cause, whose text quotes the input: a body may carry secrets.
            raise _with_known_fields(cls, error) from None

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        document = handler.resolve_ref_schema(handler(schema))
        for name in sorted(cls.read_only):
            document.setdefault("properties", {})[name] = {"readOnly": True, "description": "As shown; left aside."}
        return document


_UNKNOWN_FIELD = "extra_forbidden"
MAX_UNKNOWN_FIELDS = 50
"""Unknown fields of a body that are told one by one."""
_A_SLIP = 0.85  # "top_k" is .80 of "top_p" and another thing; "temprature" is .95 of what was meant


def _field_names(model: type[BaseModel]) -> list[str]:
    return [field.alias or name for name, field in model.model_fields.items()]


def _ensure_few_unknown(model: type[InputModel], data: Mapping[str, Any]) -> None:
    """Refuse a heap of unknown fields as one fault: each told by itself is compared with all that there are.

    A body of 64 kB, which a stranger may send, has room for six thousand, and kept the process busy for half a second.
    """
    known = _field_names(model)
    unknown = len(data.keys() - set(known))
    if model.model_config.get("extra") == "forbid" and unknown > MAX_UNKNOWN_FIELDS:
        raise ValueError(f"has {unknown} fields that there are not; {what_exists('', known)}")


def _ensure_no_slip(model: type[InputModel], data: Mapping[str, Any]) -> None:
    """Where a body may have keys of its own, one that is a known key but for a letter is a slip."""
    if model.model_config.get("extra") != "allow":
        return
    known = _field_names(model)
    own = [str(name) for name in data if name not in known]
    if len(own) > model.max_own_keys:
        raise ValueError(f"must not have more than {model.max_own_keys} keys besides {', '.join(known)}")
    for name in own:
        close = _reordered(name, known) or nearest(name, known, likeness=_A_SLIP)
        if close is not None:
            raise ValueError(f"'{name}' is not a known key; did you mean '{close}'?")


def _reordered(name: str, known: list[str]) -> str | None:
    # Two letters that changed places make a short word look like another one by likeness: "wieght" is .83 of "weight".
    letters = sorted(name.casefold())
    return next((one for one in known if len(one) == len(name) and sorted(one) == letters), None)


def _with_known_fields(model: type[BaseModel], error: ValidationError) -> ValidationError:
    """The same faults; an unknown field is told together with those there are."""
    faults = [_known_fields_named(model, fault) for fault in error.errors(include_url=False)]
    return ValidationError.from_exception_data(error.title, faults, hide_input=True)


def _known_fields_named(model: type[BaseModel], fault: Mapping[str, Any]) -> InitErrorDetails:
    kind: str | PydanticCustomError = fault["type"]
    if fault["type"] == _UNKNOWN_FIELD and len(fault["loc"]) == 1:
        sentence = f"there is no such field; {what_exists(str(fault['loc'][0]), _field_names(model))}"
        kind = PydanticCustomError("unknown_field", "{sentence}", {"sentence": sentence})
    elif fault["type"] not in _PYDANTICS_OWN:
        kind = PydanticCustomError(fault["type"], "{sentence}", {"sentence": fault["msg"]})
    return InitErrorDetails(type=kind, loc=fault["loc"], input=fault["input"], ctx=fault.get("ctx", {}))


_PYDANTICS_OWN = frozenset(get_args(ErrorType))


def ensure_size(value: Any, limit: int | None) -> None:
    """Refuse a JSON value whose text is longer than a limit.

    Raises:
        ValueError: It is.
    """
    if limit is not None and len(json.dumps(value, default=str)) > limit:
        raise ValueError(f"must not be larger than {limit} bytes as JSON")


def _ensure_json_types(model: type[BaseModel], data: Mapping[str, Any]) -> None:
    """Refuse what Pydantic would convert although the OpenAPI document says otherwise: "5" is no number, 0 no flag."""
    for name, kinds in _json_scalars(model).items():
        value = data.get(name)
        if value is None or (int in kinds and isinstance(value, float) and value.is_integer()):
            continue  # 5.0 is a whole number in JSON
        # Asked apart: to Python a bool is an int, and `true` would pass for 1.
        if isinstance(value, bool) != (bool in kinds) or not isinstance(value, tuple(kinds)):
            words = " or ".join(_JSON_WORDS[kind] for kind in kinds)
            raise ValueError(f"{name} must be {words}")


_JSON_WORDS: dict[type, str] = {bool: "true or false", int: "a whole number", float: "a number"}


@cache
def _json_scalars(model: type[BaseModel]) -> dict[str, tuple[type, ...]]:
    """Fields of a model that are a flag or a number, by the name they have in JSON."""
    scalars: dict[str, tuple[type, ...]] = {}
    for name, field in model.model_fields.items():
        annotation = field.annotation
        parts = get_args(annotation) if get_origin(annotation) in (Union, UnionType) else (annotation,)
        kinds = {part for part in map(_bare, parts) if part in _JSON_WORDS}
        if kinds and len(kinds) == len([part for part in parts if part is not type(None)]):
            scalars[field.alias or name] = (float, int) if float in kinds else tuple(kinds)
    return scalars


def _bare(annotation: Any) -> Any:
    return get_args(annotation)[0] if get_origin(annotation) is Annotated else annotation
