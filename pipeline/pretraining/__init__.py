"""Training of the networks that are interpreted, before they are frozen."""
