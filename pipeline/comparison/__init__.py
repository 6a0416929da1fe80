"""The layers side by side."""
