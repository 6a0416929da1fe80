"""What people look at, in a real browser: MLflow on a store that our own code filled, and our own pages."""
