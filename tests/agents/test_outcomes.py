"""What a run may end in, what that needs, and to whom a tenant's agents may write."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from deskhand.agents.outcomes import Outcome, OutcomeKind, mail_missing, outcome_faults, outside_missing, read_outcome
from deskhand.tenants.mail import MailSettings, check_address, mail_faults
from deskhand.tenants.outside import ChatSettings
from deskhand.tools.values import PLAIN, Grants

LEADS = "leads@acme.test"
MAIL = {"host": "mail.acme.test", "sender": "deskhand@acme.test", "allowed_recipients": ["acme.test"]}
SENDS: dict[str, Grants] = {"email": {"send": PLAIN}}


@pytest.mark.parametrize("kind", list(OutcomeKind))
def test_an_outcome_is_read_as_it_was_stored(kind: OutcomeKind) -> None:
    outcome = Outcome(kind=kind)
    assert outcome.as_stored() == {"kind": kind.value}
    assert read_outcome(outcome.as_stored()) == outcome


def test_a_mailed_report_keeps_its_recipients_and_subject_and_an_old_version_ends_in_a_note() -> None:
    outcome = Outcome(kind=OutcomeKind.REPORT, mail_to=[LEADS], mail_subject="On {{current_date}}")
    assert read_outcome(outcome.as_stored()) == outcome
    noted = Outcome(kind=OutcomeKind.REPORT, on_ticket=True)
    assert noted.as_stored() == {"kind": "report", "on_ticket": True}
    posted = Outcome(kind=OutcomeKind.REPORT, chat_to=["slack:b", "teams:a", "slack:b"])
    assert read_outcome(posted.as_stored()) == posted
    assert list(posted.channels) == [("slack", "b"), ("teams", "a")]
    assert read_outcome(None) == read_outcome({}) == Outcome(kind=OutcomeKind.NOTE)


@pytest.mark.parametrize(
    ("sent", "words"),
    [
        ({"kind": "reply", "mail_to": [LEADS]}, "mail_to belongs to the kind 'report', and this is 'reply'"),
        ({"mail_to": [LEADS]}, "this is 'note'"),
        ({"chat_to": ["slack:leads"]}, "chat_to belongs to the kind 'report', and this is 'note'"),
        ({"on_ticket": True}, "on_ticket belongs to the kind 'report', and this is 'note'"),
        ({"kind": "report", "chat_to": ["leads"]}, "chat_to"),
        ({"kind": "report", "chat_to": ["http:leads"]}, "chat_to"),
        ({"kind": "report", "chat_to": ["slack:Leads and all"]}, "chat_to"),
        ({"kind": "report", "chat_to": ["slack:leads"] * 11}, "at most 10"),
        ({"kind": "report", "mail_to": ["leads"]}, "must be a mail address"),
        ({"kind": "report", "mail_to": [LEADS], "mail_subject": "{{ticket.sbject}}"}, "Closest: ticket.subject"),
        ({"kind": "report", "mail_to": [LEADS], "mail_subject": ""}, "at least 1 character"),
        ({"kind": "report", "mail_to": [LEADS] * 21}, "at most 20"),
        ({"kind": "memo"}, "'note', 'reply'"),
        ({"kind": "report", "cc": [LEADS]}, "cc"),
    ],
)
def test_what_no_run_could_end_in_is_refused_in_words(sent: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError) as refusal:
        Outcome.model_validate(sent)
    assert words in str(refusal.value)


@pytest.mark.parametrize(
    ("sent", "granted", "pointers"),
    [
        ({}, {}, []),
        ({"kind": "none"}, {}, []),
        ({"kind": "report"}, {}, []),
        ({"kind": "reply"}, {"jira": {"add_note": PLAIN}}, ["/outcome/kind"]),
        ({"kind": "reply"}, {"jira": {"reply": PLAIN}}, []),
        ({"kind": "fields"}, {"jira": {"reply": PLAIN}}, ["/outcome/kind"]),
        ({"kind": "fields"}, {"jira": {}, "zendesk": {"update_ticket": PLAIN}}, []),
        ({"kind": "report", "mail_to": [LEADS]}, {"jira": {"send": PLAIN}}, ["/outcome/mail_to"]),
        ({"kind": "report", "mail_to": [LEADS]}, SENDS, []),
        ({"kind": "report", "on_ticket": True}, SENDS, ["/outcome/on_ticket"]),
        ({"kind": "report", "on_ticket": True}, {"jira": {"add_note": PLAIN}}, []),
        (
            {"kind": "report", "chat_to": ["teams:a", "slack:b"]},
            {"slack": {"post_message": PLAIN}},
            ["/outcome/chat_to/0"],
        ),
    ],
)
def test_an_outcome_needs_the_grant_that_it_acts_by(
    sent: dict[str, Any], granted: dict[str, Grants], pointers: list[str]
) -> None:
    assert [fault.pointer for fault in outcome_faults(Outcome.model_validate(sent), granted)] == pointers


@pytest.mark.parametrize(
    ("tools", "settings", "pointers"),
    [
        (["jira"], None, []),
        (["jira", "email"], None, ["/tool_ids"]),
        (["email"], MAIL, []),
        (["email"], {**MAIL, "allowed_recipients": ["other.test"]}, ["/outcome/mail_to"]),
    ],
)
def test_an_agent_that_mails_is_active_only_where_its_report_would_arrive(
    tools: list[str], settings: dict[str, Any] | None, pointers: list[str]
) -> None:
    outcome = Outcome(kind=OutcomeKind.REPORT, mail_to=[LEADS])
    read = MailSettings.model_validate(settings) if settings else None
    assert [fault.pointer for fault in mail_missing(outcome, tools, read)] == pointers


@pytest.mark.parametrize(
    ("tools", "chat_to", "pointers"),
    [
        (["jira"], [], []),
        (["slack"], ["slack:leads"], []),
        (["slack"], ["slack:board"], ["/outcome/chat_to/0"]),
        (["slack", "teams", "webhook", "http"], [], ["/tool_ids"] * 3),
    ],
)
def test_an_agent_that_posts_is_active_only_where_its_report_would_arrive(
    tools: list[str], chat_to: list[str], pointers: list[str]
) -> None:
    outcome = Outcome(kind=OutcomeKind.REPORT, chat_to=chat_to)
    slack = ChatSettings.model_validate({"channels": {"leads": "https://hooks.slack.com/services/T/B/x"}})
    assert [fault.pointer for fault in outside_missing(outcome, tools, {"slack": slack})] == pointers


@pytest.mark.parametrize(
    ("allowed", "recipient", "passes"),
    [
        ("acme.test", "ann@acme.test", True),
        ("@acme.test", "ann@acme.test", True),
        ("Acme.Test", "Ann@ACME.test", True),
        ("ann@acme.test", "Ann@acme.test", True),
        ("ann@acme.test", "bob@acme.test", False),
        ("acme.test", "ann@evil.acme.test", False),
        ("acme.test", "ann@notacme.test", False),
        ("acme.test", "acme.test@evil.test", False),
        ("acme.test", "ann@acme.test.evil.test", False),
        ("acme.test", "ann@evil.test\n@acme.test\r\n", False),
    ],
)
def test_a_recipient_passes_by_its_address_or_its_very_domain(allowed: str, recipient: str, passes: bool) -> None:
    settings = MailSettings.model_validate({**MAIL, "allowed_recipients": [allowed]})
    assert settings.refused([recipient]) == ([] if passes else [recipient])


@pytest.mark.parametrize(
    "address",
    [
        *("ann", "@acme.test", "ann@", "ann@acme", "ann@@acme.test", "a b@acme.test", "ann@acme.test,eve@evil.test"),
        *("ann@acme.test\n", "ann@acme.test\r\nBcc: eve@evil.test", "<ann@acme.test>", "Ann <ann@acme.test>"),
        *(".ann@acme.test", "ann.@acme.test", "a..b@acme.test", "ann@-acme.test", "ann@acme-.test", "ann@acme..test"),
        *("ann@acme.test;x@y.test", '"ann"@acme.test', "änn@acme.test", "ann@ácme.test", "a" * 250 + "@acme.test"),
    ],
)
def test_what_could_be_read_as_two_addresses_or_a_header_is_no_address(address: str) -> None:
    with pytest.raises(ValueError, match="must be a mail address"):
        check_address(address)


@given(address=st.emails(domains=st.just("acme.test")))
def test_an_address_that_passes_can_stand_in_a_header(address: str) -> None:
    try:
        check_address(address)
    except ValueError:
        return
    assert not set(address) & set(' \t\r\n,;:<>()[]\\"')
    assert address.count("@") == 1


def test_faults_of_mail_settings_name_each_member_and_quote_no_password() -> None:
    faults = mail_faults(
        {**MAIL, "host": "mail.acme.test/x", "port": 0, "security": "ssl", "password": ["s3cret-word"], "cc": "x"}
    )
    assert sorted(fault.pointer for fault in faults) == [
        f"/connection_extras/email/{name}" for name in ("cc", "host", "password", "port", "security")
    ]
    assert "s3cret-word" not in str(faults)
    assert mail_faults(MAIL) == []
    assert [one.pointer for one in mail_faults({})] == [
        f"/connection_extras/email/{name}" for name in ("host", "sender", "allowed_recipients")
    ]


def test_a_password_of_mail_is_not_in_what_a_log_shows() -> None:
    settings = MailSettings.model_validate({**MAIL, "username": "u", "password": "s3cret-word"})
    assert settings.server.password == "s3cret-word"
    assert "s3cret-word" not in f"{settings!r} {settings.server!r}"
