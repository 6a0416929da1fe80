"""A concept that two sketches give: every image in the style of each, as rows of the images table."""
