"""Trying an agent: a dry run by hand, of any version, a draft's too."""
