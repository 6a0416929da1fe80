"""Tests of `pipeline.backbone`."""
