"""Edits of a code: swap a factor, move it, draw it anew, walk in it or straight to another code; torch and layout only.

An edit changes a code z̃ = T(z). What it means is seen after T⁻¹, in the output of the network that is interpreted.

Example:
    >>> import torch
    >>> from pipeline.layout import Layout
    >>> layout = Layout.of(["digit"], [1, 2])
    >>> swap(torch.zeros(1, 3), torch.ones(1, 3), layout, "digit")
    tensor([[0., 1., 1.]])
"""

from pipeline.edits.edit import edit
from pipeline.edits.path import path
from pipeline.edits.sample import sample
from pipeline.edits.swap import swap
from pipeline.edits.walk import walk

__all__ = ["edit", "path", "sample", "swap", "walk"]
