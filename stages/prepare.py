"""Images and concepts to Parquet: data/images."""

from pathlib import Path

from pipeline.config import load_params
from pipeline.data import prepare
from pipeline.entry import run


def main() -> None:
    """Render, label and split the source's images."""
    params = load_params()
    rows = prepare(params.data, params.seed, Path("data/images"))
    print(f"data/images: {', '.join(f'{count} {split}' for split, count in rows.items())} rows")


if __name__ == "__main__":
    run(main)
