"""The report of a layer: one page that a stranger can read, with an explorer that needs no server."""
