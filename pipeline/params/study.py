"""All sections of params.yaml as one frozen object, and what must hold between them."""

import os
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from pipeline.params.data import DataParams, StyleParams
from pipeline.params.flow import FlowParams, TrainParams, TuneParams, require_mixing
from pipeline.params.networks import BackboneParams, JudgeParams, LatentsParams
from pipeline.params.section import Count, PathName, Positive, Section

__all__ = ["DATA_ROOT", "EvaluateParams", "InterpretParams", "MachineParams", "Params"]

DATA_ROOT = "IIN_DATA_ROOT"  # the environment variable that stands in for an empty data_root

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")]

LayerName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]*(/[A-Za-z0-9_][A-Za-z0-9_.-]*)*$")]


class EvaluateParams(Section):
    """How much is drawn to measure a score; all of it from the test split."""

    pairs: Annotated[int, Field(ge=100)] = 4000
    """Pairs for the likelihood and the pair correlations."""
    swaps: Annotated[int, Field(ge=100)] = 2000
    """Recipients and donors for the swap score."""
    response_draws: Count = 100
    """Edits of each kind, factor and image for the response of a classifier."""
    response_images: Count | None = None
    """Test images for it, drawn by seed and evenly over the classes; empty: all."""
    features: PathName | None = None
    """File of the network by whose features drawn images are compared with real ones, of TorchScript or torch.export;
    empty: where there is no concept the judge's, else they are not compared."""


class InterpretParams(Section):
    """Sizes of the pictures."""

    columns: Annotated[int, Field(ge=2, le=16)] = 8
    """Images in a row of a grid."""
    path_steps: Annotated[int, Field(ge=3, le=16)] = 9
    """Points of a path, its ends included."""


class MachineParams(Section):
    """The same study on another machine is the same study."""

    device: Literal["auto", "cpu", "cuda"] = "auto"
    """`auto` takes a GPU where there is one."""
    workers: Annotated[int, Field(ge=1)] = 1
    """Of the trainings of backbone, judge and train; more than one are Ray Train's."""
    cpus_per_worker: Annotated[int, Field(ge=1)] = 1
    gpus_per_worker: Annotated[int, Field(ge=0)] = 0
    data_root: PathName | None = None
    """Where torchvision's data sets lie; empty: where IIN_DATA_ROOT points, else they are downloaded."""
    storage: PathName = ".runs"
    """Of checkpoints, curves and times: a folder, relative to the project, or a store that PyArrow can reach,
    such as `s3://bucket/folder` (`fsspec+<scheme>://…` for those of fsspec). With a store, what a driver has for itself
    lies in `.runs`, and so do shards of latents and curves of a sweep."""
    memory_budget: Positive | None = None
    """GB of a node's memory that latents may fill, once for all its workers; empty: half of it. More are read row by
    row from a copy on the node's disk."""
    cache: PathName | None = None
    """Folder of that copy, on a disk of each node's own; empty: in its folder for temporary files."""

    @field_validator("cache")
    @classmethod
    def _absolute(cls, cache: str | None) -> str | None:
        if cache is not None and not os.path.isabs(cache):  # noqa: PTH117  its own words are kept
            raise ValueError("each node has its own, so that an absolute path is accepted")
        return cache

    node_wait: Annotated[float, Field(ge=0)] = 60
    """Seconds for which a node of a cluster that was lost is waited for; where an autoscaler starts a new one, as many
    as that takes."""
    code: Literal["shared", "shipped"] = "shared"
    """How the nodes of a cluster come by the package `pipeline`: a folder that all of them see, or Ray sends it."""


