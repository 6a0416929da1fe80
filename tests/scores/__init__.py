"""Tests of `pipeline.scores`."""
