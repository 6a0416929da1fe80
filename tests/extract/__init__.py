"""Tests of `pipeline.extract`."""
