"""The live explorer: a local page on a trained map, where a slider changes what the network makes of an image."""
