"""Networks as a person brings them, and images to study them on: `python studies/brought.py [NAME …]`.

No weights can be downloaded, so each is trained here, some minutes on one CPU core: a study shows what the pipeline
makes of such a network, not how good it is. All lies below `brought/`, which git does not hold.

| name | network | images |
| --- | --- | --- |
| squeezenet | torchvision's SqueezeNet 1.1 | garments: 4,000 of Fashion-MNIST at 64x64, tinted, and a table |
| vit | torchvision's VisionTransformer, patches of 8 | the same |
| convnext | Hugging Face's ConvNeXt, which gives a dict | the same |
| spatial | an autoencoder whose bottleneck is a map, 8x4x4 | photos: 4,000 of CIFAR-10, a folder for each class |
| dcgan | the generator of a DCGAN, from [B, 64, 1, 1] to 32x32 | none: it draws its own |

Fashion-MNIST (torchvision's files) and cifar10-parquet lie where IIN_DATA_ROOT points; ConvNeXt needs transformers.
"""

import csv
import io
import os
import sys
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import torch
from numpy.typing import NDArray
from PIL import Image
from safetensors.torch import save_model
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.datasets import FashionMNIST
from torchvision.models import VisionTransformer, squeezenet1_1

FOLDER = Path("brought")
SECONDS = 240.0
GARMENTS = ["T-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "boot"]
TINTS = {"rose": (1.0, 0.45, 0.55), "amber": (1.0, 0.8, 0.3), "leaf": (0.45, 1.0, 0.5), "sky": (0.4, 0.75, 1.0)}
PHOTOS = {1: "automobile", 4: "deer", 6: "frog", 7: "horse", 8: "ship"}


def squeezenet() -> nn.Module:
    """torchvision's own, of ten classes."""
    return squeezenet1_1(num_classes=10)


def vit() -> nn.Module:
    """torchvision's own class, small."""
    return VisionTransformer(64, 8, num_layers=4, num_heads=4, hidden_dim=64, mlp_dim=128, num_classes=10)


def convnext() -> nn.Module:
    """Hugging Face's own class, small."""
    from transformers import ConvNextConfig, ConvNextForImageClassification

    config = ConvNextConfig(num_stages=3, hidden_sizes=[32, 64, 128], depths=[1, 1, 2], num_labels=10)
    return ConvNextForImageClassification(config)


def spatial() -> nn.Module:
    """The usual convolutional autoencoder of 32x32 images in [0, 1]."""
    down = [nn.Conv2d(3, 32, 3, 2, 1), nn.ReLU(), nn.Conv2d(32, 64, 3, 2, 1), nn.ReLU(), nn.Conv2d(64, 128, 3, 2, 1)]
    up = [nn.ConvTranspose2d(8, 128, 4, 2, 1), nn.ReLU(), nn.ConvTranspose2d(128, 64, 4, 2, 1), nn.ReLU()]
    encoder = nn.Sequential(*down, nn.ReLU(), nn.Conv2d(128, 8, 1))
    decoder = nn.Sequential(*up, nn.ConvTranspose2d(64, 3, 4, 2, 1), nn.Sigmoid())
    return nn.Sequential(OrderedDict(encoder=encoder, decoder=decoder))


def dcgan() -> nn.Module:
    """As its paper has it, at 32x32 and in grey."""

    def up(inner: int, outer: int) -> list[nn.Module]:
        return [nn.ConvTranspose2d(inner, outer, 4, 2, 1, bias=False), nn.BatchNorm2d(outer), nn.ReLU()]

    first = [nn.ConvTranspose2d(64, 128, 4, 1, 0, bias=False), nn.BatchNorm2d(128), nn.ReLU()]
    last = [nn.ConvTranspose2d(32, 1, 4, 2, 1, bias=False), nn.Tanh()]
    return nn.Sequential(*first, *up(128, 64), *up(64, 32), *last)


def shape_and_brightness(pixels: NDArray[np.uint8]) -> dict[str, NDArray[np.generic]]:
    """What a drawn garment shows: whether it is narrow, flat or full, and how bright its cloth is."""
    grey = pixels[..., 0] / 255
    cloth = grey > 0.2
    brightness = (grey * cloth).sum((1, 2)) / np.maximum(cloth.sum((1, 2)), 1)
    width, height = (cloth.sum(1) > 3).sum(1), (cloth.sum(2) > 3).sum(1)
    shape = np.where(width < 0.7 * height, "narrow", np.where(height < 0.8 * width, "flat", "full"))
    return {"shape": shape, "brightness": brightness}


def garments(root: Path) -> tuple[Tensor, Tensor]:
    """Writes the garments and their table, 400 of each class; pixels [4000, 3, 64, 64] from 0 to 1, and classes."""
    images = FashionMNIST(str(root))
    rng = np.random.default_rng(0)
    drawn = rng.permutation(np.concatenate([np.flatnonzero(images.targets == k)[:400] for k in range(10)]))
    folder = FOLDER / "garments"
    folder.mkdir(parents=True, exist_ok=True)
    pixels, rows = [], []
    for number, index in enumerate(drawn):
        tint = list(TINTS)[rng.integers(len(TINTS))]
        grey = np.asarray(Image.fromarray(images.data[index].numpy()).resize((64, 64)), np.float32)[..., None]
        noisy = (0.8 * grey + 30) * np.array(TINTS[tint]) + rng.normal(0, 3, (64, 64, 1))
        image = noisy.clip(0, 255).astype(np.uint8)
        rows.append((f"{number:04}.png", GARMENTS[int(images.targets[index])], tint))
        Image.fromarray(image).save(folder / rows[-1][0])
        pixels.append(image)
    with (FOLDER / "garments.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("path", "class", "tint"), *rows])
    (FOLDER / "garments.txt").write_text("\n".join(GARMENTS) + "\n")
    return torch.tensor(np.stack(pixels)).permute(0, 3, 1, 2) / 255, images.targets[torch.tensor(drawn)]


def photos(root: Path) -> Tensor:
    """Writes the photos, 800 of each class; pixels [4000, 3, 32, 32] from 0 to 1."""
    table = pq.read_table(sorted((root / "cifar10-parquet").rglob("*train*.parquet")))
    pixels, count = [], dict.fromkeys(PHOTOS, 0)
    for image, label in zip(table["image"].to_pylist(), table["label"].to_pylist(), strict=True):
        if count.get(label, 800) < 800:
            picture = Image.open(io.BytesIO(image["bytes"]))
            path = FOLDER / "photos" / PHOTOS[label] / f"{count[label]:04}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            picture.save(path)
            pixels.append(np.asarray(picture))
            count[label] += 1
    return torch.tensor(np.stack(pixels)).permute(0, 3, 1, 2) / 255


def batches(*tensors: Tensor, seconds: float = SECONDS) -> Iterator[tuple[float, tuple[Tensor, ...]]]:
    """Batches of 64 until the time is over, each with the share of the time that is left."""
    start = time.monotonic()
    while (left := 1 - (time.monotonic() - start) / seconds) > 0:
        for rows in torch.randperm(len(tensors[0])).split(64):
            yield left, tuple(tensor[rows] for tensor in tensors)


def train(network: nn.Module, loss: Callable[..., Tensor], *tensors: Tensor, rate: float) -> None:
    """AdamW, at a rate that falls to a twentieth."""
    optimiser = torch.optim.AdamW(network.parameters(), rate, weight_decay=0.01)
    for left, batch in batches(*tensors):
        optimiser.param_groups[0]["lr"] = rate * max(left, 0.05)
        optimiser.zero_grad()
        loss(*batch).backward()
        optimiser.step()


def train_classifier(network: nn.Module, root: Path) -> None:
    """On 3,400 of the garments; prints how often it is right on the others.

    At a rate at which a SqueezeNet, which normalises nothing, begins to learn.
    """
    pixels, classes = garments(root)
    pixels = (pixels - 0.5) / 0.5

    def logits(images: Tensor) -> Tensor:
        output = network(images)
        return output if isinstance(output, Tensor) else output["logits"]

    def loss(images: Tensor, labels: Tensor) -> Tensor:
        return F.cross_entropy(logits(images.flip(-1) if torch.rand(()) < 0.5 else images), labels)

    train(network, loss, pixels[:3400], classes[:3400], rate=5e-4)
    network.eval()
    with torch.no_grad():
        right = logits(pixels[3400:]).argmax(1) == classes[3400:]
    print(f"right on {right.float().mean():.3f} of 600 others", flush=True)


def train_autoencoder(network: nn.Module, root: Path) -> None:
    """On all of the photos."""
    pixels = photos(root)
    train(network, lambda images: (network(images) - images).square().mean(), pixels, rate=2e-3)
    with torch.no_grad():
        print(f"squared error {(network(pixels[::10]) - pixels[::10]).square().mean():.5f}", flush=True)


def train_generator(network: nn.Module, root: Path) -> None:
    """Against a discriminator, on 12,000 garments at 32x32, as the paper has it."""
    pixels = F.pad(FashionMNIST(str(root)).data[:12000, None] / 127.5 - 1, (2, 2, 2, 2), value=-1.0)

    def down(inner: int, outer: int) -> list[nn.Module]:
        return [nn.Conv2d(inner, outer, 4, 2, 1, bias=False), nn.BatchNorm2d(outer), nn.LeakyReLU(0.2)]

    first, last = [nn.Conv2d(1, 32, 4, 2, 1), nn.LeakyReLU(0.2)], [nn.Conv2d(128, 1, 4), nn.Flatten(0)]
    discriminator = nn.Sequential(*first, *down(32, 64), *down(64, 128), *last)
    for module in (*network.modules(), *discriminator.modules()):
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.normal_(module.weight, 0, 0.02)
    of_network, of_other = (torch.optim.Adam(n.parameters(), 2e-4, (0.5, 0.999)) for n in (network, discriminator))

    def loss(logits: Tensor, real: bool) -> Tensor:
        return F.binary_cross_entropy_with_logits(logits, torch.full_like(logits, real))

    for _, (real,) in batches(pixels, seconds=2 * SECONDS):
        drawn = network(torch.randn(len(real), 64, 1, 1))
        of_other.zero_grad()
        (loss(discriminator(real), True) + loss(discriminator(drawn.detach()), False)).backward()
        of_other.step()
        of_network.zero_grad()
        loss(discriminator(drawn), True).backward()
        of_network.step()


NETWORKS = {
    "squeezenet": (squeezenet, train_classifier),
    "vit": (vit, train_classifier),
    "convnext": (convnext, train_classifier),
    "spatial": (spatial, train_autoencoder),
    "dcgan": (dcgan, train_generator),
}


def main() -> None:
    """Train the networks that are named, or all."""
    torch.manual_seed(0)
    root = Path(os.environ["IIN_DATA_ROOT"])
    for name in sys.argv[1:] or NETWORKS:
        make, fit = NETWORKS[name]
        network = make()
        FOLDER.mkdir(exist_ok=True)
        print(f"{name}: {sum(p.numel() for p in network.parameters()):,} parameters", flush=True)
        fit(network, root)
        save_model(network, str(FOLDER / f"{name}.safetensors"))


if __name__ == "__main__":
    main()
