"""All scores of one layer, measured on its test split."""

from pipeline.evaluation.evaluate import evaluate
from pipeline.evaluation.report import summary

__all__ = ["evaluate", "summary"]
