"""What the explorer computes: each control changes its own factor alone, and the leading directions lead."""

from pathlib import Path

import numpy as np
import pytest
import torch
from interpret.subjects import parts
from PIL import Image

from pipeline.backbone.classifier import Classifier, ClassifierBackbone
from pipeline.backbone.hooks import state_sha256
from pipeline.basis.layout import Layout
from pipeline.errors import InputError
from pipeline.explore.explorer import Change, Explorer, Result
from pipeline.explore.shown import result_html, thumbnails
from pipeline.interpret.directions import leading_directions

from .explorers import explorer_of


@pytest.fixture(scope="module")
def explorer() -> Explorer:
    return explorer_of()


def test_leading_directions_are_those_that_move_the_output_most() -> None:
    """Outputs are codes times a matrix of known singular vectors."""
    rng = torch.Generator().manual_seed(0)
    layout = Layout.of(["a"], [4, 40])
    turned = [torch.linalg.qr(torch.randn(size, size, generator=rng))[0] for size in layout.sizes]
    weight = torch.zeros(44, 44)
    for where, axes in zip(layout.slices, turned, strict=True):
        size = len(axes)
        weight[where, where] = torch.diag(torch.arange(size, 0.0, -1)) @ axes
    codes = torch.randn(500, 44, generator=rng)
    codes[:, layout.slice("a")] *= torch.arange(40, 0.0, -1)  # of 40 the first 32 principal ones are tried
    weight[:, -8:] = weight[:, -8:] * 1e-3
    found = leading_directions(lambda code, _: code @ weight.T, codes, layout, 3)
    assert {name: tuple(of_it.shape) for name, of_it in found.items()} == {"residual": (3, 4), "a": (3, 40)}
    _, _, expected = torch.linalg.svd(weight[:4, :4])
    assert (found["residual"] @ expected[:3].T).abs().diag().min() > 0.999
    norms = (found["a"] @ weight[4:, 4:].T).norm(dim=1)
    assert torch.equal(norms.sort(descending=True)[0], norms)
    assert norms[0] > 0.9 * torch.linalg.matrix_norm(weight[4:, 4:], 2)
    assert torch.allclose(found["a"] @ found["a"].T, torch.eye(3), atol=1e-4)


@pytest.mark.parametrize(
    ("change", "base", "moved"),
    [
        (Change(swapped=True), "donor", (0, 0)),
        (Change(value="d"), "value", (0, 0)),
        (Change(amounts=(0.0, 1.5)), "own", (0, 1.5)),
        (Change(swapped=True, amounts=(-1.0, 0.0)), "donor", (-1, 0)),
        (Change(), "own", (0, 0)),
    ],
)
def test_a_change_is_what_it_says_and_of_its_factor_alone(
    explorer: Explorer, change: Change, base: str, moved: tuple[float, float]
) -> None:
    image, donor, where = explorer.picked(2), explorer.picked(9), explorer.layout.slice("shape")
    bases = {"own": image.code[0, where], "donor": donor.code[0, where], "value": torch.tensor([0.0, 1.0])}
    code = explorer.changed(image, donor, {"shape": change})
    expected = bases[base] + torch.tensor(moved, dtype=torch.float32) @ explorer.directions["shape"]
    assert torch.allclose(code[0, where], expected, atol=1e-5)
    others = np.delete(np.arange(explorer.layout.num_dims), np.arange(where.start, where.stop))
    assert torch.equal(code[:, others], image.code[:, others])


def test_a_draw_is_another_for_each_seed(explorer: Explorer) -> None:
    image = explorer.picked(0)
    drawn = [explorer.changed(image, image, {"hue": Change(seed=seed)}) for seed in (1, 1, 2)]
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2])


