"""What the network does with codes: what edits change, and what is lost on the way back."""

from pipeline.scores.behaviour.change import ChangeTally, output_scale, values_preservation
from pipeline.scores.behaviour.preservation import preservation, round_trip
from pipeline.scores.behaviour.response import ResponseTally, response, response_scores
from pipeline.scores.behaviour.swap import swap_score

__all__ = [
    "ChangeTally",
    "ResponseTally",
    "output_scale",
    "preservation",
    "response",
    "response_scores",
    "round_trip",
    "swap_score",
    "values_preservation",
]