class Params(Section):
    """All sections of params.yaml, and what must hold between them."""

    study: Name = "default"
    """Names the MLflow experiment `iin-<study>`; listed by no stage."""
    seed: Annotated[int, Field(ge=0)] = 0
    """Of data, backbone, judge, flow and every draw."""
    layers: Annotated[tuple[LayerName, ...], Field(min_length=1)] = ("latent",)
    """Where the backbone is split: `latent` of an autoencoder or a generator, else dotted names of modules."""
    data: DataParams = DataParams()
    style: StyleParams = StyleParams()
    backbone: BackboneParams = BackboneParams()
    judge: JudgeParams = JudgeParams()
    latents: LatentsParams = LatentsParams()
    flow: FlowParams = FlowParams()
    train: TrainParams = TrainParams()
    tune: TuneParams = TuneParams()
    evaluate: EvaluateParams = EvaluateParams()
    interpret: InterpretParams = InterpretParams()
    machine: MachineParams = MachineParams()

    @field_validator("layers")
    @classmethod
    def _distinct(cls, layers: tuple[str, ...]) -> tuple[str, ...]:
        twice = sorted({name for name in layers if layers.count(name) > 1})
        if twice:
            raise ValueError(f"layer '{twice[0]}' is listed twice; each may be listed once")
        for name in layers:
            if outer := [other for other in layers if name.startswith(f"{other}/")]:
                raise ValueError(f"the folder of layer '{name}' would lie in that of '{outer[0]}'; list one of them")
        return layers

    @model_validator(mode="after")
    def _layers_fit(self) -> "Params":
        kind = self.backbone.kind
        if self.backbone.has_latent and self.layers != ("latent",):
            raise ValueError(
                f"layers: found {list(self.layers)!r}: backbone.kind '{kind}' has one layer, accepted is [latent]"
            )
        if not self.backbone.has_latent and "latent" in self.layers:
            raise ValueError(
                f"layers: found 'latent', which an autoencoder has, but backbone.kind is '{kind}'; its "
                "layers are dotted names of modules: list them with python -m pipeline.backbone layers"
            )
        return self

    @model_validator(mode="after")
    def _generator_draws_its_images(self) -> "Params":
        kind, source = self.backbone.kind, self.data.source
        if self.backbone.traits.own_images != (source == "generator"):
            raise ValueError(
                f"data.source: found '{source}', but backbone.kind is '{kind}': the images of a generator, and of no "
                "other network, are those that it draws; accepted are both 'generator' or neither"
            )
        return self

    @model_validator(mode="after")
    def _images_fit(self) -> "Params":
        """Images that stay as they are the stage backbone looks at."""
        side, sides = self.data.image_size, self.backbone.traits.sides
        if side is not None and sides is not None and not sides[0] <= side <= sides[1]:
            raise ValueError(
                f"data.image_size: found {side}, but backbone.kind is '{self.backbone.kind}', which takes images of "
                f"{sides[0]} to {sides[1]} pixels"
            )
        return self

    @model_validator(mode="after")
    def _class_is_a_concept(self) -> "Params":
        concept = self.backbone.concept
        if concept is not None and concept not in self.data.concepts:
            accepted = ", ".join(self.data.concepts) or "none, as it is [], which goes with a network that needs none"
            raise ValueError(f"backbone.concept: found '{concept}', accepted are data.concepts: {accepted}")
        return self

    @model_validator(mode="after")
    def _shares_fit(self) -> "Params":
        val_share, test_share = self.data.val_share, self.data.test_share
        if val_share + test_share >= 1:
            raise ValueError(
                f"data.val_share: {val_share} and data.test_share = {test_share} leave no training images, "
                "expected a sum below 1"
            )
        return self

    @model_validator(mode="after")
    def _latent_is_whole(self) -> "Params":
        reduction, kind, num_dims = self.latents.reduction, self.backbone.kind, self.backbone.num_dims
        if self.backbone.has_latent and reduction not in ("mean", "none"):
            raise ValueError(
                f"latents.reduce: found '{reduction}', but backbone.kind is '{kind}': all {num_dims} numbers of its "
                "latent (backbone.num_dims) enter the flow; accepted are 'mean' and 'none'"
            )
        return self

    @model_validator(mode="after")
    def _mixing_fits(self) -> "Params":
        if self.backbone.has_latent:  # the width of another layer is known once it is extracted
            require_mixing(self.flow.mixing, self.backbone.num_dims, "backbone.num_dims")
        return self

    @model_validator(mode="after")
    def _sizes_fit(self) -> "Params":
        concepts, num_dims = self.data.concepts, self.backbone.num_dims
        num_factors = len(concepts) + 1
        own = self.backbone.has_latent  # the width of another layer is known once it is extracted
        if own and num_factors > num_dims:
            raise ValueError(
                f"data.concepts: {len(concepts)} concepts and the residual need at least {num_factors} dimensions, "
                f"but backbone.num_dims is {num_dims}"
            )
        lists = {"flow.sizes": self.flow.sizes} if isinstance(self.flow.sizes, tuple) else {}
        if isinstance(self.tune.sizes, tuple):
            lists |= {f"tune.sizes.{number}": sizes for number, sizes in enumerate(self.tune.sizes)}
        for key, sizes in lists.items():
            if len(sizes) != num_factors:
                raise ValueError(
                    f"{key}: found {len(sizes)} sizes, expected {num_factors}: {', '.join(('residual', *concepts))}"
                )
            if own and sum(sizes) != num_dims:
                raise ValueError(f"{key}: {list(sizes)} sum to {sum(sizes)}, expected backbone.num_dims = {num_dims}")
        return self
