"""Concepts that nobody named: what a code offers as candidates."""
