"""What a source shows of itself, and what of it a run may do: without a database."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, cast

from tests.support.sources import OPERATIONS, Shop

from deskhand.connectors.document_endpoints import router
from deskhand.connectors.endpoints import shown
from deskhand.connectors.models import ToolSource
from deskhand.tools.sources import source_provider
from deskhand.tools.values import Grant, Mode, read_grants
from deskhand.work.source_tools import OpenSource, SourceHands

NOW = datetime(2026, 11, 28, tzinfo=UTC)


def shop() -> ToolSource:
    source = ToolSource(slug="shop", kind="openapi", name="Shop", configuration={"server": "x"}, revision=3)
    source.operations = [one.as_stored() for one in OPERATIONS]
    source.created_at = source.updated_at = NOW
    source.credential_encrypted = "a token"
    return source


def test_a_source_shows_what_it_can_do_and_that_it_has_a_credential() -> None:
    view = shown(shop())
    assert (view.tool_id, view.revision, view.has_credential, view.enabled_operations) == ("openapi:shop", 3, True, 3)
    assert [(one.name, one.enabled, one.access) for one in view.operations] == [
        ("get_order", True, "read"),
        ("cancel", True, "write"),
        ("touch", True, "write"),
        ("drop_all", False, "write"),
    ]
    assert "a token" not in view.model_dump_json()
    assert {route.path for route in cast("list[Any]", router.routes)} == {
        "/api/v1/tool-sources/openapi",
        "/api/v1/tool-sources/{source}/document",
    }


def hands(grants: dict[str, Grant]) -> SourceHands:
    source = shop()
    opened = OpenSource(
        provider=source_provider(source),
        operations={one.name: one for one in OPERATIONS},
        revision=source.revision,
        caller=Shop(),
    )
    nothing = cast("Any", None)
    return SourceHands(opened, grants=grants, journal=nothing, db=nothing, actor="a", approver=nothing)


def test_a_run_is_offered_what_is_granted_and_switched_on() -> None:
    every = read_grants([one.name for one in OPERATIONS])
    assert [one.name for one in hands(every).offered()] == ["get_order", "cancel", "touch"]
    asking = {"get_order": Grant(Mode.APPROVE), "cancel": Grant(Mode.APPROVE)}
    offered = list(hands(asking).offered())
    # Reading is granted or it is not.
    assert [one.name for one in offered] == ["cancel"]
    spec = hands(asking).spec(offered[0], name="shop_cancel", description="Cancel.")
    assert spec.description == "Cancel. A person approves it first."
    assert (spec.kind, spec.idempotent, "reason" in spec.parameters["required"]) == ("write", False, True)
