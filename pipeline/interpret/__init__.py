"""Figures that a stranger can read: of one layer, and of all layers side by side."""
