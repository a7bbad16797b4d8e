"""Tickets as Deskhand knows them: which ones it has worked on, and everything it did to one."""
