"""Tests of `pipeline.prepare`."""
