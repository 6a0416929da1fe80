"""The end of a study in a few lines: the scores to select by, with their intervals."""

from collections.abc import Mapping

from pipeline.scores import Score

__all__ = ["summary"]

SHOWN = (
    "probe/own",
    "probe/gap",
    "probe/other_max",
    "probe/residual_leak",
    "probe/leak_nonlinear",
    "swap/",
    "response/sample/",
    "pair/own",
    "nll/",
    "roundtrip/",
    "preserve/",
)


def summary(scores: Mapping[str, Score]) -> str:
    """One line a score: name, value and 95 % interval."""
    lines = []
    for name, score in scores.items():
        if not name.startswith(SHOWN) or name.startswith("swap/stay/"):
            continue
        interval = "" if score.low is None else f"  [{score.low:.3f}, {score.high:.3f}]"
        value = f"{score.value:.3f}" if abs(score.value) >= 5e-4 or score.value == 0 else f"{score.value:.1e}"
        lines.append(f"  {name:<34}{value:>10}{interval}")
    return "\n".join(lines)
