"""Backup and restore: a whole installation in one sealed file, and the proof that it lives again from it."""
