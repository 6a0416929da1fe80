"""The trained map: T and what belongs to it, as one folder."""
