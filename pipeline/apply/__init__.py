"""A trained map on new images."""
