"""Connections to models, as data: the platform's for all tenants or some, and each tenant's own."""
