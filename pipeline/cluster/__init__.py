"""Ray for a stage: a local one, or a cluster that it joins after a look at each of its nodes."""

from pipeline.cluster.session import start_ray, without_line

__all__ = ["start_ray", "without_line"]
