"""Tests of `pipeline.data`."""
