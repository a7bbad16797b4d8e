"""Where a text goes that a model is asked with; kept with each step of the journal, before it goes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from pydantic_ai.models import Model

from deskhand.llm.connection import GatewaySettings
from deskhand.llm.embedded.constrained import ConstrainedModel


@dataclass(frozen=True, slots=True)
class Place:
    """Where one model is.

    Attributes:
        connection: What agents call the way there.
        host: Of its address; empty where a library chooses the vendor's.
        is_local: Whether it is in the tenant's or the operator's own house.
        region: Where that is, in its owner's words.
    """

    connection: str
    host: str
    is_local: bool
    region: str = ""

    def as_kept(self) -> dict[str, Any]:
        """What the journal keeps of it."""
        region = {"region": self.region} if self.region else {}
        return {"connection": self.connection, "host": self.host, "is_local": self.is_local, **region}


HERE = Place("embedded", "this machine", is_local=True)


def place_of(way: GatewaySettings) -> Place:
    """Where the models of a connection are."""
    host = urlsplit(way.base_url).hostname if way.base_url else None
    return Place(way.slug or "installation", host or "", is_local=way.stays_in_the_house, region=way.region)


def places_of(model: Model[Any]) -> tuple[Place, ...]:
    """Where a model's questions go; of a chain, in the order in which its models are asked."""
    if isinstance(model, ConstrainedModel):
        return (HERE,)
    # Wrappers pass on what they do not have.
    found = getattr(model, "places", ())
    return found if isinstance(found, tuple) else ()
