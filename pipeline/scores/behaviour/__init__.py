"""What edits do, what is lost on the way, and how the codes are distributed."""
