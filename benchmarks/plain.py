"""The rival: the paper's network and its training step as a researcher would write them with PyTorch's own modules."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class PlainCNN(nn.Module):
    """Table 1 of Lian et al. 2018: two convolutions side by side, pooled, flattened, one linear layer."""

    def __init__(self, frames: int, features: int = 13, classes: int = 4, channels: int = 100) -> None:
        super().__init__()
        self.conv1 = nn.Conv1d(features, channels, 13, padding=6)
        self.conv2 = nn.Conv1d(features, channels, 7, padding=3)
        self.bn1 = nn.BatchNorm1d(channels)
        self.bn2 = nn.BatchNorm1d(channels)
        self.pool = nn.MaxPool1d(30, 3)
        self.fc = nn.Linear(2 * channels * ((frames - 30) // 3 + 1), classes)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(batch, features, frames) -> the flattened vector, the logits."""
        a = self.pool(F.relu(self.bn1(self.conv1(x))))
        b = self.pool(F.relu(self.bn2(self.conv2(x))))
        vector = torch.flatten(torch.cat([a, b], dim=1), 1)
        return vector, self.fc(vector)


class Batch(NamedTuple):
    """Padded segments (2 * pairs, features, frames), the first of all pairs and then the second, and their labels."""

    x: Tensor
    y: Tensor


def contrastive(first: Tensor, second: Tensor, same: Tensor, margin: float = 0.1) -> Tensor:
    """The cosine contrastive loss of a batch of pairs, equation (5)."""
    similarity = F.cosine_similarity(first, second)
    return torch.where(same, 1 - similarity, F.relu(similarity - margin)).mean()


def loss_of(model: nn.Module, batch: Batch, weight: float = 0.6) -> Tensor:
    """Equation (1): the contrastive loss at pos_1 and the cross-entropy of both branches."""
    vector, logits = model(batch.x)
    first, second = vector.chunk(2)
    one, other = batch.y.chunk(2)
    return weight * contrastive(first, second, one == other) + (1 - weight) * F.cross_entropy(logits, batch.y)


def train(model: nn.Module, optimizer: torch.optim.Optimizer, batches: Sequence[Batch]) -> float:
    """One step on every batch; the mean loss."""
    model.train()
    total = 0.0
    for batch in batches:
        optimizer.zero_grad()
        loss = loss_of(model, batch)
        loss.backward()
        optimizer.step()
        total += loss.item()
    return total / len(batches)


@torch.no_grad()
def evaluate(model: nn.Module, batches: Sequence[Batch]) -> float:
    """The mean loss on the batches, without training."""
    model.eval()
    return sum(loss_of(model, batch).item() for batch in batches) / len(batches)
