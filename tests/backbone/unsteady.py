"""Networks that can't be studied though they run, and such as can though they compute or lay out otherwise."""

import torch
from torch import Tensor, nn

__all__ = [
    "Autocast",
    "BatchStatistics",
    "ChannelsLast",
    "Codes",
    "Counting",
    "Drifting",
    "Dropping",
    "DroppingBefore",
    "Precise",
    "SequenceFirst",
    "Shaped",
    "Tokens",
]


class Small(nn.Module):
    """A map [B, 12, 7, 7] of an image of 32 pixels, and three logits of its means."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.trunk = nn.Sequential(nn.Conv2d(3, 12, 5, 4), nn.ReLU(inplace=True))
        self.features = nn.Linear(12, 10)
        self.head = nn.Linear(10, 3)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.features(self.trunk(images).mean(dim=(2, 3))))


class Dropping(Small):
    """Drops in eval mode, too, behind `features`."""

    def forward(self, images: Tensor) -> Tensor:
        return self.head(nn.functional.dropout(self.features(self.trunk(images).mean(dim=(2, 3))), 0.5))


class DroppingBefore(Small):
    """The same before `features`."""

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.features(nn.functional.dropout(self.trunk(images).mean(dim=(2, 3)), 0.5)))


class BatchStatistics(Small):
    """Keeps no running statistics, so that an image's features depend on the images beside it."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(12, track_running_stats=False)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.features(self.norm(self.trunk(images)).amax(dim=(2, 3))))


class Counting(Small):
    """Counts its calls in a buffer, which changes nothing else."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("calls", torch.zeros(1))

    def forward(self, images: Tensor) -> Tensor:
        self.calls += 1
        return super().forward(images)


class Drifting(Small):
    """Counts its calls where no buffer shows it, and answers by it."""

    calls = 0

    def forward(self, images: Tensor) -> Tensor:
        self.calls += 1
        return super().forward(images) + 1e-3 * self.calls


class Shaped(Small):
    """Flattens so that a batch of one loses its axis."""

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.features(self.trunk(images).mean(dim=(2, 3)).squeeze()))


class SequenceFirst(nn.Module):
    """Tokens [L, B, C], torch's default for attention."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.trunk = nn.Conv2d(3, 16, 8, 8)
        self.encoder = nn.TransformerEncoderLayer(16, 2, 32, dropout=0.0)
        self.head = nn.Linear(16, 3)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.encoder(self.trunk(images).flatten(2).permute(2, 0, 1)).mean(dim=0))


class Codes(nn.Module):
    """`nearest` gives integers: which of a few code words."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.trunk, self.nearest = nn.Conv2d(3, 12, 8, 8), Nearest()
        self.embed, self.head = nn.Embedding(8, 12), nn.Linear(12, 3)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.embed(self.nearest(self.trunk(images).flatten(2).transpose(1, 2))).mean(dim=1))


class Nearest(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.book = nn.Parameter(torch.randn(8, 12))

    def forward(self, z: Tensor) -> Tensor:
        return torch.cdist(z, self.book.expand(len(z), -1, -1)).argmin(dim=-1)


class Precise(Small):
    """The trunk in another type than the rest."""

    def __init__(self, dtype: str) -> None:
        super().__init__()
        self.dtype = getattr(torch, dtype)
        self.trunk.to(self.dtype)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.features(self.trunk(images.to(self.dtype)).mean(dim=(2, 3)).float()))


class Autocast(Small):
    """Its modules give bfloat16, and it float32, though all its weights are float32."""

    def forward(self, images: Tensor) -> Tensor:
        with torch.autocast("cpu", torch.bfloat16):
            return super().forward(images).float()


class ChannelsLast(nn.Module):
    """Blocks on [B, H, W, C], as a Swin has them, of maps of a quarter of an image's side; a skip around them."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.trunk, self.turn = nn.Conv2d(3, 12, 4, 4), Turn()
        self.norm, self.block, self.act = nn.LayerNorm(12), nn.Linear(12, 12), nn.GELU()
        self.sum, self.head = Sum(), nn.Linear(12, 3)

    def forward(self, images: Tensor) -> Tensor:
        x = self.turn(self.trunk(images))
        return self.head(self.sum(x, self.act(self.block(self.norm(x)))).mean(dim=(1, 2)))


class Turn(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.permute(0, 2, 3, 1)


class Sum(nn.Module):
    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        return x + y


class Tokens(nn.Module):
    """A class token before the patches; only the class token is read."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.trunk, self.block = nn.Conv2d(3, 12, 8, 8), nn.Linear(12, 12)
        self.mix, self.head = nn.Linear(17, 17), nn.Linear(12, 3)

    def forward(self, images: Tensor) -> Tensor:
        patches = self.trunk(images).flatten(2).transpose(1, 2)
        tokens = self.block(torch.cat([patches.mean(dim=1, keepdim=True), patches], dim=1))
        return self.head(self.mix(tokens.transpose(1, 2)).tanh()[:, :, 0])
