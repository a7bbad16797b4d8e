"""ManageEngine ServiceDesk Plus, Cloud and on-premises (API v3). See ``doc.md``."""

from deskhand.plugins.servicedesk_plus.plugin import ServiceDeskPlusPlugin

__all__ = ["ServiceDeskPlusPlugin"]
