"""Trains the article's LeNet on Fashion-MNIST from ten seeds, and compares their means with the book's.

    python benchmarks/ten_seeds.py [--seeds 10] [--device cpu|cuda] [--precision float32|bf16]
                                   [--data-dir DIR] [--out FILE.md]

The published figures are of 33 printed runs of the book's cell, which spread too widely to judge by one:
training loss 0.455-0.512 (median 0.469), training accuracy 0.803-0.831 (0.824), test accuracy 0.761-0.826
(0.802). The training figures are means over the last epoch, each batch before its update, as the book prints
them. Prints a Markdown table; the exit status is 1 if a mean lies outside, 2 if the data cannot be had.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from pathlib import Path
from typing import NamedTuple

from convlet import Trainer, datasets, nn, optim, recipes
from convlet.history import Row
from convlet.trainer import PRECISIONS


class Published(NamedTuple):
    """Where the mean over the seeds must lie."""

    title: str
    low: float
    high: float

    def expected(self) -> str:
        if self.high == 1.0:
            return f"at least {self.low:.3f}"
        return f"{(self.low + self.high) / 2:.3f} +- {(self.high - self.low) / 2:.3f}"


PUBLISHED = {
    "train_loss": Published("train loss", 0.458, 0.480),
    "train_accuracy": Published("train accuracy", 0.818, 0.830),
    "test_accuracy": Published("test accuracy", 0.785, 1.0),
}


def train(
    data: datasets.Dataset,
    test: datasets.Dataset,
    recipe: recipes.Recipe,
    seed: int,
    device: str,
    precision: str = "float32",
) -> Row:
    """The last epoch's figures of a run that `convlet train --seed` repeats."""
    net = nn.LeNet().initialize(recipe.scheme, seed)
    trainer = Trainer(net, optim.SGD(lr=recipe.lr), nn.CrossEntropyLoss(), device, precision=precision)
    return trainer.fit(data, test, recipe.epochs, recipe.batch_size, seed)[-1]


def verdict(rows: list[Row]) -> tuple[str, bool]:
    """The table of all runs with mean and standard deviation, and whether all means lie where they must."""
    titles = [figure.title for figure in PUBLISHED.values()]
    lines = [["seed", *titles], ["---:"] * (1 + len(titles))]
    lines += [[str(seed), *(f"{row[name]:.3f}" for name in PUBLISHED)] for seed, row in enumerate(rows)]
    columns = [[row[name] for row in rows] for name in PUBLISHED]
    means = [statistics.mean(column) for column in columns]
    deviations = [statistics.stdev(column) if len(column) > 1 else 0.0 for column in columns]
    inside = [
        figure.low <= mean <= figure.high for figure, mean in zip(PUBLISHED.values(), means, strict=True)
    ]
    lines += [
        ["mean", *(f"{mean:.4f}" for mean in means)],
        ["standard deviation", *(f"{deviation:.4f}" for deviation in deviations)],
        ["published", *(figure.expected() for figure in PUBLISHED.values())],
        ["inside", *("yes" if good else "NO" for good in inside)],
    ]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n", all(inside)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=10, help="runs from seeds 0, 1, ...")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--precision", choices=PRECISIONS, default="float32")
    parser.add_argument("--data-dir", type=Path, help="where Fashion-MNIST is, besides $CONVLET_DATA")
    parser.add_argument("--out", type=Path, metavar="FILE", help="write the table there too")
    arguments = parser.parse_args()
    recipe = recipes.get("d2l")
    try:
        train_set, test_set = (datasets.FashionMNIST(arguments.data_dir, part) for part in (True, False))
    except (OSError, ValueError) as error:
        print(f"ten_seeds: {error}", file=sys.stderr)
        return 2
    rows = []
    for seed in range(arguments.seeds):
        rows.append(train(train_set, test_set, recipe, seed, arguments.device, arguments.precision))
        print(f"seed {seed}: {rows[-1].line(recipe.epochs)}", file=sys.stderr, flush=True)
    text, passes = verdict(rows)
    print(text, end="")
    if arguments.out:
        arguments.out.parent.mkdir(parents=True, exist_ok=True)
        arguments.out.write_text(text)
    return 0 if passes else 1


if __name__ == "__main__":
    sys.exit(main())
