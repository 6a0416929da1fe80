"""The trained map T, edits of a code, and the network interpreted by them."""
