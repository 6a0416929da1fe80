"""Check the whole of params.yaml, so that a misspelt key is refused although no other stage lists it."""

from pipeline.entry import run
from pipeline.files import write_atomic
from pipeline.params import load_params
from pipeline.places import Places


def main() -> None:
    """Refuse a wrong params.yaml; the output is constant, so that a right one reruns nothing."""
    load_params()
    write_atomic(Places().checked, "params.yaml was read and every key is known\n")


if __name__ == "__main__":
    run(main)
