"""Figures that a stranger can read: of one layer, and of all layers side by side."""

from pipeline.interpret.compare import compare
from pipeline.interpret.curves import curves_csv, read_curves
from pipeline.interpret.figures import draw_figures

__all__ = ["compare", "curves_csv", "draw_figures", "read_curves"]
