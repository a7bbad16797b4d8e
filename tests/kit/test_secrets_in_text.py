"""One list of what a secret looks like: the log, the pages and what vendors say agree on every sample."""

from __future__ import annotations

import time

import pytest
from cryptography.fernet import Fernet

from deskhand.agents.llm_config import LLMConfig
from deskhand.executions.redaction import redact as redact_page
from deskhand.kit.crypto import SecretBox, new_api_key, new_webhook_secret
from deskhand.kit.log import redact as redact_log
from deskhand.kit.secrets_in_text import names_a_secret, scrub
from deskhand.llm.errors import redacted

RUN = "Zq7Lw2Xv9Rt4Kp8Nb3Md6Hs1"
SAMPLES = {
    "our key": new_api_key(),
    "our platform key": new_api_key("dhp"),
    "webhook secret": new_webhook_secret(),
    "stored secret": SecretBox([Fernet.generate_key().decode()]).encrypt("plain"),
    "OpenAI": f"sk-proj-{RUN}",
    "OpenRouter": f"sk-or-v1-{RUN}",
    "LiteLLM": "sk-1234abcd",
    "Anthropic": f"sk-ant-api03-{RUN}-AA",
    "masked by its vendor": "sk-abcd*********wxyz",
    "Stripe": f"sk_live_{RUN}",
    "Stripe, restricted": f"rk_live_{RUN}",
    "Google": f"AIza{RUN}{RUN[:11]}",
    "Google access": f"ya29.{RUN}",
    "Groq": f"gsk_{RUN}",
    "xAI": f"xai-{RUN}",
    "Hugging Face": f"hf_{RUN}",
    "Atlassian": f"ATATT3xFfGF0{RUN}=1A2B3C4D",
    "Slack": f"xoxb-123456789012-{RUN}",
    "Slack app": f"xapp-1-{RUN}",
    "GitHub": f"ghp_{RUN}{RUN[:12]}",
    "GitHub, fine-grained": f"github_pat_{RUN}_{RUN}",
    "GitLab": f"glpat-{RUN}",
    "AWS": "AKIAIOSFODNN7EXAMPLE",
    "Zoho": "1000.0123456789abcdef0123456789abcdef.fedcba9876543210fedcba9876543210",
    "Mailgun": f"key-{RUN.lower()}",
    "SendGrid": f"SG.{RUN}.{RUN}{RUN}",
    "npm": f"npm_{RUN}{RUN[:12]}",
    "JSON web token": f"eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.{RUN}",
    "bearer": f"Bearer {RUN}",
    "basic": "Basic dXNlcjpwYXNzd29yZA==",
    "desk token": f"Zoho-oauthtoken {RUN}",
    "address": "postgresql://app:s3cret-word@db:5432/x",
    "query": f"https://desk.example/api?api_key={RUN}",
    "form": f"client_id=app&client_secret={RUN}",
    "JSON": f'{{"refresh_token": "{RUN}"}}',
    "header": f"X-Api-Key: {RUN}",
    "in words": f"the password: {RUN}",
    "private key": "-----BEGIN PRIVATE " + f"KEY-----\n{RUN}\n{RUN}\n-----END PRIVATE KEY-----",
}
NAMES = ["password", "api_key", "X-Api-Key", "apiKey", "Authorization", "access_token", "authtoken", "webhook_secret",
         "jira_api_token_encrypted", "Set-Cookie", "encryption_keys", "TECHNICIAN_KEY", "clientSecret", "privateKey",
         "X-Hub-Signature", "credentials", "passphrase", "refreshToken", "proxy-authorization",
         "aws_secret_access_key"]  # fmt: skip
PLAIN = [
    "Reset your password: open the portal and press Forgotten.",
    "The token ring, the secret garden and the API key-value store.",
    "https://desk.example/browse/HELP-1?page=2",
    "Run `netsh wlan delete profile name=*` and restart task-scheduler-service.",
    "sk-8 and task-1234567890 are printers; key-combination Ctrl+Alt",
    "Mail to ann@example.com: see http://intranet:8080/x@y",
    "Error 0x80070005 in module b4f1a9c2-7d3e-4c58-9a10-aa77bb66cc55",
]


def secret_part(sample: str) -> str:
    return (
        "s3cret-word" if "s3cret" in sample else sample[-8:] if RUN not in sample and "-----" not in sample else RUN[8:]
    )


@pytest.mark.parametrize("kind", SAMPLES)
def test_every_room_hides_the_same(kind: str) -> None:
    sample = SAMPLES[kind]
    text = f"It said '{sample}' today."
    part = secret_part(sample)
    shown = {
        "log": str(redact_log(None, "", {"event": text})["event"]),
        "page": redact_page({"text": text})["text"],
        "vendor": redacted(text),
        "kit": scrub(text),
    }
    assert {room: part.lower() in words.lower() for room, words in shown.items()} == dict.fromkeys(shown, False), shown
    assert all(words.startswith("It said '") and words.endswith("today.") for words in shown.values()), shown


@pytest.mark.parametrize("text", PLAIN)
def test_ordinary_words_stay(text: str) -> None:
    assert scrub(text) == text
    assert redact_page(text) == text
    assert redacted(text) == text


@pytest.mark.parametrize("name", NAMES)
def test_a_name_of_a_secret_is_one_everywhere(name: str) -> None:
    assert names_a_secret(name)
    assert redact_page({name: "abc"}) != {name: "abc"}
    assert redact_log(None, "", {"event": "x", "headers": {name: "abc"}})["headers"] != {name: "abc"}
    with pytest.raises(ValueError, match="looks like a credential"):
        LLMConfig.model_validate({"model": "gpt-4", name: "abc"})


@pytest.mark.parametrize("name", ["tokens_in", "max_tokens", "tokens", "key", "idempotency_key", "secretary",
                                  "project_key", "stop_sequences", "jira_project_key", "step_key"])  # fmt: skip
def test_counts_and_other_names_stay(name: str) -> None:
    assert not names_a_secret(name)


WORST = ["eyJ-", "eyJaaaaaaaaa.", "sk-", "://a", "Bearer ", "key-", "password=", "password: ", "-----BEGIN ",
         "1000.", "'\"", "api_key" + " " * 50, "token" * 3 + ":", "xoxb-", "=", "SG.a"]  # fmt: skip


@pytest.mark.parametrize("piece", WORST)
def test_a_megabyte_of_the_worst_is_read_in_linear_time(piece: str) -> None:
    text = piece * (1_000_000 // len(piece))
    began = time.process_time()
    scrub(text)
    # CPU time, so that a loaded machine does not count; work that grows with the square takes many minutes.
    assert time.process_time() - began < 30
