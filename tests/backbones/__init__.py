"""Tests of `pipeline.backbones`."""
