"""A router that looks at its routes only where an address can be one of theirs.

FastAPI asks every included router, and that each of its routes, until one fits: a millisecond of each request to an
application of four hundred routes. How an address begins tells most routers apart at once.
"""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.routing import iter_route_contexts
from starlette.routing import Match
from starlette.types import Scope


class Section(APIRouter):
    """One router with what its addresses begin with; routes that it gets later are not known here.

    Args:
        router: What is asked where an address may be one of its own.
    """

    def __init__(self, router: APIRouter) -> None:
        # Its very routes, which have taken over all that the router was made with: FastAPI reads each anew, with all
        # its dependencies, for every inclusion of a router in another, those on the way as well.
        super().__init__(routes=router.routes)
        routes = [(context.path or "", context.methods) for context in iter_route_contexts(self.routes)]
        # What is mounted has no methods of its own, and answers what lies below its address.
        self._whole = frozenset(path for path, methods in routes if methods and "{" not in path)
        self._beginnings = tuple({path.partition("{")[0] for path, _ in routes if path not in self._whole})

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Whether a route is asked for; see ``APIRouter.matches``."""
        # Under a root path the address has a front part that no route knows of.
        if not scope.get("root_path") and "path" in scope:
            path: str = scope["path"]
            if path not in self._whole and not path.startswith(self._beginnings):
                return Match.NONE, {}
        return super().matches(scope)
