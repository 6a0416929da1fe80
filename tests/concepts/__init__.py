"""Tests of `pipeline.concepts`."""
