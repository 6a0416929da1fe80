"""Images and concepts from a source to the images table."""
