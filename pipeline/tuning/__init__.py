"""The shape of the flow by Ray Tune: number of blocks and factor sizes around the estimate."""
