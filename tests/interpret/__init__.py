"""Figures of a layer and of all layers."""
