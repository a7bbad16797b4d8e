"""Roundup (roundup-tracker.org) as a desk of Deskhand, over its REST interface. See the README."""

from deskhand_roundup.plugin import RoundupPlugin

__all__ = ["RoundupPlugin"]
