"""Tests of `pipeline.pairing`."""
