"""Jira Service Management Cloud (platform REST v3 and servicedeskapi). See ``doc.md``."""

from deskhand.plugins.jira.plugin import JiraPlugin

__all__ = ["JiraPlugin"]
