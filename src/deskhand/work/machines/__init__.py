"""Tickets that monitoring makes: one note for a condition on a device, however often it comes and goes."""
