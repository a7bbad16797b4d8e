"""Tells people that calls wait for them, by mail and in channels."""
