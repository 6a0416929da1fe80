import numpy as np
import torch

from pipeline.basis.draws import draw_seed


def test_the_same_draw_has_the_same_seed_on_every_machine() -> None:
    # a changed seed changes every table and weight of every study
    assert draw_seed(0, "palette") == 9211733894422566572
    assert draw_seed(7, "train/pairs", 12) == 6674175698852518265


def test_seed_purpose_and_step_each_make_another_draw() -> None:
    seeds = {
        draw_seed(seed, purpose, step) for seed in range(10) for purpose in ("a", "b", "a/1") for step in range(200)
    }
    assert len(seeds) == 10 * 3 * 200


def test_seeds_are_accepted_by_both_generators() -> None:
    seeds = [draw_seed(0, "range", step) for step in range(1000)]
    assert all(0 <= seed < 2**63 for seed in seeds)
    assert max(seeds) > 2**62  # the whole range is used
    largest = max(seeds)
    torch.Generator().manual_seed(largest)
    np.random.default_rng(largest)


def test_draws_of_successive_steps_look_independent() -> None:
    draws = np.array([np.random.default_rng(draw_seed(0, "steps", step)).random() for step in range(2000)])
    assert abs(draws.mean() - 0.5) < 0.03
    assert abs(np.corrcoef(draws[1:], draws[:-1])[0, 1]) < 0.08
