"""What the page shows of a layer: its images, what can be changed in their factors, and what the network makes of it.

Nothing here knows of the page.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from pipeline.apply.application import read_images
from pipeline.basis.layout import RESIDUAL, Layout
from pipeline.drawing.palette import spoken
from pipeline.errors import InputError
from pipeline.iin.values import Value
from pipeline.interpret.directions import directions
from pipeline.interpret.subject import Subject, subject_of
from pipeline.interpretation.edits import Edit, move, sample, swap
from pipeline.interpretation.interpretation import Interpretation
from pipeline.interpretation.rows import Rows
from pipeline.places import Places
from pipeline.scores.record import Scores, read_scores
from pipeline.scores.statistics.score import SWAP_FOLLOW, probe_cell, probe_own
from pipeline.tables.images import load_images
from pipeline.tables.latents import load_latents

__all__ = ["Change", "Explorer", "Picked", "Result"]

SLIDERS = 3  # a factor
CHOICE = 16  # images to pick from
MOST_MEGAPIXELS = 20
MOST_SAID = 3  # concepts, of what the residual tells


@dataclass(frozen=True)
class Picked:
    """An image with its code: pixels [1, H, W, 3] and z̃ [1, N]."""

    pixels: NDArray[np.uint8]
    code: Tensor


@dataclass(frozen=True)
class Change:
    """What is done to one factor: it comes from elsewhere, or stays, and is then moved.

    Attributes:
        swapped: it is the second image's.
        value: it is set to this value of its concept; None: it is not.
        seed: it is drawn from N(0, 1) by this seed; None: it is not.
        amounts: how far it is moved along each leading direction, in standard deviations of N(0, 1).
    """

    swapped: bool = False
    value: Value | None = None
    seed: int | None = None
    amounts: tuple[float, ...] = ()


@dataclass(frozen=True)
class Result:
    """What the network makes of an image and of its changed code.

    Attributes:
        unchanged: its output [1, …] for the code as it is.
        changed: and for the changed one.
        distance: how far the changed latent lies from those that T was trained on; 99.9 % of these are within 1.
    """

    unchanged: Tensor
    changed: Tensor
    distance: float


@dataclass(frozen=True)
class Explorer:
    """A layer of a study, ready to be explored.

    Attributes:
        subject: its test images, codes, network and map.
        scores: of the layer; None where it was not scored yet.
    """

    subject: Subject
    scores: Scores | None

    @classmethod
    def open(cls, places: Places, layer: str, seed: int) -> Self:
        """Read what the study left of a layer.

        Args:
            places: of the project.
            layer: one of the study's.
            seed: of the choice of images.

        Raises:
            InputError: a file is missing or damaged; the line names it.
        """
        interpretation = Interpretation.open(places.models.folder, layer)
        latents = load_latents(places.latents(layer), "test", interpretation.backbone.sha256)
        rows = Rows.of(interpretation, latents, load_images(places.images, "test"))
        scored = places.scores(layer)
        return cls(subject_of(rows, seed), read_scores(scored) if scored.exists() else None)

    @property
    def interpretation(self) -> Interpretation:
        """The network and its map."""
        return self.subject.rows.interpretation

    @property
    def layout(self) -> Layout:
        """Names and sizes of the factors."""
        return self.subject.layout

    @cached_property
    def directions(self) -> dict[str, Tensor]:
        """Leading directions [k, N_F] of each factor, at most three."""
        return directions(self.subject, SLIDERS)

    @cached_property
    def images(self) -> NDArray[np.int64]:
        """Rows to pick from, which differ in all concepts."""
        return self.subject.recipients(CHOICE)

    @cached_property
    def donors(self) -> NDArray[np.int64]:
        """Rows to pick a second image from, likewise."""
        return self.subject.choose(list(self.subject.targets), CHOICE, "explore/donors")

    def picked(self, row: int) -> Picked:
        """A test image."""
        return Picked(self.subject.pixels[row : row + 1], self.subject.rows.codes[row : row + 1])

    def uploaded(self, path: Path) -> Picked:
        """An image of a person's own.

        Raises:
            InputError: it is none that can be read, is larger than 20 megapixels or of another size than the network's
                images, or the network is a generator, which takes none; the line has the name of the file alone.
        """
        try:
            with Image.open(path) as image:
                width, height = image.size
            if width * height > MOST_MEGAPIXELS * 1_000_000:
                raise InputError(
                    f"{path}: {width}x{height} pixels, {width * height / 1e6:.0f} megapixels; accepted are "
                    f"{MOST_MEGAPIXELS} at most"
                )
            pixels = read_images([path], self.interpretation.iin)
            return Picked(pixels, self.interpretation.codes(pixels))
        except InputError as error:
            raise InputError(str(error).replace(str(path), path.name)) from None
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):  # Pillow's, of what is no image
            raise InputError(f"{path.name}: no image that can be read") from None

    def result(self, image: Picked, donor: Picked, changes: Mapping[str, Change]) -> Result:
        """What the network makes of an image, as it is and after the changes of its factors.

        Args:
            image: what is changed.
            donor: the second image.
            changes: by factor; others stay.

        Raises:
            InputError: a concept has no such value.
        """
        latents = self.interpretation.inverse(torch.cat((image.code, self.changed(image, donor, changes))))
        outputs = self.interpretation.outputs_of_latents(latents, image.pixels, np.zeros(2, np.int64))
        distance = float(self.interpretation.iin.distance(latents[1:])[0])
        return Result(self._shares(outputs[:1]), self._shares(outputs[1:]), distance)

    def changed(self, image: Picked, donor: Picked, changes: Mapping[str, Change]) -> Tensor:
        """The changed code [1, N]; as `result`."""
        code = image.code
        for factor, change in changes.items():
            for edit in self._edits(factor, change, donor):
                code = self.interpretation.edit(code, edit)
        return code

    def said_of(self, factor: str) -> str:
        """What was measured of a factor, in words; empty where nothing was."""
        if self.scores is None:
            return ""
        probed = {factor: probe_own(factor)}
        if factor == RESIDUAL:
            probed = {concept: probe_cell(RESIDUAL, concept) for concept in self.layout.concepts[:MOST_SAID]}
        reads = [
            f"the {spoken(name)} {self.scores[score].value:.2f}"
            for name, score in probed.items()
            if score in self.scores
        ]
        follows = self.scores.get(f"{SWAP_FOLLOW}/{factor}")
        seen = "" if follows is None else f"; a judge sees a swap of it: {follows.value:.2f}"
        return f"a probe reads from it: {', '.join(reads)}{seen}" if reads else ""

    def _edits(self, factor: str, change: Change, donor: Picked) -> list[Edit]:
        edits = []
        if change.swapped:
            edits.append(swap(factor, donor.code))
        if change.value is not None:
            edits.append(self.interpretation.set_to(factor, change.value))
        if change.seed is not None:
            edits.append(sample(factor, change.seed))
        moves = zip(self.directions[factor], change.amounts, strict=False)
        return edits + [move(factor, direction, amount) for direction, amount in moves if amount]

    def _shares(self, outputs: Tensor) -> Tensor:
        """Probabilities of the classes, of a network that decides; other outputs as they are."""
        return outputs.softmax(dim=1) if self.interpretation.backbone.decides else outputs
