"""Zendesk Support (API v2). See ``doc.md``."""

from deskhand.plugins.zendesk.plugin import ZendeskPlugin

__all__ = ["ZendeskPlugin"]
