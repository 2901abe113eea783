"""The codec's networks in PyTorch, trained the plain way: random weights, AdamW, one Python step after the other."""

import time
from typing import Any

import numpy as np

from gcims_jax.codec.model import ModelConfig


def train(
    config: ModelConfig,
    latent: int,
    train_NxRxT: np.ndarray,
    test_MxRxT: np.ndarray,
    targets: list[float],
    batch: int,
    budget: float,
    *,
    compiled: bool,
    learning_rate: float = 3e-3,
    look_every: int = 20,
) -> dict[str, Any]:
    """Trains end to end on records until the lowest target or the budget (seconds) is reached.

    Returns:
      Seconds to each target (1.0 and 0.9 of the linear codec's error), seconds of the first step beyond those of a
      later one as "compile", seconds in all, and the last held-out error over the first target.
    """
    import torch
    from torch import nn

    class Block(nn.Module):
        def __init__(self, width: int, heads: int) -> None:
            super().__init__()
            self.norm_1, self.norm_2 = nn.LayerNorm(width), nn.LayerNorm(width)
            self.attention = nn.MultiheadAttention(width, heads, batch_first=True)
            self.hidden, self.out = nn.Linear(width, 2 * width), nn.Linear(2 * width, width)
            nn.init.zeros_(self.attention.out_proj.weight)
            nn.init.zeros_(self.out.weight)

        def forward(self, h: "torch.Tensor") -> "torch.Tensor":
            a = self.norm_1(h)
            h = h + self.attention(a, a, a, need_weights=False)[0]
            return h + self.out(nn.functional.gelu(self.hidden(self.norm_2(h)), approximate="tanh"))

    class SeriesAutoencoder(nn.Module):
        def __init__(self, length: int) -> None:
            super().__init__()
            self.length, self.tokens = length, -(-length // config.patch)
            size = (self.tokens, config.width)
            self.encoder_positions = nn.Parameter(0.02 * torch.randn(size))
            self.decoder_positions = nn.Parameter(0.02 * torch.randn(size))
            self.patch_in, self.patch_out = nn.Linear(config.patch, config.width), nn.Linear(config.width, config.patch)
            self.to_latent = nn.Linear(self.tokens * config.width, latent)
            self.from_latent = nn.Linear(latent, self.tokens * config.width)
            self.encoder = nn.Sequential(*[Block(config.width, config.heads) for _ in range(config.depth)])
            self.decoder = nn.Sequential(*[Block(config.width, config.heads) for _ in range(config.depth)])

        def encode(self, x: "torch.Tensor") -> "torch.Tensor":
            x = nn.functional.pad(x, (0, self.tokens * config.patch - self.length))
            h = self.patch_in(x.reshape(len(x), self.tokens, config.patch)) + self.encoder_positions
            return self.to_latent(self.encoder(h).flatten(1))

        def decode(self, z: "torch.Tensor") -> "torch.Tensor":
            h = self.from_latent(z).reshape(len(z), self.tokens, -1) + self.decoder_positions
            return self.patch_out(self.decoder(h)).flatten(1)[:, : self.length]

    class Pair(nn.Module):
        def __init__(self, rows: int, columns: int) -> None:
            super().__init__()
            self.drift, self.retention = SeriesAutoencoder(columns), SeriesAutoencoder(rows)

        def forward(self, x: "torch.Tensor") -> "torch.Tensor":
            n, rows, columns = x.shape
            z = self.drift.encode(x.reshape(n * rows, columns)).reshape(n, rows, latent).transpose(1, 2)
            e = self.retention.encode(z.reshape(n * latent, rows))
            z = self.retention.decode(e).reshape(n, latent, rows).transpose(1, 2)
            return self.drift.decode(z.reshape(n * rows, latent)).reshape(n, rows, columns)

    torch.manual_seed(0)
    mean = train_NxRxT.mean(axis=0)
    scale = float(np.std(train_NxRxT - mean))
    device = "cuda" if torch.cuda.is_available() else "cpu"
    x = torch.tensor((train_NxRxT - mean) / scale, device=device)
    test = torch.tensor((test_MxRxT - mean) / scale, device=device)
    model = Pair(*train_NxRxT.shape[1:]).to(device)
    step_model = torch.compile(model) if compiled else model
    optimiser = torch.optim.AdamW(model.parameters(), lr=learning_rate, weight_decay=1e-4)

    def step() -> float:
        begin = time.perf_counter()
        rows = torch.randint(len(x), (batch,), device=device)
        optimiser.zero_grad()
        loss = ((step_model(x[rows]) - x[rows]) ** 2).mean()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        loss.item()
        return time.perf_counter() - begin

    first, spent, reached, error, count = step(), 0.0, {}, np.inf, 0
    while spent < budget and len(reached) < len(targets):
        spent += step()
        count += 1
        if count % look_every == 0:
            with torch.no_grad():
                error = float(((model(test) - test) ** 2).mean()) * scale**2
            for share, target in zip((1.0, 0.9), targets, strict=True):
                if error <= target:
                    reached.setdefault(share, spent)
    return {"reached": reached, "compile": first - spent / max(count, 1), "end": spent, "error": error / targets[0]}