def test_the_result_is_what_the_network_makes_of_the_codes(explorer: Explorer) -> None:
    image, donor, changes = explorer.picked(3), explorer.picked(1), {"hue": Change(swapped=True)}
    result = explorer.result(image, donor, changes)
    changed = explorer.changed(image, donor, changes)
    assert torch.allclose(result.unchanged, explorer.interpretation.outputs(image.code, image.pixels), atol=1e-5)
    assert torch.allclose(result.changed, explorer.interpretation.outputs(changed, image.pixels), atol=1e-5)
    assert not torch.allclose(result.changed, result.unchanged, atol=1e-3)
    distance = explorer.interpretation.iin.distance(explorer.interpretation.inverse(changed))
    assert result.distance == pytest.approx(float(distance[0]), rel=1e-4)


def test_what_was_measured_is_said(explorer: Explorer) -> None:
    assert explorer.said_of("shape") == "a probe reads from it: the shape 0.91; a judge sees a swap of it: 0.87"
    assert explorer.said_of("residual") == "a probe reads from it: the shape 0.06, the hue 0.02"
    assert explorer.said_of("hue") == ""
    assert explorer_of(scores=None).said_of("shape") == ""


def test_an_upload_is_encoded_as_a_test_image_is(explorer: Explorer, tmp_path: Path) -> None:
    image = explorer.picked(4)
    Image.fromarray(image.pixels[0]).save(tmp_path / "own.png")
    found = explorer.uploaded(tmp_path / "own.png")
    assert np.array_equal(found.pixels, image.pixels)
    assert torch.equal(found.code, explorer.interpretation.codes(image.pixels))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("text.png", b"no image at all", "text.png: no image that can be read"),
        ("cut.png", b"\x89PNG\r\n\x1a\n\x00\x00", "cut.png: no image that can be read"),
        ("empty.png", b"", "empty.png: no image that can be read"),
        ("large.png", (5000, 4001), "large.png: 5000x4001 pixels, 20 megapixels; accepted are 20 at most"),
    ],
)
def test_a_wrong_upload_is_refused_in_a_sentence(explorer: Explorer, tmp_path: Path, name: str, content, message: str):
    path = tmp_path / name
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        Image.new("L", content).save(path)
    with pytest.raises(InputError) as caught:
        explorer.uploaded(path)
    assert str(caught.value) == message


def test_a_network_that_decides_gives_probabilities_with_bars() -> None:
    network = Classifier(10, 8, seed=0).eval().requires_grad_(False)
    card = {"kind": "classifier", "output": "logits", "input": {"size": None, "mean": [0.5] * 3, "std": [0.5] * 3}}
    backbone = ClassifierBackbone(network, card, "0" * 64, state_sha256(network), torch.device("cpu"))
    explorer = explorer_of(parts().on(backbone, "stage2"))
    image = explorer.picked(0)
    result = explorer.result(image, image, {"residual": Change(amounts=(3.0, 3.0))})
    assert torch.allclose(result.changed.sum(), torch.tensor(1.0))
    names = [f"{{<{number}>}}" for number in range(10)]
    shown = result_html(image, result, names, decides=True)
    assert shown.count('class="pair"') == 6
    assert "The 6 likeliest of 10 classes" in shown
    likely = int(result.changed.argmax())
    assert f"<b>&#123;&lt;{likely}&gt;&#125;</b>" in shown
    assert f"→ {100 * float(result.changed.max()):.0f} %" in shown
    assert "{" not in shown


def test_values_stand_before_and_after(explorer: Explorer) -> None:
    image = explorer.picked(0)
    shown = result_html(image, Result(torch.tensor([[1.0, 2.5]]), torch.tensor([[1.5, -2.0]]), 1.3), None, False)
    assert "<span>1</span><b>→ 1.5</b>" in shown
    assert "Outside of what the map was trained on (distance 1.3 of 1)" in shown


def test_thumbnails_say_which_is_picked(explorer: Explorer) -> None:
    shown = thumbnails(list(explorer.subject.pixels[:3]), 1)
    assert [f'data-number="{number}" aria-pressed="{str(number == 1).lower()}"' in shown for number in range(3)] == (
        [True] * 3
    )
