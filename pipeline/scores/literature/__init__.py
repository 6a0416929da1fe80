"""The literature's scores of single dimensions; nothing is ranked by them."""
