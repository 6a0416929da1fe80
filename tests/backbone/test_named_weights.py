"""Files of weights, put into a network by name."""

import pickle
from pathlib import Path

import pytest
import torch
from refusals import refusal_of
from safetensors.torch import save_file, save_model
from torch import nn

from backbone.heads import Tied
from pipeline.backbone.hooks import state_sha256
from pipeline.backbone.named_weights import load_weights


def small(classes: int = 4) -> nn.Module:
    torch.manual_seed(classes)
    body = nn.Sequential(nn.Conv2d(3, 6, 5, 4), nn.BatchNorm2d(6), nn.ReLU(inplace=True), nn.AdaptiveAvgPool2d(1))
    return nn.Sequential(body, nn.Flatten(), nn.Linear(6, classes))


def trained() -> nn.Module:
    """The same with other weights."""
    network = small()
    with torch.no_grad():
        network[2].bias += 1
    return network


class Wrapped(nn.Module):
    """One's own class around a network, as Lightning has it."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model


def refusal(network: nn.Module, path: Path) -> str:
    before = state_sha256(network)
    line = refusal_of(load_weights, network, path)
    assert state_sha256(network) == before
    return line.removeprefix(f"{path}: ")


def test_safetensors(tmp_path: Path) -> None:
    save_file(trained().state_dict(), tmp_path / "w.safetensors")
    network = small()
    load_weights(network, tmp_path / "w.safetensors")
    assert state_sha256(network) == state_sha256(trained())


@pytest.mark.parametrize(
    "keys", [(), ("state_dict",), ("model_state_dict",), ("model",), ("net",), ("model", "state_dict")]
)
@pytest.mark.parametrize("prefix", ["", "module.", "model.", "_orig_mod.", "module._orig_mod.model."])
def test_a_checkpoint_by_any_of_its_usual_names(tmp_path: Path, keys: tuple[str, ...], prefix: str) -> None:
    content: dict[str, object] = {f"{prefix}{name}": value for name, value in trained().state_dict().items()}
    for key in reversed(keys):
        content = {"epoch": 3, key: content, "optimizer": {"lr": 0.1}}
    torch.save(content, tmp_path / "w.pt")
    network = small()
    assert state_sha256(network) != state_sha256(trained())
    load_weights(network, tmp_path / "w.pt")
    assert state_sha256(network) == state_sha256(trained())


def test_a_network_in_a_class_of_ones_own_takes_the_weights_of_the_network(tmp_path: Path) -> None:
    compiled = {f"module.{name.replace('0.', '0._orig_mod.', 1)}": v for name, v in trained().state_dict().items()}
    for state in (trained().state_dict(), Wrapped(trained()).state_dict(), compiled):
        torch.save(state, tmp_path / "w.pt")
        network = Wrapped(small())
        load_weights(network, tmp_path / "w.pt")
        assert state_sha256(network) == state_sha256(Wrapped(trained()))


def test_of_tied_weights_a_file_holds_one_name(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    torch.manual_seed(1)
    source = Tied()
    save_model(source, path)
    torch.manual_seed(2)
    tied, untied = Tied(), Tied()
    untied.second.weight = nn.Parameter(torch.zeros(6, 6))
    for network in (tied, untied):  # the network says that they are one, or the file's metadata does
        load_weights(network, path)
        assert torch.equal(network.first.weight, source.first.weight)
        assert torch.equal(network.second.weight, source.first.weight)
        assert torch.equal(network.head.bias, source.head.bias)
    for name in ("first.weight", "second.weight"):
        state = {f"module.{key}": value for key, value in source.state_dict().items() if key != name}
        torch.save(state, tmp_path / "w.pt")
        torch.manual_seed(2)
        network = Tied()
        load_weights(network, tmp_path / "w.pt")
        assert torch.equal(network.first.weight, source.first.weight)
        untied = Tied()
        untied.second.weight = nn.Parameter(torch.zeros(6, 6))
        assert refusal(untied, tmp_path / "w.pt").endswith(f"the 4 keys of the network: it lacks {name}")


class Foreign(nn.Linear):
    """As a model of transformers: of a module of that package."""


Foreign.__module__ = "transformers.models.foreign"


def test_of_a_network_of_transformers_the_line_says_how_its_own_files_are_read(tmp_path: Path) -> None:
    torch.save(small().state_dict(), tmp_path / "w.pt")
    line = refusal(type("Mine", (Foreign,), {})(2, 2), tmp_path / "w.pt")
    assert line.endswith(
        "; files of transformers may have other names than its networks: leave backbone.weights empty, and let "
        "backbone.network be its from_pretrained, with the folder in backbone.arguments"
    )
    assert "transformers" not in refusal(nn.Linear(2, 2), tmp_path / "w.pt")


class Surprise:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return Path.touch, (Path("surprise"),)


def test_weights_that_do_not_fit_are_one_line_with_the_keys_of_both(tmp_path: Path) -> None:
    state, path = small().state_dict(), tmp_path / "w.pt"

    def line(content: object) -> str:
        torch.save(content, path)
        return refusal(small(), path)

    lacking = {f"module.{key}": value for key, value in state.items() if not key.startswith("0.1")}
    misfit = "does not fit the 9 keys of the network: it "
    assert line(lacking) == f"{misfit}lacks 0.1.bias, 0.1.num_batches_tracked, 0.1.running_mean and 2 more"
    other = {"encoder.weight": torch.zeros(2), "encoder.bias": torch.zeros(2)}
    assert line({"state_dict": other}) == (
        f"{misfit}lacks 0.0.bias, 0.0.weight, 0.1.bias and 6 more, and holds what the network has not, encoder.bias, "
        "encoder.weight"
    )
    wrapped = {f"module.{key.replace('2.', 'head.')}": value for key, value in state.items()}
    assert line(wrapped) == (
        f"{misfit}lacks 2.bias, 2.weight, and holds what the network has not, module.head.bias, module.head.weight"
    )
    assert line(state | {"extra": torch.zeros(1)}) == f"{misfit}holds what the network has not, extra"
    assert line(state | {"2.bias": torch.zeros(9)}) == f"{misfit}holds 2.bias of shape (9,) for (4,)"
    shapes = {"2.bias": torch.zeros(9), "2.weight": torch.zeros(9, 6)}
    assert line({key: value for key, value in (state | shapes).items() if key != "0.0.bias"}) == (
        f"{misfit}lacks 0.0.bias, and holds 2.weight of shape (9, 6) for (4, 6), 2.bias of shape (9,) for (4,)"
    )
    nothing = "no state dict of tensors, nor one under 'state_dict', 'model_state_dict', 'model', 'net'"
    assert line([1, 2]) == nothing
    assert line({"epoch": 3}) == nothing


def test_a_file_that_is_no_plain_weights_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "w.pt"
    torch.save({"weights": Surprise()}, path)
    assert refusal(small(), path).startswith("holds more than weights, and would run code when it is read")
    path.write_bytes(pickle.dumps(Surprise()))
    assert "more than weights" in refusal(small(), path)
    assert not Path("surprise").exists()
    path.write_bytes(b"nothing")
    refusal(small(), path)
    (tmp_path / "w.safetensors").write_bytes(b"nothing")
    assert refusal(small(), tmp_path / "w.safetensors").startswith("no safetensors (")
    assert refusal(small(), tmp_path / "gone.pt").startswith("not there")
