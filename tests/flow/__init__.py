"""Tests of `pipeline.flow`."""
