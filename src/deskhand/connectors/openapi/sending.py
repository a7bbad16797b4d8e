"""Arguments as an HTTP request, in the styles that the OpenAPI specification defines. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

from deskhand.connectors.errors import SourceRefusedError
from deskhand.connectors.openapi.preparing import BODY, FORM

_RESERVED = ":/?@!$'()*,;[]"
_DELIMITERS = {"form": ",", "spaceDelimited": "%20", "pipeDelimited": "|"}


@dataclass(frozen=True, slots=True)
class Request:
    """What goes out, before any credential."""

    method: str
    target: str
    headers: Mapping[str, str]
    content: bytes


def build_request(call: Mapping[str, Any], arguments: Mapping[str, Any]) -> Request:
    """The request of one call.

    Args:
        call: As ``preparing.prepare`` made it.
        arguments: That fit its schema.

    Raises:
        SourceRefusedError: An argument cannot be sent where it belongs.
    """
    path, headers = str(call["path"]), dict[str, str]()
    query, cookies = list[str](), list[str]()
    for parameter in call["parameters"]:
        if parameter["argument"] not in arguments:
            continue
        value = arguments[parameter["argument"]]
        value = json.dumps(value) if parameter["json"] else value
        match parameter["in"]:
            case "path":
                path = path.replace("{" + parameter["name"] + "}", _in_path(parameter, value))
            case "query":
                query.extend(_in_query(parameter, value))
            case "header":
                headers[parameter["name"]] = _in_header(parameter, value)
            case _:
                cookies.extend(_in_query(parameter, value))
    if cookies:
        headers["Cookie"] = "; ".join(cookies)
    content = b""
    if BODY in arguments and call["media"]:
        headers["Content-Type"] = call["media"]
        content = _body(call["media"], arguments[BODY])
    return Request(call["method"].upper(), path + ("?" + "&".join(query) if query else ""), headers, content)


def _in_path(parameter: Mapping[str, Any], value: Any) -> str:
    name, style, explode = parameter["name"], parameter["style"], parameter["explode"]
    if style == "matrix":
        # RFC 6570, section 3.2.7.
        pairs = _pairs(name, value) if explode else [(name, ",".join(_flat(value, explode=False)))]
        text = "".join(f";{_quoted(key)}={text}" for key, text in pairs)
    else:
        text = ("." if style == "label" and explode else ",").join(_flat(value, explode=explode))
        text = f".{text}" if style == "label" else text
    # An empty segment or one of dots would make it another address, in whatever style.
    if text.strip(".") == "":
        raise SourceRefusedError(f"'{parameter['argument']}' must not be empty or made of dots.")
    return text


def _in_query(parameter: Mapping[str, Any], value: Any) -> Iterator[str]:
    name, style, explode = parameter["name"], parameter["style"], parameter["explode"]
    safe = _RESERVED if parameter["reserved"] else ""
    if style == "deepObject" and isinstance(value, dict):
        yield from (f"{quote(f'{name}[{key}]', safe='[]')}={_quoted(one, safe)}" for key, one in value.items())
    elif explode and isinstance(value, dict | list):
        yield from (f"{_quoted(key)}={text}" for key, text in _pairs(name, value, safe))
    else:
        yield f"{_quoted(name)}={_DELIMITERS.get(style, ',').join(_flat(value, explode=False, safe=safe))}"


def _in_header(parameter: Mapping[str, Any], value: Any) -> str:
    if isinstance(value, dict):
        join = "=" if parameter["explode"] else ","
        text = ",".join(f"{key}{join}{_text(one)}" for key, one in value.items())
    else:
        text = ",".join(map(_text, value)) if isinstance(value, list) else _text(value)
    # A line break would begin a header of its own.
    if not all(" " <= char <= "~" for char in text):
        raise SourceRefusedError(f"'{parameter['argument']}' must be of visible ASCII characters.")
    # RFC 9110, section 5.5: blanks around a value are none of it, and a connection that finds some breaks off.
    return text.strip()


def _body(media: str, value: Any) -> bytes:
    if media != FORM:
        return json.dumps(value, ensure_ascii=False).encode()
    if not isinstance(value, dict):
        raise SourceRefusedError("The body must be an object: it is sent as a form.")
    return urlencode([(key, text) for key, one in value.items() for text in _texts(one)]).encode()


def _texts(value: Any) -> list[str]:
    return [_text(one) for one in value] if isinstance(value, list) else [_text(value)]


def _pairs(name: str, value: Any, safe: str = "") -> list[tuple[str, str]]:
    if isinstance(value, dict):
        return [(key, _quoted(one, safe)) for key, one in value.items()]
    return [(name, _quoted(one, safe)) for one in (value if isinstance(value, list) else [value])]


def _flat(value: Any, *, explode: bool, safe: str = "") -> Sequence[str]:
    if isinstance(value, list):
        return [_quoted(one, safe) for one in value]
    if isinstance(value, dict) and explode:
        return [f"{_quoted(key)}={_quoted(one, safe)}" for key, one in value.items()]
    if isinstance(value, dict):
        return [part for key, one in value.items() for part in (_quoted(key), _quoted(one, safe))]
    return [_quoted(value, safe)]


def _quoted(value: Any, safe: str = "") -> str:
    return quote(_text(value), safe=safe)


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    return "" if value is None else json.dumps(value)
