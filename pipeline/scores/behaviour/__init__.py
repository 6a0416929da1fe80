"""What the network does with codes: what edits change, and what is lost on the way back."""
