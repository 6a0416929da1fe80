"""Figures of one layer that a stranger can read."""
