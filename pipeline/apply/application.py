"""New images through a network and its map: their factors, an edit of them, and the outputs before and after."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from pipeline.basis.layout import Layout
from pipeline.errors import InputError
from pipeline.iin.iin import Iin
from pipeline.interpretation.edits import Edit
from pipeline.interpretation.interpretation import Interpretation
from pipeline.prepare.sources.decoder import Decoder
from pipeline.tables.images import to_pixels

__all__ = ["Application", "apply_to_images", "decoded", "read_images"]

OWN = (
    "path",
    "image",
    "latent",
    "latent_back",
    "distance",
    "decision",
    "decision_name",
    "decision_edited_name",
    "logits",
    "values",
)
_EDITED = "_edited"


@dataclass(frozen=True)
class Application:
    """Images, what their factors are, and what an edit of them gives.

    Attributes:
        paths: of the images.
        pixels: [n, H, W, 3], as the network gets them.
        latents: z [n, N].
        codes: z̃ = T(z) [n, N].
        edited: the codes after the edit [n, N]; the same where there is none.
        latents_back: T⁻¹ of the codes [n, N], which are the latents but for rounding.
        latents_edited: T⁻¹ of the edited codes [n, N].
        distance: how far the latents lie from those that T was trained on [n], of which 99.9 % are within 1.
        distance_edited: the same after the edit [n].
        outputs: of the untouched network, images in [−1, 1], logits or values [n, …].
        outputs_back: of T⁻¹(T(z)).
        outputs_edited: of T⁻¹ of the edited codes.
        decides: whether they are logits.
    """

    paths: list[Path]
    pixels: NDArray[np.uint8]
    latents: Tensor
    codes: Tensor
    edited: Tensor
    latents_back: Tensor
    latents_edited: Tensor
    distance: NDArray[np.float64]
    distance_edited: NDArray[np.float64]
    outputs: Tensor
    outputs_back: Tensor
    outputs_edited: Tensor
    decides: bool

    def warnings(self) -> list[str]:
        """A line where images, and one where their edits, lie outside of what T was trained on."""
        lines = []
        for distance, what in ((self.distance, "images"), (self.distance_edited, "edits")):
            outside = int((~(distance <= 1)).sum())  # what is not a number, too
            if outside and (what == "images" or outside > (~(self.distance <= 1)).sum()):
                lines.append(
                    f"{outside} of {len(distance)} {what} lie outside of what T was trained on, where factors mean "
                    f"little: distance up to {distance.max():.2g}, and 99.9 % of the training images are within 1"
                )
        return lines

    def write_table(
        self, path: Path, layout: Layout, class_names: list[str] | None, files: list[str] | None = None
    ) -> None:
        """Write a Parquet table, a row an image.

        Columns: path, the latent as E gives it, after T and T⁻¹ (`latent_back`) and after the edit (`latent_edited`),
        how far it lies from those of the training before and after the edit (`distance`, `distance_edited`), each
        factor before and after the edit, and of a network that decides its decision and its logits, of one that gives
        values these, likewise. A factor of such a name (`path`) has a `_` after it.

        Args:
            path: of the table.
            layout: the factors.
            class_names: names of a network's classes, where it has names.
            files: what `write_images` wrote, for column `image_edited`; None: nothing.
        """
        first: dict[str, Any] = {"path": [str(image) for image in self.paths]}
        if files is not None:
            first["image_edited"] = files
        for name, vectors in (("", self.latents), ("_back", self.latents_back), ("_edited", self.latents_edited)):
            first[f"latent{name}"] = list(vectors.numpy())
        first |= {"distance": self.distance, "distance_edited": self.distance_edited}
        last = self._answers(class_names) if self.outputs.ndim == 2 else {}
        factors: dict[str, Any] = {}
        for name in layout.names:
            column = _column(name)
            factors[column] = list(self.codes[:, layout.slice(name)].numpy())
            factors[f"{column}{_EDITED}"] = list(self.edited[:, layout.slice(name)].numpy())
        pq.write_table(pa.table(first | factors | last), path)

    def _answers(self, class_names: list[str] | None) -> dict[str, Any]:
        """Columns of a network that decides, or gives values."""
        columns: dict[str, Any] = {}
        if self.decides:
            columns["decision"] = self.outputs.argmax(dim=1).numpy()
            columns["decision_edited"] = self.outputs_edited.argmax(dim=1).numpy()
            if class_names is not None:
                for column in ("decision", "decision_edited"):
                    columns[f"{column}_name"] = [class_names[decision] for decision in columns[column]]
        name = "logits" if self.decides else "values"
        columns[name] = list(self.outputs.numpy())
        columns[f"{name}_edited"] = list(self.outputs_edited.numpy())
        return columns

    def write_images(self, folder: Path, root: Path) -> list[str]:
        """Write what the network draws after the edit, a PNG an image.

        Args:
            folder: of the files, which need not be there.
            root: below which the images lie; a file is called as its image is there.

        Returns:
            The file of each image, relative to the folder that `folder` is in.
        """
        files: dict[Path, None] = {}
        for image, pixels in zip(self.paths, to_pixels(self.outputs_edited), strict=True):
            file = folder / image.relative_to(root).with_suffix(".png")
            if file in files:  # of two that differ in their suffix alone
                file = file.with_name(f"{image.name}.png")
            files[file] = None
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(file, "PNG")
        return [str(file.relative_to(folder.parent)) for file in files]


def _column(factor: str) -> str:
    """The factor's name, which no other column has."""
    plain = factor.rstrip("_")
    return f"{factor}_" if plain in OWN or plain.endswith(_EDITED) else factor


