"""The network that names what an image shows, and how it is trained."""
