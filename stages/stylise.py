"""The images table: what was prepared and, where sketches give a concept, each image in their styles: data/images."""

from pipeline.entry import run
from pipeline.files import atomic_folder, take_file
from pipeline.params import load_params
from pipeline.places import Places
from pipeline.runs import run_folder


def main() -> None:
    """Draw the images in the styles of the sketches, or go on from a killed start; without sketches pass them on."""
    params, places = load_params(), Places()
    if not params.data.sketches:
        with atomic_folder(places.images) as beside:
            for path in places.prepared.glob("*.parquet"):
                take_file(path, beside)
        return
    from pipeline.cluster import start_ray  # Ray takes seconds, which studies without sketches need not wait for
    from pipeline.stylise.stylisation import sketched_by, stylise

    runs = run_folder(params.machine.storage, "stylise")
    with start_ray(params.machine) as worker:
        rows = stylise(sketched_by(params), places.prepared, places.images, runs, params.machine, worker)
    print(f"data/images: {', '.join(f'{count} {split}' for split, count in rows.items())} rows")


if __name__ == "__main__":
    run(main)
