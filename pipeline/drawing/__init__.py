"""Sheets of pictures: pixels, text, colours."""
