"""The forms by which the console changes an agent: what each is sent, and the entry it leaves in the audit log."""

from __future__ import annotations

EDITED = {"name": "Renamed", "system_prompt": "Be short and exact.", "provider": "litellm", "model": "gpt-4"}
AGENT_FORMS: dict[str, tuple[str, dict[str, str], tuple[str, ...]]] = {
    "POST /agents/{agent_id}/edit": ("agent.update", EDITED, ()),
    "POST /agents/{agent_id}/tools": ("agent.update", {"step": "save", "mode/knowledge/search_articles": "allow"}, ()),
    "POST /agents/{agent_id}/triggers/new": ("agent.update", {"trigger_type": "schedule", "cron": "0 9 * * *"}, ()),
    "POST /agents/{agent_id}/triggers/{trigger_id}": ("agent.update", {"note_word": "#handover"}, ()),
    "POST /agents/{agent_id}/triggers/{trigger_id}/remove": ("agent.update", {}, ()),
    "POST /agents/{agent_id}/triggers/{trigger_id}/test": ("agent.try_webhook", {"ticket_id": "7"}, ()),
    "POST /agents/{agent_id}/triggers/{trigger_id}/rotate": ("agent.rotate_secret", {"grace_seconds": "0"}, ()),
    "POST /agents/{agent_id}/activate": ("agent.activate", {}, ()),
    "POST /agents/{agent_id}/suspend": ("agent.suspend", {}, ("activate",)),
    "POST /agents/{agent_id}/resume": ("agent.resume", {}, ("activate", "suspend")),
    "POST /agents/{agent_id}/delete": ("agent.delete", {}, ("activate",)),
}
"""Of each: the entry, what is typed, and the steps of its life that the agent has gone before."""
