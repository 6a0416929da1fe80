"""Images and concepts to Parquet: data/prepared."""

from pathlib import Path

from pipeline.entry import run
from pipeline.params import load_params
from pipeline.places import Places
from pipeline.prepare.images import prepare
from pipeline.prepare.sources.generator import generated_source
from pipeline.prepare.sources.torchvision_sets import Roots
from pipeline.storage.remote import own_folder


def main() -> None:
    """Render, label and split the source's images."""
    params = load_params()
    roots = Roots(params.machine.data_root, Path(own_folder(params.machine.storage)) / "datasets")
    source = generated_source(params) if params.data.source == "generator" else None
    rows = prepare(params.data, params.seed, Places().prepared, roots, source)
    print(f"data/prepared: {', '.join(f'{count} {split}' for split, count in rows.items())} rows")


if __name__ == "__main__":
    run(main)
