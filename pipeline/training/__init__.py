"""The engine that trains any network here: step and loop (torch only), checkpoints, curves, Ray Train."""
