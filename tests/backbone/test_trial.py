"""A network is studied only where it is a function of one image, whatever goes through it beside that."""

from pathlib import Path

import pytest
import torch
from refusals import refusal_of
from torch import Tensor, nn

from backbone import unsteady
from backbone.generators import Halves
from backbone.toys import toy_images
from pipeline.backbone.autoencoder import Autoencoder, AutoencoderBackbone
from pipeline.backbone.backbone import Made
from pipeline.backbone.classifier import Classifier, ClassifierBackbone
from pipeline.backbone.exported_network import from_exported
from pipeline.backbone.generator import open_generator
from pipeline.backbone.hook_backbone import AS_IT_IS
from pipeline.backbone.kinds import require_layers
from pipeline.backbone.reduction import Reduction
from pipeline.backbone.torchvision_network import from_torchvision
from pipeline.backbone.trial import require_steady, trial_rows
from pipeline.errors import InputError
from pipeline.params import BackboneParams, LatentsParams
from pipeline.tables.images import to_unit_range

IMAGES = toy_images(9, seed=0)
CARD = {"kind": "torch", "network": "mine:make", "output": "logits", "input": AS_IT_IS.to_card()}


def tried(network: nn.Module, *layers: str, **latents: object) -> dict[str, Reduction]:
    made = Made(network.eval().requires_grad_(False), CARD)
    return require_layers(made, layers, LatentsParams.model_validate(latents), IMAGES)


def refusal(network: nn.Module, *layers: str, **latents: object) -> str:
    return refusal_of(tried, network, *layers, **latents)


@pytest.mark.parametrize(
    ("network", "layer", "message"),
    [
        ("Dropping", "trunk", "answers the same 4 images differently each time: its output differs by"),
        ("DroppingBefore", "features", "answers the same 4 images differently each time: layer 'features' differs by"),
        ("Drifting", "trunk", "answers the same 4 images differently each time: its output differs by"),
        ("BatchStatistics", "norm", "answers an image differently beside others: layer 'norm' differs by"),
        ("Counting", "trunk", "changes its buffer 'calls' in a forward, though it is in eval mode"),
        ("Shaped", "trunk", ": of 1 images its output has shape (3,), expected is (1, 3), a row an image"),
    ],
)
def test_what_is_no_function_of_an_image_is_one_line(network: str, layer: str, message: str) -> None:
    torch.manual_seed(7)  # of what drops
    line = refusal(getattr(unsteady, network)(), layer)
    assert line.startswith("backbone: 'mine:make'")
    assert message in line


@pytest.mark.parametrize(
    ("network", "layer", "message"),
    [
        ("Codes", "nearest", "layers: 'nearest' can't be used, as it gives int64 and no floats; list them"),
        ("SequenceFirst", "encoder", "layers: 'encoder' can't be used, as it gives 16x4x16 for 4 images, whose batch"),
    ],
)
def test_a_layer_of_integers_or_of_another_axis_first_is_refused_by_name(
    network: str, layer: str, message: str
) -> None:
    assert refusal(getattr(unsteady, network)(), layer).startswith(message)


@pytest.mark.parametrize("network", [unsteady.Autocast(), *map(unsteady.Precise, ("bfloat16", "float16", "float64"))])
def test_other_precisions_are_no_fault(network: nn.Module) -> None:
    assert tried(network, "trunk", "features") == {
        "trunk": Reduction("mean", "first"),
        "features": Reduction("mean"),
    }


@pytest.mark.parametrize("name", ["resnet18", "mobilenet_v3_small"])
def test_networks_of_torchvision_are_steady(name: str) -> None:
    assert list(tried(from_torchvision(name, None, {}), "avgpool")) == ["avgpool"]


def test_a_file_that_was_exported_for_one_batch_is_one_line(tmp_path: Path) -> None:
    images = to_unit_range(IMAGES.pixels[:4])
    program = torch.export.export(unsteady.Small().eval(), (images,))
    torch.export.save(program, tmp_path / "fixed.pt2")
    line = refusal(from_exported(tmp_path / "fixed.pt2"), "trunk")
    assert "'mine:make' does not take 1 inputs at once (" in line
    assert line.endswith(
        "any number is expected, of a torch.export file by dynamic_shapes that name a Dim for the batch"
    )


def test_a_network_that_mixes_rows_without_a_word_is_refused() -> None:
    def forward(inputs: Tensor) -> dict[str, Tensor]:
        return {"its output": inputs - inputs.mean(dim=0)}

    with pytest.raises(InputError, match="answers an image differently beside others: its output differs by"):
        require_steady(forward, torch.randn(4, 3), "mine")


def test_rounding_by_the_length_of_a_batch_is_no_difference() -> None:
    """To .001 of the largest number in float32, .05 in half precision; not a number agrees with itself."""

    def forward(inputs: Tensor, off: float) -> dict[str, Tensor]:
        rounded = inputs + off * inputs.abs().max() * len(inputs) / 5
        return {"its output": torch.where(inputs > 2, torch.nan, rounded)}

    inputs = torch.linspace(-1, 3, 12).reshape(4, 3)
    require_steady(lambda some: forward(some, 3e-4), inputs, "mine")
    require_steady(lambda some: forward(some, 2e-2), inputs, "mine", half=True)
    for off, half in ((2e-2, False), (0.3, True)):
        with pytest.raises(InputError, match="differently beside others"):
            require_steady(lambda some, off=off: forward(some, off), inputs, "mine", half=half)  # type: ignore[misc]


def test_an_output_of_integers_is_refused() -> None:
    with pytest.raises(InputError, match=r"'mine': its output is torch.int64, floats are expected"):
        require_steady(lambda some: {"its output": some.argmax(dim=1)}, torch.randn(4, 3), "mine")


class Noisy(Halves):
    """Noise within half a level of brightness, which the comparison with stored images would not see."""

    def forward(self, z: Tensor) -> Tensor:
        return super().forward(z) * (1 - 1e-3 * torch.rand(1))


def test_a_generator_that_draws_noise_of_its_own_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parents[1]))
    section = BackboneParams(kind="generator", network="backbone.test_trial:Noisy", num_dims=6)
    with pytest.raises(InputError, match="answers the same 2 images differently each time: its image differs by"):
        open_generator(section, 0, "cpu")


def test_images_from_all_over_are_tried() -> None:
    assert trial_rows(100).tolist() == [0, 33, 66, 99]
    assert trial_rows(2).tolist() == [0, 1]
    assert trial_rows(1).tolist() == [0]


def test_what_is_trained_here_is_looked_at_before_its_training() -> None:
    made = ClassifierBackbone.made(Classifier(3, 8, seed=0), "digit")
    require_layers(made, ["stage2", "head"], LatentsParams(), IMAGES)
    with pytest.raises(InputError, match="layers: no layer 'stage9' in the network; nearest are stage3"):
        require_layers(made, ["stage2", "stage9"], LatentsParams(), IMAGES)
    require_layers(AutoencoderBackbone.made(Autoencoder(3, 8, seed=0)), ["latent"], LatentsParams(), IMAGES)
