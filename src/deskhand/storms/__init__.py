"""Storms: many tickets of one client company about one outage, recognised once and counted."""
