"""What params.yaml names is looked at: refused where a stage would remove it, and any change of it is seen."""

import json
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from imports import ROOT
from pydantic import BaseModel
from refusals import refusal_of

from pipeline.inputs.checked import DRAWN_BY, Checked, check_inputs, outputs
from pipeline.params import Params
from pipeline.params.section import PathName
from pipeline.places import Places

REMOVED = "which dvc removes before its stage begins; what is yours needs a place of its own"
FOLDER = {"source": "image_folder", "path": "photos", "concepts": ("class",)}
TORCH = {"kind": "torch", "network": "mine_checked:make"}
GENERATOR = {
    "data": {"source": "generator", "labeller": "names_checked:of", "max_images": 400, "copies": 1},
    "backbone": {"kind": "generator", "network": "mine_checked:make", "weights": "mine.pt"},
}


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with dvc.yaml and a person's files; the working folder."""
    folder = tmp_path / "project"
    for name in ("photos/cat/1.png", "photos/dog/2.JPG", "photos/dog/notes.txt", "table.csv", "mine.pt", "mine.pt2"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(f"PK {name}")
    (folder / "mine_checked.py").write_text("import helps_checked\n")
    (folder / "helps_checked.py").write_text("")
    (folder / "names_checked.py").write_text("")
    shutil.copy(ROOT / "dvc.yaml", folder)
    monkeypatch.chdir(folder)
    monkeypatch.syspath_prepend(folder)
    monkeypatch.delenv("IIN_DATA_ROOT", raising=False)
    return folder


def checked(**sections: Any) -> Checked:
    sections = {name: dict(section) for name, section in sections.items()}
    layers = (
        {"layers": ("0",)} if sections.get("backbone", {}).get("kind") in ("torch", "torchvision", "exported") else {}
    )
    return check_inputs(Params.model_validate(sections | layers), Places())


def refusal(**sections: Any) -> str:
    return refusal_of(checked, **sections)


def test_the_outputs_of_dvc_yaml() -> None:
    found = {path.as_posix() for path in outputs(Places(), ["one", "two"])}
    assert {"data/images", "models/backbone", "comparison", "results/one/figures", "models/layers/two/iin"} <= found
    assert {".checks/images.json", "results/two/metrics.json", "results/one/curves.csv"} <= found
    assert not [path for path in found if "$" in path]


def test_the_default_study_names_nothing() -> None:
    assert checked() == Checked({}, {}, {}, {})
    assert not Path(".runs").exists()


INSIDE: dict[str, tuple[str, dict[str, Any]]] = {
    "the folder of images": ("data/images", {"data": FOLDER | {"path": "data/images"}}),
    "a folder in it": ("data/images", {"data": FOLDER | {"path": "data/images/photos"}}),
    "its table": ("comparison", {"data": FOLDER | {"table": "comparison/table.csv"}}),
    "a set": ("data/images", {"data": FOLDER | {"source": "parquet", "path": "data/images/*.parquet"}}),
    "the weights": ("models/backbone", {"backbone": TORCH | {"weights": "models/backbone/mine.pt"}}),
    "a file": ("models/backbone", {"backbone": TORCH | {"kind": "exported", "network": "models/backbone/mine.pt2"}}),
    "a module": ("models/judge", {"backbone": TORCH | {"network": "models.judge.theirs:make"}}),
    "a labeller": ("models/judge", GENERATOR | {"data": GENERATOR["data"] | {"labeller": "models/judge"}}),
    "storage": ("data/images", {"machine": {"storage": "data/images/.runs"}}),
    "root": ("models/judge", {"machine": {"data_root": "models/judge"}}),
}


@pytest.mark.parametrize(("output", "sections"), INSIDE.values(), ids=INSIDE)
@pytest.mark.parametrize("link", [False, True])
def test_what_a_stage_would_remove_is_refused(project: Path, output: str, sections: dict[str, Any], link: bool) -> None:
    if link:  # the folder lies elsewhere, and a link leads there
        (project.parent / "disk" / output).mkdir(parents=True)
        Path(output).parent.mkdir(exist_ok=True)
        Path(output).symlink_to(project.parent / "disk" / output)
    for name in ("photos/cat/1.png", "mine.pt", "mine.pt2", "theirs.py", "table.csv"):
        (Path(output) / name).parent.mkdir(parents=True, exist_ok=True)
        (Path(output) / name).write_text("")
    pq.write_table(pa.table({"kind": [1]}), f"{output}/a.parquet")
    before = sorted(path for path in project.parent.rglob("*"))
    assert re.search(rf"^[a-z._]+: \S+ (lies|takes) in {output}, {REMOVED}$", refusal(**sections))
    assert sorted(path for path in project.parent.rglob("*")) == before


def test_a_cache_in_what_a_stage_would_remove_is_refused(project: Path) -> None:
    cache = f"{project}/models/judge/copies"
    assert refusal(machine={"cache": cache}) == f"machine.cache: {cache} lies in models/judge, {REMOVED}"
    assert checked(machine={"cache": f"{project}/copies"}) == Checked({}, {}, {}, {})


def test_a_link_that_leads_to_what_a_stage_would_remove_is_refused(project: Path) -> None:
    Path("data").mkdir()
    shutil.move("photos", "data/images")
    Path("photos").symlink_to("data/images")
    assert refusal(data=FOLDER) == f"data.path: photos lies in data/images, {REMOVED}"
    Path("photos").unlink()
    Path("photos/cat").mkdir(parents=True)
    Path("photos/cat/1.png").symlink_to(project / "data/images/cat/1.png")
    assert refusal(data=FOLDER) == f"data.path: photos lies in data/images, {REMOVED}"
    Path("photos/cat/1.png").unlink()
    Path("photos/dog").symlink_to(project / "data/images/dog")
    assert refusal(data=FOLDER) == f"data.path: photos lies in data/images, {REMOVED}"


@pytest.mark.parametrize("path", [".", "data", "models"])
def test_a_folder_around_what_a_stage_writes_is_refused(path: str) -> None:
    for folder in ("data/images", "models/backbone"):
        Path(folder).mkdir(parents=True)
    assert f"data.path: {path} takes in " in refusal(data=FOLDER | {"path": path, "table": "table.csv"})
    assert f"data.path: {path} takes in " in refusal(data=FOLDER | {"path": path})
    pq.write_table(pa.table({"kind": [1]}), f"{path}/mine.parquet")
    assert f"data.path: {path} takes in " in refusal(data=FOLDER | {"source": "parquet", "path": path})
    checked(data=FOLDER | {"source": "parquet", "path": f"{path}/mine.parquet"})
    checked(data=FOLDER | {"source": "parquet", "path": f"{path}/m*.parquet"})
    checked(data=FOLDER, machine={"data_root": path, "storage": path})


MISSING: dict[str, dict[str, Any]] = {
    "data.path: gone is no folder; one of images is expected": {"data": FOLDER | {"path": "gone"}},
    "data.path: gone is not there; a Parquet file, ": {"data": FOLDER | {"source": "parquet", "path": "gone"}},
    "data.table: gone is not there; a CSV or Parquet file is expected": {"data": FOLDER | {"table": "gone"}},
    "backbone.weights: gone.pt is not there; a safetensors file or ": {"backbone": TORCH | {"weights": "gone.pt"}},
    "backbone.weights: gone:pt: no package 'gone' is installed": {"backbone": TORCH | {"weights": "gone:pt"}},
    "backbone.weights: s3://mine.pt: no package 's3' is installed": {"backbone": TORCH | {"weights": "s3://mine.pt"}},
    "backbone.network: gone is not there; a file that torch.export.save wrote is expected": {
        "backbone": {"kind": "exported", "network": "gone"}
    },
    "backbone.network: no module 'gone' can be imported": {"backbone": TORCH | {"network": "gone:make"}},
    "backbone.network: found 'gone', expected package.module:callable": {"backbone": TORCH | {"network": "gone"}},
    "data.labeller: found 'gone', expected package.module:callable or a folder": (
        GENERATOR | {"data": GENERATOR["data"] | {"labeller": "gone"}}
    ),
}


@pytest.mark.parametrize(("message", "sections"), MISSING.items(), ids=MISSING)
def test_what_is_not_there_is_said_before_anything_runs(message: str, sections: dict[str, Any]) -> None:
    assert refusal(**sections).startswith(message)


def _edit(name: str, content: str = "PK changed") -> Callable[[], object]:
    return lambda: Path(name).write_text(content)


SEEN: dict[str, tuple[dict[str, Any], Callable[[], object], set[str]]] = {
    "a photo more": ({"data": FOLDER}, _edit("photos/cat/3.png"), {"images"}),
    "another photo": ({"data": FOLDER}, _edit("photos/dog/2.JPG"), {"images"}),
    "what is no photo": ({"data": FOLDER}, _edit("photos/dog/notes.txt"), set()),
    "a file that a table may list": (
        {"data": FOLDER | {"table": "table.csv"}},
        _edit("photos/dog/notes.txt"),
        {"images"},
    ),
    "the table": ({"data": FOLDER | {"table": "table.csv"}}, _edit("table.csv"), {"images"}),
    "the weights": ({"backbone": TORCH | {"weights": "mine.pt"}}, _edit("mine.pt"), {"network"}),
    "the file": ({"backbone": {"kind": "exported", "network": "mine.pt2"}}, _edit("mine.pt2"), {"network"}),
    "the module": ({"backbone": TORCH}, _edit("mine_checked.py", "import json"), {"network"}),
    "what it imports": ({"backbone": TORCH}, _edit("helps_checked.py", "import json"), {"network"}),
    "another module": ({"backbone": TORCH}, _edit("names_checked.py", "import json"), set()),
    "the weights of a generator": (GENERATOR, _edit("mine.pt"), {"images", "network"}),
    "its module": (GENERATOR, _edit("helps_checked.py", "import json"), {"images", "network"}),
    "its labeller": (GENERATOR, _edit("names_checked.py", "import json"), {"images"}),
    "torchvision's own weights": (
        {"backbone": {"kind": "torchvision", "network": "resnet18", "weights": "DEFAULT"}},
        _edit("mine.pt"),
        set(),
    ),
}


@pytest.mark.parametrize(("sections", "edit", "readers"), SEEN.values(), ids=SEEN)
def test_a_change_is_seen_by_those_who_read_it(
    sections: dict[str, Any], edit: Callable[[], object], readers: set[str]
) -> None:
    before = checked(**sections)
    assert checked(**sections) == before
    edit()
    after = checked(**sections)
    assert {name for name in ("images", "network") if getattr(after, name) != getattr(before, name)} == readers


def test_images_depend_on_the_backbone_where_a_generator_draws_them_and_nowhere_else() -> None:
    """So prepare lists no key of section backbone, and a change of the network alone draws no photo again."""
    changes: dict[str, Any] = {
        "network": "mine_checked:other",
        "arguments": {"size": 3},
        "num_dims": 5,
        "output_key": "image",
        "output_range": (0.0, 1.0),
        "weights": None,
    }
    drawn = checked(**GENERATOR).images
    assert set(changes) == DRAWN_BY | {"network", "weights"}
    for key, value in changes.items():
        section = GENERATOR["backbone"] | {key: value}
        assert checked(**GENERATOR | {"backbone": section}).images != drawn, key
    for key, value in {"steps": 7, "width": 8, "batch_size": 5}.items():
        assert checked(**GENERATOR | {"backbone": GENERATOR["backbone"] | {key: value}}).images == drawn, key
    photos = checked(data=FOLDER).images
    assert all(checked(data=FOLDER, backbone=section).images == photos for section in ({"num_dims": 5}, TORCH))


def test_the_folder_of_a_labeller_is_seen() -> None:
    Path("teacher").mkdir()
    Path("teacher/card.json").write_text("{}")
    sections = GENERATOR | {"data": GENERATOR["data"] | {"labeller": "teacher"}}
    before = checked(**sections)
    Path("teacher/card.json").write_text("[]")
    assert checked(**sections).images["data.labeller"] != before.images["data.labeller"]


def test_images_beside_a_set_are_seen() -> None:
    pq.write_table(pa.table({"image": ["photos/cat/1.png"], "kind": [1]}), "set.parquet")
    sections = {"data": FOLDER | {"source": "parquet", "path": "set.parquet"}}
    before = checked(**sections)
    assert before.images["data.path"]["files"] == 2
    Path("photos/cat/1.png").write_text("changed")
    assert checked(**sections) != before


def test_two_projects_with_the_same_files_are_the_same(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another machine, another home, another time: so the cache of one person serves the other."""
    sections = {"data": FOLDER | {"table": "~/table.csv"}, "backbone": TORCH | {"weights": "mine.pt"}}
    monkeypatch.setenv("HOME", str(project))
    first = checked(**sections)
    shutil.copytree(project, project.parent / "other")
    for path in (project.parent / "other").rglob("*"):
        os.utime(path, (1, 1))
    monkeypatch.chdir(project.parent / "other")
    monkeypatch.setenv("HOME", str(project.parent / "other"))
    shutil.rmtree(project)
    monkeypatch.syspath_prepend(project.parent / "other")
    assert checked(**sections) == first
    assert str(project.parent) not in json.dumps([first.images, first.network])


def test_params_that_dvc_takes_for_the_size_of_an_output_are_seen() -> None:
    assert checked(backbone=TORCH | {"input": {"size": 64}}).network["backbone.input.size"] == 64
    assert checked(backbone=TORCH | {"arguments": {"size": 3}}).network["backbone.arguments.size"] == 3
    graded = {"concepts": ("class", "size"), "graded": {"size": 0.5}}
    assert checked(data=FOLDER | graded).images["data.graded.size"] == 0.5
    assert checked(**GENERATOR | {"backbone": GENERATOR["backbone"] | {"arguments": {"nfiles": 2}}}).images[
        "backbone.arguments.nfiles"
    ] == 2  # fmt: skip


def test_what_a_file_holds_is_looked_at_too() -> None:
    for name in ("mine.pt", "mine.pt2", "labels.json"):
        Path(name).write_text("{")
    exported = {"kind": "exported", "network": "mine.pt2"}
    assert refusal(backbone=TORCH | {"weights": "mine.pt"}).startswith("backbone.weights: mine.pt is no checkpoint of")
    assert refusal(backbone=exported).startswith("backbone.network: mine.pt2 is no exported program")
    assert refusal(backbone=TORCH | {"class_names": "labels.json"}).startswith(
        "backbone.class_names: labels.json can't be read (Expecting"
    )
    assert refusal(backbone=TORCH | {"weights": "photos"}).startswith(
        "backbone.weights: photos is a folder; a safetens"
    )


def _path_keys(section: type[BaseModel], prefix: str = "") -> set[str]:
    keys: set[str] = set()
    for name, field in section.model_fields.items():
        annotation: Any = field.annotation
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            keys |= _path_keys(annotation, f"{prefix}{name}.")
        elif PathName in get_args(annotation) or get_args(PathName)[1] in field.metadata:
            keys.add(f"{prefix}{name}")
    return keys


def test_every_key_that_names_a_file_is_looked_at() -> None:
    keys = _path_keys(Params)
    assert {"data.path", "data.labeller", "backbone.weights", "machine.storage"} <= keys
    source = (ROOT / "pipeline/inputs/checked.py").read_text()
    assert {key for key in keys if f'"{key}"' not in source} == set()
