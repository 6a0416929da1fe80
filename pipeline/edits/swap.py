"""Replace one factor of a code by another code's (Esser, Rombach, Ommer, CVPR 2020, arXiv 2004.13166, section 4)."""

from torch import Tensor

from pipeline.layout import Layout

__all__ = ["swap"]


def swap(recipient: Tensor, donor: Tensor, layout: Layout, factor: str) -> Tensor:
    """Give each recipient the donor's `factor`, and leave every other number of it as it is.

    Args:
        recipient: codes [n, N].
        donor: codes [n, N], one a recipient.
        layout: the factors of a code.
        factor: name of the factor to replace.

    Returns:
        New codes [n, N]; the arguments are not changed.

    Raises:
        ValueError: if the shapes are not [n, N] each, or the layout has no such factor.
    """
    if recipient.shape != donor.shape or recipient.ndim != 2 or recipient.shape[1] != layout.num_dims:
        raise ValueError(
            f"swap: recipient {tuple(recipient.shape)} and donor {tuple(donor.shape)} must be [n, {layout.num_dims}]"
        )
    where = layout.slice(factor)
    codes = recipient.clone()
    codes[:, where] = donor[:, where]
    return codes
