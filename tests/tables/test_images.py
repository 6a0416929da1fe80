import numpy as np
import torch

from pipeline.tables.images import to_pixels, to_unit_range


def test_pixels_come_back_and_what_leaves_the_range_is_cut_off() -> None:
    levels = np.arange(256, dtype=np.uint8).repeat(3).reshape(2, 16, 8, 3)
    assert np.array_equal(to_pixels(to_unit_range(levels)), levels)
    images = torch.tensor([-2.0, -1.0, 0.0, 1.0, 1.01])[None, None, None].expand(1, 3, 1, 5)
    assert to_pixels(images)[0, 0, :, 1].tolist() == [0, 0, 128, 255, 255]  # 127.5 goes to the even one
    grid = torch.linspace(-1, 1, 4001)[None, None, None].expand(1, 3, 1, -1)
    expected = np.rint((grid.numpy() + 1) * 127.5).astype(np.uint8).transpose(0, 2, 3, 1)
    assert np.array_equal(to_pixels(grid), expected)
