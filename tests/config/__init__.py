"""Tests of `pipeline.config`."""
