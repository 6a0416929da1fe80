"""What a reader finds in each factor."""
