"""All scores of one layer, measured on its test split."""
