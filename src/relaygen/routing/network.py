"""The router's network and its training, on PyTorch (extra `router`)."""

from __future__ import annotations

import math
from collections.abc import Callable
from copy import deepcopy

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from relaygen.routing.examples import Examples
from relaygen.routing.shape import Shape

EXPANSION, DROPOUT = 4, 0.1
WEIGHT_DECAY, PATIENCE = 5e-4, 10  # the published ones


class Block(nn.Module):
    """A residual MLP with the norm in front."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.up = nn.Linear(width, EXPANSION * width)
        self.down = nn.Linear(EXPANSION * width, width)

    def forward(self, x: Tensor) -> Tensor:
        wide = functional.dropout(functional.gelu(self.up(self.norm(x))), DROPOUT, self.training)
        return x + functional.dropout(self.down(wide), DROPOUT, self.training)


class Network(nn.Module):
    """Hidden states [n, size], embeddings [n, size] and highest logits [n, top] in, log-odds of a divergence [n] out.

    Each input is standardised and projected to the width; the sum goes through the blocks.
    """

    def __init__(self, sizes: tuple[int, int, int], shape: Shape) -> None:
        super().__init__()
        self.inputs = nn.ModuleList(nn.Linear(size, shape.width) for size in sizes)
        for i, size in enumerate(sizes):
            self.register_buffer(f"mean{i}", torch.zeros(size))
            self.register_buffer(f"scale{i}", torch.ones(size))
        self.blocks = nn.ModuleList(Block(shape.width) for _ in range(shape.blocks))
        self.norm = nn.LayerNorm(shape.width)
        self.out = nn.Linear(shape.width, 1)

    def standardise(self, columns: tuple[Tensor, Tensor, Tensor]) -> None:
        """Takes mean and spread of the inputs from these examples."""
        for i, column in enumerate(columns):
            getattr(self, f"mean{i}").copy_(column.mean(0))
            getattr(self, f"scale{i}").copy_(1 / column.std(0).clamp_min(1e-3))

    def affine(self, i: int) -> tuple[Tensor, Tensor]:
        """What is done to input `i`, standardisation included: a matrix [width, size] and a vector [width]."""
        weight = self.inputs[i].weight * getattr(self, f"scale{i}")
        return weight, self.inputs[i].bias - weight @ getattr(self, f"mean{i}")

    def forward(self, *columns: Tensor) -> Tensor:
        x = sum(functional.linear(column, *self.affine(i)) for i, column in enumerate(columns))
        for block in self.blocks:
            x = block(x)
        return self.out(self.norm(x)).squeeze(-1)


def fit(
    training: Examples,
    validation: Examples,
    embedding: np.ndarray[tuple[int, int], np.dtype[np.float32]],
    shape: Shape,
    seed: int,
    tick: Callable[[int], None] = lambda done: None,
) -> Network:
    """The network of the epoch with the lowest loss on `validation`; stops when that has not improved for a while.

    Divergent positions weigh as much in sum as the others, in both parts.
    """
    torch.manual_seed(seed)
    table = torch.from_numpy(embedding)
    inputs, labels = _tensors(training), torch.from_numpy(training.divergent).float()
    network = Network((inputs[0].shape[1], table.shape[1], inputs[2].shape[1]), shape)
    network.standardise((inputs[0].float(), table[inputs[1]], inputs[2]))
    weight = torch.tensor((len(training) - training.divergent.sum()) / training.divergent.sum()).float()
    optimizer = torch.optim.AdamW(network.parameters(), lr=shape.rate, weight_decay=WEIGHT_DECAY)
    best, state, waited = math.inf, network.state_dict(), 0
    for epoch in range(1, shape.epochs + 1):
        network.train()
        for rows in torch.randperm(len(labels)).split(shape.batch):
            optimizer.zero_grad()
            _loss(network, _rows(inputs, rows), table, labels[rows], weight).backward()
            optimizer.step()
        loss = _mean_loss(network, validation, table, weight, shape.batch)
        waited = 0 if loss < best else waited + 1
        if loss < best:
            best, state = loss, deepcopy(network.state_dict())
        tick(epoch)
        if waited >= PATIENCE:
            break
    network.load_state_dict(state)
    network.eval()
    return network


Columns = tuple[Tensor, Tensor, Tensor]


def _tensors(examples: Examples) -> Columns:
    return torch.from_numpy(examples.hidden), torch.from_numpy(examples.tokens), torch.from_numpy(examples.logits)


def _rows(inputs: Columns, rows: Tensor | slice) -> Columns:
    return inputs[0][rows], inputs[1][rows], inputs[2][rows]


def _loss(network: Network, inputs: Columns, table: Tensor, labels: Tensor, weight: Tensor) -> Tensor:
    hidden, tokens, logits = inputs
    odds = network(hidden.float(), table[tokens], logits)
    return functional.binary_cross_entropy_with_logits(odds, labels, pos_weight=weight)


@torch.no_grad()
def _mean_loss(network: Network, examples: Examples, table: Tensor, weight: Tensor, batch: int) -> float:
    network.eval()
    inputs, labels = _tensors(examples), torch.from_numpy(examples.divergent).float()
    total = 0.0
    for start in range(0, len(examples), batch):
        rows = slice(start, start + batch)
        part = labels[rows]
        total += float(_loss(network, _rows(inputs, rows), table, part, weight)) * len(part)
    return total / len(examples)
