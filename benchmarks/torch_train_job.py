"""The job of `convlet train --data fashion-mnist`, as a script for PyTorch in its default layout.

    python torch_train_job.py --data-dir FOLDER --out FOLDER [--epochs 10] [--threads N] [--start FILE.npz]

Reads the four IDX files, trains LeNet by the recipe d2l (batch 256, SGD at 0.9, Xavier-uniform weights, or
those of --start), tests after each epoch, and saves the weights and the figures. Knows nothing of convlet.
"""

from __future__ import annotations

import argparse
import gzip
import json
from pathlib import Path

import numpy as np
import torch
from torch import nn

BATCH, LR = 256, 0.9


def read_idx(folder: Path, name: str) -> torch.Tensor:
    """The numbers behind the header: four bytes, the last of them the rank, and four for each dimension."""
    content = gzip.decompress((folder / f"{name}-ubyte.gz").read_bytes())
    rank = content[3]
    shape = np.frombuffer(content, ">u4", rank, offset=4)
    return torch.tensor(np.frombuffer(content, np.uint8, offset=4 + 4 * rank).reshape(shape))


def read_set(folder: Path, part: str) -> tuple[torch.Tensor, torch.Tensor]:
    images, labels = read_idx(folder, f"{part}-images-idx3"), read_idx(folder, f"{part}-labels-idx1")
    return images[:, None].float() / 255, labels.long()


def lenet() -> nn.Sequential:
    net = nn.Sequential(
        nn.Conv2d(1, 6, kernel_size=5, padding=2),
        nn.Sigmoid(),
        nn.AvgPool2d(kernel_size=2, stride=2),
        nn.Conv2d(6, 16, kernel_size=5),
        nn.Sigmoid(),
        nn.AvgPool2d(kernel_size=2, stride=2),
        nn.Flatten(),
        nn.Linear(400, 120),
        nn.Sigmoid(),
        nn.Linear(120, 84),
        nn.Sigmoid(),
        nn.Linear(84, 10),
    )
    for layer in net:
        if isinstance(layer, nn.Conv2d | nn.Linear):
            nn.init.xavier_uniform_(layer.weight)
    return net


def train_epoch(
    net: nn.Module,
    optimizer: torch.optim.Optimizer,
    data: tuple[torch.Tensor, torch.Tensor],
    order: torch.Tensor,
) -> float:
    """The mean loss, each batch before its step."""
    images, labels = data
    loss_sum = torch.zeros(())
    for batch in order.split(BATCH):
        loss = nn.functional.cross_entropy(net(images[batch]), labels[batch])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        loss_sum += loss.detach() * len(batch)
    return loss_sum.item() / len(order)


@torch.inference_mode()
def test(net: nn.Module, data: tuple[torch.Tensor, torch.Tensor]) -> tuple[float, float]:
    """Mean loss and accuracy."""
    loss, correct = 0.0, 0
    for images, labels in zip(data[0].split(BATCH), data[1].split(BATCH), strict=True):
        logits = net(images)
        loss += nn.functional.cross_entropy(logits, labels, reduction="sum").item()
        correct += int((logits.argmax(dim=1) == labels).sum())
    return loss / len(data[1]), correct / len(data[1])


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--start", type=Path, help="first weights, by name")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(arguments.seed)
    train_set, test_set = (read_set(arguments.data_dir, part) for part in ("train", "t10k"))
    net = lenet()
    if arguments.start:
        with np.load(arguments.start) as start:
            net.load_state_dict({name: torch.from_numpy(start[name]) for name in start.files})
    optimizer = torch.optim.SGD(net.parameters(), lr=LR)
    history = []
    for epoch in range(arguments.epochs):
        rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence([arguments.seed, epoch])))
        order = torch.from_numpy(rng.permutation(len(train_set[1])))
        loss = train_epoch(net, optimizer, train_set, order)
        test_loss, accuracy = test(net, test_set)
        history.append({"train_loss": loss, "test_loss": test_loss, "test_accuracy": accuracy})
        print(f"epoch {epoch + 1}: loss {loss:.3f}, test accuracy {accuracy:.3f}")
    arguments.out.mkdir(parents=True, exist_ok=True)
    torch.save(net.state_dict(), arguments.out / "weights.pt")
    (arguments.out / "history.json").write_text(json.dumps(history))


if __name__ == "__main__":
    main()
