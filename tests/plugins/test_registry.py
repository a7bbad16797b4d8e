from dataclasses import replace
from importlib.metadata import EntryPoint, EntryPoints

import pytest
from pydantic import BaseModel, SecretStr

from deskhand.errors import ConfigurationError
from deskhand.plugins import registry
from deskhand.plugins.contract import Operation, TicketingToolPlugin
from deskhand.plugins.errors import PluginNotFoundError
from deskhand.plugins.registry import PluginManager
from deskhand.plugins.servicedesk_plus import ServiceDeskPlusPlugin
from deskhand.simulators.registry import SIMULATORS, build_simulator


class Outside(ServiceDeskPlusPlugin):
    manifest = replace(ServiceDeskPlusPlugin.manifest, tool_type="outside_desk")


class LeakyConfig(BaseModel):
    desk_url: str
    desk_token: str
    desk_password: SecretStr | None = None


class Broken(TicketingToolPlugin):
    manifest = replace(
        ServiceDeskPlusPlugin.manifest,
        tool_type="Not A Key",
        name=" ",
        operations=frozenset({Operation.GET_TICKET}),
        events=frozenset({"x"}),
        ignored_events=frozenset({"x"}),
    )
    config_model = LeakyConfig


def test_a_new_manager_knows_the_built_in_desks() -> None:
    plugins = PluginManager().list_registered_plugins()
    assert "servicedesk_plus" in [plugin["tool_type"] for plugin in plugins]
    for plugin in plugins:
        assert plugin["name"]
        assert {"name": "add_note", "access": "write"} in plugin["operations"]
        assert {"name": "get_ticket", "access": "read"} in plugin["operations"]
    secret = plugins[0]["config_schema"]["properties"]["servicedesk_api_key"]
    assert secret["writeOnly"] is True


def test_unknown_plugin_is_worded_as_specified() -> None:
    with pytest.raises(PluginNotFoundError, match=r"^Plugin 'acme_desk' not registered$"):
        PluginManager().get_plugin("acme_desk")
    with pytest.raises(PluginNotFoundError):
        build_simulator("acme_desk")


def test_registering_makes_it_available_and_is_repeatable() -> None:
    manager = PluginManager()
    manager.register(Outside)
    manager.register(Outside)
    assert manager.get_plugin("outside_desk") is Outside


def test_a_taken_name_is_refused() -> None:
    class Impostor(ServiceDeskPlusPlugin):
        pass

    with pytest.raises(ConfigurationError, match="is taken by"):
        PluginManager().register(Impostor)


def test_every_fault_is_listed_at_once() -> None:
    with pytest.raises(ConfigurationError) as caught:
        PluginManager().register(Broken)
    pointers = {problem.pointer for problem in caught.value.errors}
    assert {"/add_note", "/get_ticket", "/manifest/tool_type", "/manifest/name", "/manifest/operations"} <= pointers
    assert {"/manifest/ignored_events", "/config_model/desk_token"} <= pointers
    assert not pointers & {"/config_model/desk_url", "/config_model/desk_password", "/aclose"}
    assert all(problem.pointer in caught.value.detail for problem in caught.value.errors)


@pytest.mark.parametrize("thing", [object(), int, "plugin", None])
def test_what_is_no_plugin_is_refused(thing: object) -> None:
    with pytest.raises(ConfigurationError, match="is not a subclass"):
        PluginManager().register(thing)  # type: ignore[arg-type]


def _offer(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    entry = EntryPoint(name="outside", value=value, group=registry.ENTRY_POINT_GROUP)
    monkeypatch.setattr(registry, "_offered", lambda path: EntryPoints([entry]).select(group=entry.group))


def test_entry_points_are_discovered(monkeypatch: pytest.MonkeyPatch) -> None:
    _offer(monkeypatch, f"{__name__}:Outside")
    manager = PluginManager()
    assert manager.discover() == ("outside_desk",)
    assert manager.get_plugin("outside_desk").manifest.tool_type == "outside_desk"


@pytest.mark.parametrize("value", ["no_such_module_here:Plugin", "deskhand.plugins.contract:NoSuchPlugin"])
def test_a_broken_entry_point_is_named(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    _offer(monkeypatch, value)
    with pytest.raises(ConfigurationError, match=value):
        PluginManager().discover()


def test_every_simulated_desk_is_a_built_in_plugin() -> None:
    assert set(SIMULATORS) <= set(registry.BUILT_IN)
