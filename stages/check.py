"""Check the whole of params.yaml, and look at what it names: files, folders, addresses and modules of a person.

DVC runs this each time, so that what changed there is known to it, and a misspelt key is refused although no other
stage lists it.
"""

from pipeline.entry import run
from pipeline.files import write_json
from pipeline.inputs.checked import check_inputs
from pipeline.params import load_params
from pipeline.places import Places


def main() -> None:
    """Refuse a wrong params.yaml; what is written is what its keys name, hardly a key of its own."""
    places = Places()
    checked = check_inputs(load_params(), places)
    write_json(places.checked_images, checked.images)
    write_json(places.checked_network, checked.network)
    write_json(places.checked_features, checked.features)
    write_json(places.checked_sketches, checked.sketches)


if __name__ == "__main__":
    run(main)
