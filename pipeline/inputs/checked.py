"""What params.yaml names outside of it: that it is there, that no stage removes it, and what it holds.

DVC removes the outputs of a stage before it begins. What the stages read from elsewhere it does not know; it knows the
files that stage check writes of it.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.errors import InputError
from pipeline.files import read_yaml
from pipeline.inputs.contents import Contents, Found, digest, found_file, walk
from pipeline.inputs.modules import installed_version, source_files
from pipeline.inputs.network_files import read_class_names, require_exported, require_weights
from pipeline.inputs.paths import IMAGE_SUFFIXES, data_root, in_root, names_weights, weights_file
from pipeline.inputs.sketches import require_model, require_sketches
from pipeline.params import BackboneParams, Params
from pipeline.places import Places
from pipeline.storage.remote import Remote, is_url, own_folder

__all__ = ["DRAWN_BY", "Checked", "check_inputs", "outputs"]

DRAWN_BY = {"arguments", "num_dims", "output_key", "output_range"}  # besides network and weights, of a generator

_SIZES = ("size", "nfiles")
_REMOVED = "which dvc removes before its stage begins; what is yours needs a place of its own"


@dataclass(frozen=True)
class Checked:
    """What lies behind params.yaml, by key: number of files, bytes and checksum, or the version of a package.

    Attributes:
        images: what stage prepare reads; where a generator draws the images, that network too, and under `backbone` the
            keys that they follow from, which are no params of the stage, as no other source reads one of them.
        network: what the stages that open the network read.
        features: what stage evaluate reads beside all that.
        sketches: what stage stylise reads beside the images.
    """

    images: dict[str, Any]
    network: dict[str, Any]
    features: dict[str, Any]
    sketches: dict[str, Any]


@dataclass(frozen=True)
class _Named:
    """What a key names.

    Attributes:
        key: of params.yaml.
        value: as params.yaml has it.
        places: files and folders that no stage may remove, links resolved.
        root: where the files lie.
        files: name → file; what they hold is looked at.
        known: in place of files, what is known of something that lies elsewhere.
    """

    key: str
    value: str
    places: Sequence[Path] = ()
    root: Path = Path()
    files: Mapping[str, Found] | None = None
    known: Mapping[str, Any] | None = None


def check_inputs(params: Params, places: Places) -> Checked:
    """Look at all that params.yaml names.

    Args:
        params: all sections.
        places: of the project.

    Raises:
        InputError: something is not there or can't be read, or it and an output of dvc.yaml lie one in the other.
    """
    outs = list(outputs(places, params.layers))
    storage = params.machine.storage
    own = own_folder(storage)
    _require_apart(_Named("machine.storage", own, [Path(own).resolve()]), outs)
    if is_url(storage):
        Remote(storage).require_writable()
    if (cache := params.machine.cache) is not None:
        _require_apart(_Named("machine.cache", cache, [Path(cache).resolve()]), outs)
    root = data_root(params.machine.data_root)
    if root is not None:
        _require_apart(_Named("machine.data_root", root, [Path(root).resolve()]), outs)
    images, network = list(_images(params, root, outs)), list(_network(params))
    features, sketches = list(_features(params)), list(_sketches(params))
    for named in (*images, *network, *features, *sketches):
        _require_apart(named, outs, read=True)
    _require_readable(params.backbone)
    contents = Contents(places.root / own / "contents")
    of_images, of_network, of_features, of_sketches = (
        {named.key: _content(named, contents) for named in part} for part in (images, network, features, sketches)
    )
    of_images |= dict(_passed_over("data", params.data.model_dump()))
    of_network |= dict(_passed_over("backbone", params.backbone.model_dump()))
    if params.data.source == "generator":
        of_images |= of_network | {"backbone": _drawn_by(params.backbone)}
    return Checked(of_images, of_network, of_features, of_sketches)


def _drawn_by(backbone: BackboneParams) -> dict[str, Any]:
    """Keys that the images of a generator follow from; of a file that one names, its content is looked at."""
    drawn: dict[str, Any] = backbone.model_dump(mode="json", include=DRAWN_BY)
    return drawn | ({"network": backbone.network} if backbone.network_is == "callable" else {})


def _passed_over(key: str, value: Any) -> Iterator[tuple[str, Any]]:
    """Dotted key and value of params that dvc's cache of runs takes for the size of an output.

    It leaves every key of such a name out of what it compares, so that a run with another value would be taken for the
    same (`dvc.stage.cache._get_cache_hash`, dvc 3.67).
    """
    if isinstance(value, Mapping):
        for name, inner in value.items():
            if name in _SIZES and inner is not None:
                yield f"{key}.{name}", inner
            else:
                yield from _passed_over(f"{key}.{name}", inner)


def outputs(places: Places, layers: Iterable[str]) -> Iterator[Path]:
    """Files and folders that the stages of dvc.yaml write, of all layers."""
    for stage in read_yaml(places.pipeline, "run from the project's folder")["stages"].values():
        for listed in (entry for kind in ("outs", "metrics", "plots") for entry in stage.get(kind, ())):
            name = listed if isinstance(listed, str) else next(iter(listed))
            yield from {places.root / name.replace("${item.layer}", layer) for layer in layers}


def _images(params: Params, root: str | None, outs: Sequence[Path]) -> Iterator[_Named]:
    """What the source of images reads."""
    data = params.data
    if data.source == "image_folder":
        assert data.path is not None  # as its section has been checked
        yield _folder("data.path", in_root(data.path, root), images_alone=data.table is None)
    if data.source == "parquet":
        assert data.path is not None
        yield _parquet(in_root(data.path, root), outs)
    if data.table is not None:
        yield _file("data.table", data.table, Path(in_root(data.table, root)), "a CSV or Parquet file is expected")
    if data.discovered.table is not None:
        key, path = "data.discovered.table", data.discovered.table
        yield _file(key, path, Path(path), "a table that python -m pipeline.concepts discover wrote is expected")
    if data.labeller is not None:
        folder = Path(data.labeller).is_dir()
        yield _folder("data.labeller", data.labeller) if folder else _module("data.labeller", data.labeller)


def _network(params: Params) -> Iterator[_Named]:
    """What a network that was brought along is made from."""
    backbone = params.backbone
    if backbone.network_is is None:
        return
    assert backbone.network is not None  # as its section has been checked
    if backbone.network_is == "file":
        expected = "a file that torch.export.save wrote is expected"
        yield _file("backbone.network", backbone.network, Path(backbone.network), expected)
    elif backbone.network_is == "callable":
        yield _module("backbone.network", backbone.network)
    if _has_weights_file(backbone):
        expected = "a safetensors file or a checkpoint of weights is expected"
        yield _file("backbone.weights", str(backbone.weights), weights_file(str(backbone.weights)), expected)
    if backbone.class_names is not None:
        expected = "a text of one name a line, or JSON, is expected"
        yield _file("backbone.class_names", backbone.class_names, Path(backbone.class_names), expected)


def _features(params: Params) -> Iterator[_Named]:
    """What compares drawn images with real ones."""
    if (path := params.evaluate.features) is not None:
        yield _file("evaluate.features", path, Path(path), "a TorchScript or torch.export file is expected")
        require_exported(Path(path), "evaluate.features", "TorchScript or torch.export file")


def _sketches(params: Params) -> Iterator[_Named]:
    """Both pictures of each concept that is given so, and what draws in their styles."""
    section = "data.sketches"
    for concept, value in params.data.sketches.items():
        key = f"{section}.{concept}"
        files = {path.name: found_file(path) for path in require_sketches(key, value)}
        yield _Named(key, value, [Path(value).resolve()], Path(value), files)
    if params.data.sketches:
        known = require_model(params.style.model)
        yield (
            _module("style.model", params.style.model)
            if known is None
            else _Named("style.model", params.style.model, known=known)
        )


def _require_readable(backbone: BackboneParams) -> None:
    """Refuse files of a network that was brought along which hold something else."""
    if backbone.network_is == "file":
        require_exported(Path(str(backbone.network)))
    if _has_weights_file(backbone):
        require_weights(weights_file(str(backbone.weights)))
    if backbone.class_names is not None:
        read_class_names(Path(backbone.class_names))


def _has_weights_file(backbone: BackboneParams) -> bool:
    if backbone.network_is is None or not backbone.weights:
        return False
    return not (backbone.network_is == "model" and names_weights(backbone.weights))


def _folder(key: str, value: str, *, images_alone: bool = False) -> _Named:
    root = Path(value)
    if not root.is_dir():
        raise InputError(f"{key}: {value} is no folder; one of images is expected")
    files, links = walk(root, lambda name: not images_alone or name.lower().endswith(IMAGE_SUFFIXES))
    return _Named(key, value, [root.resolve(), *links], root, files)


def _file(key: str, value: str, path: Path, expected: str) -> _Named:
    if not path.is_file():
        raise InputError(f"{key}: {value} is {'a folder' if path.is_dir() else 'not there'}; {expected}")
    return _Named(key, value, [path.resolve()], path, {"": found_file(path)})


def _module(key: str, value: str) -> _Named:
    module, colon, _ = value.partition(":")
    if not colon:
        expected = "package.module:callable" + (" or a folder" if key == "data.labeller" else "")
        raise InputError(f"{key}: found '{value}', expected {expected}")
    if version := installed_version(module):
        return _Named(key, value, known={"version": version})
    sources = source_files(module, key)
    files = {name: found_file(path) for name, path in sources.items()}
    return _Named(key, value, [path.resolve() for path in sources.values()], Path(), files)


def _parquet(place: str, outs: Sequence[Path]) -> _Named:
    from pipeline.inputs.parquet_files import find_parquet  # pyarrow takes a moment, which every check would wait for

    key, found = "data.path", find_parquet(place)
    if not found.is_local:
        marks = list(found.marks())
        return _Named(key, place, known={"files": len(marks), "sha256": digest(marks)})
    for output in outs:
        if found.would_hold(output.absolute()):
            raise InputError(f"{key}: {place} takes in {output}, {_REMOVED}")
    base = Path(found.base)
    tables, images = [Path(path) for path in found.paths], list(found.named_images())
    files = {path.relative_to(base).as_posix(): found_file(path) for path in (*tables, *images)}
    one_a_folder = {image.parent: image for image in images}.values()
    return _Named(key, place, [path.resolve() for path in (*tables, *one_a_folder)], base, files)


def _content(named: _Named, contents: Contents) -> Mapping[str, Any]:
    return contents.of(named.key, named.root, named.files or {}) if named.known is None else named.known


def _require_apart(named: _Named, outs: Sequence[Path], *, read: bool = False) -> None:
    """Refuse what a stage would remove, and a folder that is read and holds what a stage writes."""
    resolved = [(str(place), out) for out in outs for place in {out.resolve(), out.parent.resolve() / out.name}]
    for path in map(str, named.places):
        for place, out in resolved:
            if f"{path}/".startswith(f"{place}/"):
                raise InputError(f"{named.key}: {named.value} lies in {out}, {_REMOVED}")
            if read and place.startswith(f"{path}/"):
                raise InputError(f"{named.key}: {named.value} takes in {out}, {_REMOVED}")
