"""Deskhand: AI hands for a service desk."""

__version__ = "0.1.0"
