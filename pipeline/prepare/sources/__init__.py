"""Where images come from: one file a source, and the table of them; `data.source` chooses."""
