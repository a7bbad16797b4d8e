"""Costs and performance in the console."""
