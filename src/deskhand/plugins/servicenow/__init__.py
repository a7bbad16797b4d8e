"""ServiceNow: incidents through the Table API, webhooks from a business rule that we ship."""

from deskhand.plugins.servicenow.plugin import ServiceNowPlugin

__all__ = ["ServiceNowPlugin"]
