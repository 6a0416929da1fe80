"""Make a trained network readable: an invertible map from its hidden vector to named factors, and back."""
