"""Query parameters that no route has are refused: a mistyped filter would answer with what it should have left out."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from fastapi import Request
from fastapi.dependencies.models import Dependant
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from pydantic import BaseModel

from deskhand.kit.nearest import what_exists

UNKNOWN = "unknown_parameter"


class KnownParameters:
    """A dependency of the whole application.

    Args:
        besides: Operations whose addresses others make up: desks and identity providers append what they like.
    """

    def __init__(self, *, besides: Collection[str]) -> None:
        self._besides = besides

    async def __call__(self, request: Request) -> None:
        route = request.scope.get("route")
        if not request.url.query or not isinstance(route, APIRoute) or route.operation_id in self._besides:
            return
        known = list(dict.fromkeys(parameter_names(route.dependant)))
        faults = [
            {
                "type": UNKNOWN,
                "loc": ("query", name),
                "msg": f"there is no such parameter here; {what_exists(name, known)}"
                if known
                else "there is no such parameter here; this address takes none",
                "input": None,
            }
            for name in dict.fromkeys(request.query_params)
            if name not in known
        ]
        if faults:
            raise RequestValidationError(faults)


def parameter_names(dependant: Dependant) -> Iterator[str]:
    """What a route and its dependencies take from the query, by the names that stand in an address."""
    for field in dependant.query_params:
        model = field.field_info.annotation
        # A form that is one model takes its fields, each under a name of its own.
        if isinstance(model, type) and issubclass(model, BaseModel):
            yield from (part.alias or name for name, part in model.model_fields.items())
        else:
            yield field.alias
    for inner in dependant.dependencies:
        yield from parameter_names(inner)
