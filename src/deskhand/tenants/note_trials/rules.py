"""What a stored trial means for agents. Pure; reads ``TenantConfig.note_trials``.

By tool type ``{"done": ..., "begun": ...}``: what a trial found stays in force while another one is under way.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from deskhand.tenants.models import TenantConfig
from deskhand.tenants.note_trials.schemas import NoteFinding, NoteTrialResponse, Verdict

UNTRIED = (
    "No note was tried on {name} yet, so nobody has seen whether it shows our notes to requesters or mails them; try"
    " one on the desk's page."
)


def stored_parts(tenant: TenantConfig, tool_type: str) -> Mapping[str, Any]:
    """What is stored of a connection's trials."""
    parts = (tenant.note_trials or {}).get(tool_type)
    return parts if isinstance(parts, Mapping) else {}


def last_trial(tenant: TenantConfig, tool_type: str) -> NoteTrialResponse | None:
    """The newest trial that was read to its end."""
    done = stored_parts(tenant, tool_type).get("done")
    return None if done is None else NoteTrialResponse.model_validate(done["result"])


def why_refused(tenant: TenantConfig, tool_type: str, name: str) -> str | None:
    """Why agents may write nothing on a connection, in a sentence; None where they may.

    Args:
        tenant: Whose connection.
        tool_type: Which desk.
        name: The product's own name.
    """
    trial = last_trial(tenant, tool_type)
    if trial is None or trial.verdict is not Verdict.REFUSED:
        return None
    found = [one for one in trial.findings if one.verdict is Verdict.REFUSED]
    return f"The trial of a note on {name} was refused: {'; '.join(map(_words, found))}"


def _words(finding: NoteFinding) -> str:
    what = finding.detail.rstrip(".")
    return f"{what}. To change: {finding.setting}" if finding.setting else f"{what}."
