"""Edits of codes."""
