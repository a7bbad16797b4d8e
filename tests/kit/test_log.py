"""What a log line holds, and that no road into the log carries a secret."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest
import structlog
from cryptography.fernet import Fernet
from hypothesis import given
from hypothesis import strategies as st

from deskhand.kit.crypto import SecretBox, new_api_key, new_webhook_secret
from deskhand.kit.log import configure_logging, log_context, redact
from deskhand.kit.secrets_in_text import REDACTED, scrub


@pytest.fixture
def out() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    stream = io.StringIO()
    configure_logging(level="INFO", stream=stream)
    yield stream
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def lines(out: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.getvalue().splitlines()]


def test_a_line_is_one_json_object_with_time_level_and_name(out: io.StringIO) -> None:
    structlog.get_logger("deskhand.x").info("started", port=8000)
    [line] = lines(out)
    assert line.pop("timestamp").endswith("Z")
    assert line == {"event": "started", "level": "info", "logger": "deskhand.x", "port": 8000}


def test_lines_below_the_level_are_not_written(out: io.StringIO) -> None:
    structlog.get_logger().debug("a")
    logging.getLogger("library").debug("b")
    assert out.getvalue() == ""


def test_ids_of_the_context_are_on_every_line_inside_and_none_outside(out: io.StringIO) -> None:
    log = structlog.get_logger()
    with log_context(tenant_id="acme", execution_id="e1", agent_id=None):
        log.info("ours")
        logging.getLogger("library").info("theirs")
    log.info("after")
    ours, theirs, after = lines(out)
    assert (ours["tenant_id"], ours["execution_id"]) == ("acme", "e1")
    assert "agent_id" not in ours
    assert theirs["tenant_id"] == "acme"
    assert "tenant_id" not in after


@pytest.mark.parametrize(
    "key",
    ["password", "api_key", "X-Api-Key", "apiKey", "Authorization", "access_token", "authtoken", "webhook_secret",
     "jira_api_token_encrypted", "Set-Cookie", "encryption_keys"],
)  # fmt: skip
def test_a_field_named_like_a_secret_is_redacted(key: str) -> None:
    assert redact(None, "", {"event": "x", "headers": [{key: "abc"}]})["headers"] == [{key: REDACTED}]


@pytest.mark.parametrize("key", ["tokens_in", "max_tokens", "tokens", "key", "idempotency_key", "secretary"])
def test_counts_and_other_keys_stay(key: str) -> None:
    assert redact(None, "", {"event": "x", key: 12}) == {"event": "x", key: 12}


def secrets_of_ours() -> list[str]:
    token = SecretBox([Fernet.generate_key().decode()]).encrypt("plain")
    return [new_api_key(), new_api_key("dhp"), new_webhook_secret(), token, "sk-abcdefghijklmnop1234"]


@pytest.mark.parametrize("index", range(5))
def test_our_keys_are_redacted_inside_any_text(index: int) -> None:
    secret = secrets_of_ours()[index]
    cleaned = scrub(f"call to 'https://x.example/{secret}?a=1' failed")
    assert secret not in cleaned
    assert secret[-12:] not in cleaned
    assert cleaned.startswith("call to 'https://x.example/")
    assert cleaned.endswith("?a=1' failed")


def test_an_api_key_keeps_the_prefix_that_names_it() -> None:
    key = new_api_key()
    assert scrub(key) == key[:8] + REDACTED


def test_credentials_in_headers_and_addresses_are_redacted() -> None:
    assert scrub("Authorization: Bearer abc.def-ghi") == f"Authorization: Bearer {REDACTED}"
    assert scrub("postgresql://app:s3cret@db:5432/x") == f"postgresql://app:{REDACTED}@db:5432/x"
    assert scrub("http://db:5432/x@y") == "http://db:5432/x@y"


def test_a_traceback_and_a_library_s_arguments_are_cleaned_too(out: io.StringIO) -> None:
    secret = new_webhook_secret()

    def fail() -> None:
        raise ValueError(f"bad secret {secret}")

    try:
        fail()
    except ValueError:
        structlog.get_logger().exception("failed")
        logging.getLogger("library").exception("call with %s failed", secret)
    assert secret not in out.getvalue()
    ours, theirs = lines(out)
    assert "ValueError: bad secret whsec_" in ours["exception"]
    assert "ValueError" in theirs["exception"]
    assert theirs["event"].startswith("call with whsec_")


def test_objects_become_text_and_deep_values_end(out: io.StringIO) -> None:
    deep: dict[str, Any] = {}
    deep["again"] = deep
    structlog.get_logger().info("x", ident=UUID(int=1), deep=deep, secret_object={"a": {new_api_key()}})
    [line] = lines(out)
    assert line["ident"] == "00000000-0000-0000-0000-000000000001"
    assert "[too deep]" in json.dumps(line["deep"])
    assert REDACTED in line["secret_object"]["a"][0]


def test_the_console_form_is_for_people_and_as_clean() -> None:
    stream = io.StringIO()
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    configure_logging(log_format="console", stream=stream)
    try:
        raise ValueError(new_webhook_secret())
    except ValueError:
        structlog.get_logger("x").exception("failed", api_key="abc")
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
        structlog.reset_defaults()
    text = stream.getvalue()
    assert "failed" in text
    assert f"api_key={REDACTED}" in text.replace("'", "")
    assert "ValueError: whsec_[redacted]" in text


STRANGERS = [
    "a\n2026-01-01T00:00:00Z [info] forged", "a\r\nforged", "a\x1b[2Jforged", "a\x1b]0;title\x07", "a\x9b31mforged",
    "a\u2028forged", "a\u2029forged", "a\u202edegrof", "a\u2066forged", "a\x08\x08forged", "a\x7fforged", "a\x85forged",
    'a","event":"forged', "a\x00forged", "a\ud800forged",
]  # fmt: skip


@pytest.mark.parametrize("log_format", ["json", "console"])
@pytest.mark.parametrize("text", STRANGERS)
def test_no_text_of_a_stranger_writes_a_line_or_a_terminals_command(log_format: Any, text: str) -> None:
    """As the event, as a field, as a library's argument, in what an exception says, and inside a document."""
    stream, root = io.StringIO(), logging.getLogger()
    handlers, level = root.handlers[:], root.level
    configure_logging(log_format=log_format, stream=stream)
    try:
        structlog.get_logger("x").warning(text, field=text, document={text: [text]})
        logging.getLogger("library").warning("it said %s", text)
        try:
            raise ValueError(text)
        except ValueError:
            structlog.get_logger("x").exception("failed")
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
        structlog.reset_defaults()
    written = stream.getvalue()
    entries = [line for line in written.split("\n") if line and not line.startswith("  | ")]
    assert len(entries) == 3
    assert not [char for char in written if (not char.isprintable() and char != "\n")]
    assert "forged" in written or "title" in written or "degrof" in written
    if log_format == "json":
        assert [json.loads(line)["event"] for line in entries] == [text, f"it said {text}", "failed"]


@given(
    st.recursive(
        st.none() | st.integers() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
    )
)
def test_whatever_is_logged_renders_as_json(value: Any) -> None:
    json.dumps(redact(None, "", {"event": "x", "value": value}))
