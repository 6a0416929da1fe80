"""Tests of `pipeline.params`."""
