"""One box of a form of preferences: what it is called, and how a value stands in it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

Kind = Literal["choice", "flag", "number", "text", "lines", "pairs", "channels"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """One box.

    Attributes:
        path: Where its value stands within what the form is about.
        usual: What counts where nothing is stored.
        choices: Of ``choice``: each value and what it means, in words.
        empty_is_null: Of ``number``: an empty box is a value of its own, and not the usual one.
        off: What it would do, where it is off.
    """

    path: tuple[str, ...]
    label: str
    help: str
    kind: Kind
    usual: Any = None
    choices: tuple[tuple[str, str], ...] = ()
    empty_is_null: bool = False
    off: str = ""

    @property
    def name(self) -> str:
        """What the form calls it."""
        return ".".join(self.path)

    def value_in(self, stored: Mapping[str, Any]) -> Any:
        """What counts: what is stored, else the usual."""
        value: Any = stored
        for part in self.path:
            if not isinstance(value, Mapping) or part not in value:
                return self.usual
            value = value[part]
        return value

    def written(self, value: Any) -> str:
        """A value as it would be typed."""
        if value is None:
            return ""
        if self.kind == "flag" or isinstance(value, bool):
            return "true" if value is True else "false"
        if isinstance(value, Mapping):
            return "\n".join(f"{name} = {', '.join(map(str, _listed(one)))}" for name, one in value.items())
        if self.kind == "channels" and isinstance(value, list):
            return "\n".join(f"{one.get('tool')} {one.get('channel')}" for one in value if isinstance(one, Mapping))
        return "\n".join(map(str, value)) if isinstance(value, list) else str(value)

    def read(self, typed: str) -> Any:
        """What was typed, as the preferences' model takes it; None where that is nothing."""
        lines = [line.strip() for line in typed.splitlines() if line.strip()]
        text = "\n".join(lines)
        if self.kind == "flag":
            return text == "true"
        if self.kind == "lines":
            return lines
        if self.kind == "channels":
            named = [line.partition(" ") for line in lines]
            return [{"tool": tool.lower(), "channel": channel.strip()} for tool, _, channel in named]
        if self.kind == "pairs":
            split = [line.partition("=") for line in lines]
            return {name.strip(): [one.strip() for one in words.split(",") if one.strip()] for name, _, words in split}
        # What is no number goes on as it is, and the model says so.
        is_number = self.kind == "number" and text.isascii() and text.isdecimal() and len(text) < 10
        return int(text) if is_number else text or None


def filled(stored: Mapping[str, Any], boxes: tuple[Box, ...], typed: Mapping[str, str]) -> dict[str, Any]:
    """What is stored with the boxes' values in their places; what is as usual and was never stored stays away."""
    whole: dict[str, Any] = _copy(stored)
    # A form sends each box it has, also an empty one. One drawn before an upgrade has not the boxes that came with it.
    for box in (one for one in boxes if one.name in typed):
        value = box.read(typed[box.name])
        if value is None and not box.empty_is_null and box.usual is not None:
            value = box.usual
        if value in (None, [], {}) and not box.empty_is_null:
            _take_away(whole, box.path)
        elif value != box.value_in(whole):
            _put(whole, box.path, value)
    return whole


def shown_in(boxes: tuple[Box, ...], stored: Mapping[str, Any], typed: Mapping[str, str] | None) -> dict[str, str]:
    """What stands in each box: what was typed and refused, or what counts."""
    return {box.name: box.written(box.value_in(stored)) if typed is None else typed.get(box.name, "") for box in boxes}


def _put(whole: dict[str, Any], path: tuple[str, ...], value: Any) -> None:
    *above, last = path
    for part in above:
        below = whole.get(part)
        whole[part] = below if isinstance(below, dict) else {}
        whole = whole[part]
    whole[last] = value


def _take_away(whole: dict[str, Any], path: tuple[str, ...]) -> None:
    *above, last = path
    for part in above:
        below = whole.get(part)
        if not isinstance(below, dict):
            return
        whole = below
    whole.pop(last, None)


def _copy(value: Any) -> Any:
    return {name: _copy(one) for name, one in value.items()} if isinstance(value, Mapping) else value


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
