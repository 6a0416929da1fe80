"""Training of any network here: the loop (torch only), its checkpoints, Ray Train, and the finished artifact."""
