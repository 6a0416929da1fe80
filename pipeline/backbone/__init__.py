"""The network that is interpreted: frozen, and cut at a layer into E and G."""
