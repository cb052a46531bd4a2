"""Two hundred steps on the GPU next to the CPU's engine, and the same bits in two runs.

    python benchmarks/gpu_steps.py [--steps 200] [--data-dir DIR] [--out FILE.json]

LeNet of the recipe d2l from fresh weights and from weights after three epochs, and a net of ReLU and max
pooling; batches of 256 of Fashion-MNIST, or of the built-in digits without it. The exit status is 1
if a loss is off by more than 1e-4 of itself, a gradient by more than 1e-4 of the largest of its tensor, or a
bit differs between two runs.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from convlet import Trainer, datasets, nn, optim
from cuda_runs import cuda_run, gradients
from engine_run import EngineRun

BATCH, BOUND, SHAPE = 256, 1e-4, (1, 28, 28)


def relu_net() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10),
    ).initialize("pytorch", 0)  # fmt: skip


def cases(data: datasets.Dataset) -> dict[str, tuple[nn.Sequential, float]]:
    trained = nn.LeNet().initialize("d2l", 0)
    Trainer(trained, optim.SGD(0.9), nn.CrossEntropyLoss(), "cpu").fit(data, epochs=3)
    return {
        "LeNet, fresh": (nn.LeNet().initialize("d2l", 0), 0.9),
        "LeNet, after three epochs": (trained, 0.9),
        "ReLU, max pooling": (relu_net(), 0.01),
    }


def compare(net: nn.Sequential, lr: float, data: datasets.Dataset, steps: int) -> dict[str, Any]:
    labels = data.labels.astype(np.int64)
    order = np.random.default_rng(0).integers(0, len(labels), (steps, BATCH))
    runs = [cuda_run(net, SHAPE), cuda_run(net, SHAPE), EngineRun(net, SHAPE, threads=0)]
    first = [gradients(run, data.images[order[0]], labels[order[0]])[2] for run in runs]
    gradient = max(
        float(np.abs(first[0][name] - array).max() / np.abs(array).max()) for name, array in first[2].items()
    )
    losses = np.zeros((3, steps))
    for step, rows in enumerate(order):
        for i, run in enumerate(runs):
            before = run.totals[2]
            run.train(data.images, labels, BATCH, lr, rows)
            losses[i, step] = (run.totals[2] - before) / BATCH
    return {
        "loss": float(np.abs(losses[0] / losses[2] - 1).max()),
        "gradient": gradient,
        "same_bits": runs[0].parameters.tobytes() == runs[1].parameters.tobytes(),
        "last_loss": float(losses[0, -1]),
    }


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--data-dir", type=Path, help="where Fashion-MNIST is, besides $CONVLET_DATA")
    parser.add_argument("--out", type=Path, metavar="FILE")
    arguments = parser.parse_args()
    try:
        data = datasets.FashionMNIST(arguments.data_dir, True)
    except (OSError, ValueError, ImportError):
        data = datasets.Digits(train=True)
    results = {name: compare(*case, data, arguments.steps) for name, case in cases(data).items()}
    good = True
    print(f"{data.name}, {arguments.steps} steps of {BATCH}\n")
    print("| net | loss | gradient | same bits |\n|---|---|---|---|")
    for name, r in results.items():
        print(f"| {name} | {r['loss']:.1e} | {r['gradient']:.1e} | {'yes' if r['same_bits'] else 'NO'} |")
        good &= r["loss"] <= BOUND and r["gradient"] <= BOUND and r["same_bits"]
    if arguments.out:
        arguments.out.write_text(
            json.dumps({"data": data.name, "steps": arguments.steps, **results}, indent=1) + "\n"
        )
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
