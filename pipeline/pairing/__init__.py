"""Pairs of rows that share a concept, and how many dimensions each factor gets by them."""