def apply_to_images(interpretation: Interpretation, paths: list[Path], edit: Edit | None) -> Application:
    """Factors of the images at `paths`, and what an edit of them gives; None: nothing is edited.

    Raises:
        InputError: an image can't be read, or is of another size than those that the map was trained on.
    """
    pixels = read_images(paths, interpretation.iin)
    latents = interpretation.latents(pixels)
    codes = interpretation.transform(latents)
    edited = codes if edit is None else interpretation.edit(codes, edit)
    latents_back = interpretation.inverse(codes)
    latents_edited = latents_back if edit is None else interpretation.inverse(edited)
    outputs, outputs_back = (interpretation.outputs_of_latents(z, pixels) for z in (latents, latents_back))
    outputs_edited = outputs_back if edit is None else interpretation.outputs_of_latents(latents_edited, pixels)
    return Application(
        paths=paths,
        pixels=pixels,
        latents=latents,
        codes=codes,
        edited=edited,
        latents_back=latents_back,
        latents_edited=latents_edited,
        distance=interpretation.iin.distance(latents),
        distance_edited=interpretation.iin.distance(latents_edited),
        outputs=outputs,
        outputs_back=outputs_back,
        outputs_edited=outputs_edited,
        decides=interpretation.backbone.decides,
    )


def read_images(paths: list[Path], iin: Iin) -> NDArray[np.uint8]:
    """Pixels [n, H, W, 3] of image files, as those that the map was trained on.

    Raises:
        InputError: an image can't be read, or is of another size; a square one is resized.
    """
    return decoded([(path.read_bytes() if path.is_file() else b"", str(path)) for path in paths], iin)


def decoded(files: Sequence[tuple[bytes, str]], iin: Iin) -> NDArray[np.uint8]:
    """The same of the content of image files, each with the name that an error gives it."""
    height, width = iin.image_shape
    decode = Decoder(height if height == width else None, "RGB", value_range=iin.image_range)
    images = []
    for content, name in files:
        image = decode(content, name)
        if isinstance(image, str):
            raise InputError(f"{name}: no image that can be read")
        if image.shape[:2] != (height, width):
            raise InputError(f"{name}: {image.shape[1]}x{image.shape[0]} pixels, expected {width}x{height}")
        images.append(image)
    return np.stack(images)
