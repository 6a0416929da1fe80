"""What a sweep searches, and a candidate: a flow that differs from params.yaml in these keys and in its sizes."""

from dataclasses import dataclass
from typing import Any

from pipeline.basis.layout import Layout
from pipeline.params import FlowParams, Params

__all__ = ["SEARCHED", "Candidate"]

# What a sweep can vary beside the sizes: a key of section `flow` or `train`, and how a line shows its value. Section
# `tune` lists the values to try under the same key; a key of which it lists none is not searched, and in no candidate.
# What is chosen reaches the training through flow.yaml.
SEARCHED = {
    "num_blocks": "{} blocks",
    "width": "width {}",
    "learning_rate": "learning rate {}",
    "rho": "rho {}",
    "weight_decay": "weight decay {}",
}


@dataclass(frozen=True)
class Candidate:
    """A flow that may be trained.

    Attributes:
        settings: value of each key of `SEARCHED` that is searched, in that order.
        layout: its factors.

    Example:
        >>> candidate = Candidate({"num_blocks": 8}, Layout(("residual", "digit"), (20, 12)))
        >>> str(candidate), candidate.name, candidate.applied(Params()).flow.num_blocks
        ('8 blocks, sizes 20/12', 'num_blocks-8-sizes-20-12', 8)
    """

    settings: dict[str, Any]
    layout: Layout

    def __str__(self) -> str:
        """Settings and sizes as a line shows them."""
        return f"{self.words}, sizes {'/'.join(str(size) for size in self.layout.sizes)}"

    @property
    def words(self) -> str:
        """The settings as a line shows them, such as `8 blocks`."""
        return ", ".join(SEARCHED[key].format(value) for key, value in self.settings.items())

    @property
    def name(self) -> str:
        """Its own among all candidates of a search, and fit for a folder."""
        settings = (f"{key}-{value}" for key, value in self.settings.items())
        return "-".join([*settings, "sizes", *(str(size) for size in self.layout.sizes)])

    def applied(self, params: Params) -> Params:
        """The params with these settings in section `flow`, or `train`, in place of their own.

        Raises:
            ValidationError: neither section has the key, or its value is impossible there.
        """
        of_flow = {key: value for key, value in self.settings.items() if key in FlowParams.model_fields}
        of_train = {key: value for key, value in self.settings.items() if key not in of_flow}
        return params.changed(flow=params.flow.changed(**of_flow), train=params.train.changed(**of_train))
