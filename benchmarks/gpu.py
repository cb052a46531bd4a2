"""Times LeNet on a GPU, against PyTorch at its best in the same run.

    python benchmarks/gpu.py [--data-dir DIR] [--repetitions 10] [--out FILE.json]

The data set lies on the device for every contender; PyTorch runs eagerly, and as one CUDA graph of the whole
step with the gather of its images, the fused optimizer and the running totals inside. All in float32: TF32 is
off. First the losses of twenty steps are compared, then contenders take turns. Without Fashion-MNIST random
images of its size are used, which take the same time. Prints a table; an emulated device is refused.

    training    10 epochs of 60,000 images in batches of 256, without tests; a step is a 2,350th of it
    inference   10,000 images from the device to logits on the device
    one image   from a NumPy array to logits in a NumPy array
    sweep       training, batches of 16 to 65,536
"""

from __future__ import annotations

import argparse
import functools
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convlet import _core, cuda, datasets, nn
from machine import machine, spread

BATCH, LR, EPOCHS, IMAGES, TESTED = 256, 0.9, 10, 60_000, 10_000
SWEEP = tuple(2**k for k in range(4, 17))
FALL = 0.05  # that a larger batch may cost, as a share of images/s
TARGETS = {"step_us": (60, 25), "epochs_seconds": (0.15, 0.06), "inference_ms": (2, 0.5)}
LOSS = {
    "kind": "cross_entropy",
    "weight": None,
    "ignore_index": -100,
    "label_smoothing": 0.0,
    "reduction": "mean",
}
SGD = {"kind": "sgd", "momentum": 0.0, "dampening": 0.0, "weight_decay": 0.0, "nesterov": False, "step": 0}


class Convlet:
    """The engine as the trainer drives it."""

    def __init__(self, net: nn.Sequential, images: NDArray[np.uint8], labels: NDArray[np.int64]) -> None:
        self.images, self.labels = images, labels
        with net.flat_parameters() as parameters:
            self.parameters = parameters.copy()
        self.engine = _core.CudaEngine(net.plan(images.shape[1:]))
        self.state = np.zeros((0, self.parameters.size), np.float32)

    def train(self, order: NDArray[np.int64], batch: int) -> NDArray[np.float64]:
        """One pass over the order; its totals."""
        totals, steps = np.zeros(4), -(-len(order) // batch)
        rates = np.full(steps, LR)
        self.engine.train(
            self.parameters,
            self.state,
            self.images,
            self.labels,
            order,
            batch,
            rates,
            SGD,
            LOSS,
            totals,
            None,
        )
        return totals


class Torch:
    """The same loop in PyTorch, eager or as a graph of a whole step."""

    def __init__(self, torch: Any, net: nn.Sequential, convlet: Convlet, batch: int, graph: bool) -> None:
        from torch_net import torch_net

        self.torch, self.batch = torch, batch
        self.net = torch_net(torch, net, net.state_dict()).cuda()
        self.images = torch.tensor(convlet.images).cuda().float() / 255
        self.labels = torch.tensor(convlet.labels).cuda()
        self.optimizer = torch.optim.SGD(self.net.parameters(), lr=LR, fused=True)
        self.loss_sum, self.correct = (torch.zeros((), device="cuda") for _ in range(2))
        self.order = torch.arange(len(convlet.labels), device="cuda")
        self.position = torch.zeros((), dtype=torch.int64, device="cuda")
        self.places = torch.arange(batch, device="cuda")
        self.graph = self._recorded() if graph else None

    def step(self, rows: Any) -> None:
        x, y = self.images.index_select(0, rows), self.labels.index_select(0, rows)
        logits = self.net(x)
        loss = self.torch.nn.functional.cross_entropy(logits, y)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.optimizer.step()
        self.loss_sum += loss.detach() * len(rows)
        self.correct += (logits.detach().argmax(1) == y).sum()

    def _next(self) -> None:
        self.step(self.order.index_select(0, self.position + self.places))
        self.position += self.batch

    def _recorded(self) -> Any:
        saved = {name: value.clone() for name, value in self.net.state_dict().items()}
        stream = self.torch.cuda.Stream()
        stream.wait_stream(self.torch.cuda.current_stream())
        with self.torch.cuda.stream(stream):
            for _ in range(3):  # what the libraries allocate and choose at first
                self._next()
        self.torch.cuda.current_stream().wait_stream(stream)
        graph = self.torch.cuda.CUDAGraph()
        with self.torch.cuda.graph(graph):
            self._next()
        with self.torch.no_grad():
            for name, value in self.net.state_dict().items():
                value.copy_(saved[name])
        return graph

    def train(self, order: NDArray[np.int64]) -> float:
        """One pass over the order; the sum of its losses."""
        self.loss_sum.zero_()
        self.correct.zero_()
        self.order[: len(order)] = self.torch.from_numpy(order)
        self.position.zero_()
        for _ in range(len(order) // self.batch):
            if self.graph is None:
                self._next()
            else:
                self.graph.replay()
        if rest := len(order) % self.batch:
            self.step(self.order[len(order) - rest : len(order)])
        return float(self.loss_sum)


def load(data_dir: Path | None) -> tuple[NDArray[np.uint8], NDArray[np.int64], str]:
    try:
        data = datasets.FashionMNIST(data_dir, True)
    except (OSError, ValueError, ImportError):
        rng = np.random.default_rng(0)
        images = rng.integers(0, 256, (IMAGES, 1, 28, 28), np.uint8)
        return images, rng.integers(0, 10, IMAGES), "random images"
    return data.images, data.labels.astype(np.int64), data.name


def seconds(run: Callable[[], object]) -> float:
    begin = time.perf_counter()
    run()
    return time.perf_counter() - begin


def torch_or_none() -> Any:
    try:
        import torch
    except ImportError:
        return None
    if not torch.cuda.is_available():
        return None
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    torch.backends.cudnn.benchmark = True
    return torch


def prove(torch: Any, images: NDArray[np.uint8], labels: NDArray[np.int64]) -> float:
    """The largest relative distance of twenty losses from PyTorch's; it must be below 1e-4."""
    net = nn.LeNet().initialize("d2l", 0)
    ours = Convlet(net, images, labels)
    theirs = Torch(torch, net, ours, BATCH, graph=True)
    worst = 0.0
    for step in range(20):
        rows = np.arange(step * BATCH, (step + 1) * BATCH)
        mine, other = ours.train(rows, BATCH)[2], theirs.train(rows)
        worst = max(worst, abs(mine - other) / other)
    if worst > 1e-4:
        raise SystemExit(f"gpu: the losses of 20 steps differ by {worst:.1e}; nothing is timed")
    return worst


def training(
    torch: Any, images: NDArray[np.uint8], labels: NDArray[np.int64], repetitions: int
) -> dict[str, Any]:
    """Seconds of ten epochs, contenders in turn."""
    net, rng = nn.LeNet().initialize("d2l", 0), np.random.default_rng(0)
    orders = [rng.permutation(len(labels)) for _ in range(EPOCHS)]
    ours = Convlet(net, images, labels)
    contenders: dict[str, Callable[[], object]] = {
        "convlet": lambda: [ours.train(order, BATCH) for order in orders]
    }
    if torch is not None:
        graph = Torch(torch, net, ours, BATCH, graph=True)
        contenders["PyTorch, graph"] = lambda: [graph.train(order) for order in orders]
        eager = Torch(torch, net, ours, BATCH, graph=False)
        contenders["PyTorch, eager"] = lambda: [eager.train(order) for order in orders]
    times = in_turn(contenders, repetitions, slow={"PyTorch, eager": 3})
    return {name: spread(all_times) for name, all_times in times.items()}


def in_turn(
    contenders: dict[str, Callable[[], object]], repetitions: int, slow: dict[str, int] | None = None
) -> dict[str, list[float]]:
    """Seconds of each, A B C A B C ..., after a round that does not count; slow ones have fewer turns."""
    for run in contenders.values():
        run()
    times: dict[str, list[float]] = {name: [] for name in contenders}
    for turn in range(repetitions):
        for name, run in contenders.items():
            if turn < (slow or {}).get(name, repetitions):
                times[name].append(seconds(run))
    return times


def inference(torch: Any, images: NDArray[np.uint8], repetitions: int) -> dict[str, Any]:
    """Milliseconds of 10,000 images on the device, and microseconds of one from the host and back."""
    net = nn.LeNet().initialize("d2l", 0)
    on_device, one = cuda.as_device(images[:TESTED]), images[:1].copy()
    engine = _core.CudaEngine(net.plan(images.shape[1:]))
    with net.flat_parameters() as parameters:
        flat = parameters.copy()

    def batch() -> None:
        net(on_device)
        cuda.synchronize()

    contenders: dict[str, Callable[[], object]] = {"convlet": batch}
    if torch is not None:
        from torch_net import torch_net

        model = torch_net(torch, net, net.state_dict()).cuda()
        x = torch.tensor(images[:TESTED]).cuda().float() / 255
        with torch.inference_mode():
            stream = torch.cuda.Stream()
            with torch.cuda.stream(stream):
                model(x)
            torch.cuda.current_stream().wait_stream(stream)
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph):
                logits = model(x)
        graph.replay()
        distance = float((logits.cpu() - torch.from_numpy(net(on_device).to_numpy())).abs().max())
        if distance > 1e-4:
            raise SystemExit(f"gpu: the logits differ by {distance:.1e}; nothing is timed")

        def replay() -> None:
            graph.replay()
            torch.cuda.synchronize()

        contenders["PyTorch, graph"] = replay
    times = in_turn(contenders, repetitions)
    alone = in_turn({"convlet": lambda: [engine.forward(flat, one) for _ in range(100)]}, repetitions)
    return {
        "batch_ms": {name: spread([1e3 * t for t in all_times]) for name, all_times in times.items()},
        "one_image_us": spread([1e6 * t / 100 for t in alone["convlet"]]),
    }


def sweep(repetitions: int) -> list[dict[str, float]]:
    """Images a second of training on random images, by batch."""
    rng, rows = np.random.default_rng(0), []
    images = rng.integers(0, 256, (max(SWEEP), 1, 28, 28), np.uint8)
    ours = Convlet(nn.LeNet().initialize("d2l", 0), images, rng.integers(0, 10, len(images)))
    order = rng.permutation(len(images))
    for batch in SWEEP:
        ours.train(order[: 4 * batch], batch)
        run = functools.partial(ours.train, order, batch)
        rates = [len(order) / seconds(run) for _ in range(repetitions)]
        rows.append({"batch": batch, **spread(rates)})
    return rows


def falls(rows: list[dict[str, float]]) -> list[int]:
    """The batches at which images/s lie more than FALL below what a smaller batch reached."""
    best, found = 0.0, []
    for row in rows:
        if row["median"] < best * (1 - FALL):
            found.append(int(row["batch"]))
        best = max(best, row["median"])
    return found


def report(result: dict[str, Any]) -> str:
    epochs, answers = result["training"], result["inference"]
    lines = [
        f"{result['gpu']['name']}, {result['data']}; medians [min, max] of {result['repetitions']} turns\n",
        "| measure | convlet | PyTorch, graph | PyTorch, eager | first target | moonshot |",
        "|---|---|---|---|---|---|",
    ]

    def row(title: str, values: dict[str, dict[str, float]], scale: float, digits: int, target: str) -> str:
        cells = [
            "{:.{d}f} [{:.{d}f}, {:.{d}f}]".format(
                *(values[n][k] * scale for k in ("median", "min", "max")), d=digits
            )
            if n in values
            else "-"
            for n in ("convlet", "PyTorch, graph", "PyTorch, eager")
        ]
        first, moonshot = TARGETS[target]
        return "| " + " | ".join([title, *cells, str(first), str(moonshot)]) + " |"

    steps = EPOCHS * -(-IMAGES // BATCH)
    lines.append(row("step of 256 images, us", epochs, 1e6 / steps, 1, "step_us"))
    lines.append(row("10 epochs, s", epochs, 1, 3, "epochs_seconds"))
    lines.append(row("10,000 images, ms", answers["batch_ms"], 1, 2, "inference_ms"))
    for name, figures in epochs.items():
        if name != "convlet":
            lines.append(
                f"\nTraining against {name}: {figures['median'] / epochs['convlet']['median']:.1f} x"
            )
    lines.append(f"\nOne image from the host and back: {answers['one_image_us']['median']:.0f} us")
    lines.append("\n| batch | images/s |\n|---:|---:|")
    lines += [f"| {int(r['batch']):,} | {r['median']:,.0f} |" for r in result["sweep"]]
    late = falls(result["sweep"])
    lines.append(f"\nFalls by more than {FALL:.0%}: " + (", ".join(map(str, late)) if late else "none"))
    return "\n".join(lines) + "\n"


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data-dir", type=Path, help="where Fashion-MNIST is, besides $CONVLET_DATA")
    parser.add_argument("--repetitions", type=int, default=10)
    parser.add_argument("--out", type=Path, metavar="FILE", help="write all figures there as JSON")
    arguments = parser.parse_args()
    if reason := _core.cuda_status():
        raise SystemExit(f"gpu: no device to time: {reason}")
    gpu = _core.cuda_info()
    if gpu["emulated"]:
        raise SystemExit("gpu: the device is emulated, and its times mean nothing")
    torch = torch_or_none()
    images, labels, data = load(arguments.data_dir)
    result: dict[str, Any] = {
        "gpu": gpu,
        "machine": machine(1),
        "data": data,
        "repetitions": arguments.repetitions,
        "losses_apart": None if torch is None else prove(torch, images, labels),
        "training": training(torch, images, labels, arguments.repetitions),
        "inference": inference(torch, images, arguments.repetitions),
        "sweep": sweep(max(3, arguments.repetitions // 3)),
    }
    if torch is not None:
        result["torch"] = {"version": torch.__version__, "cuda": torch.version.cuda, "tf32": False}
    print(report(result), end="")
    if arguments.out:
        arguments.out.parent.mkdir(parents=True, exist_ok=True)
        arguments.out.write_text(json.dumps(result, indent=1, default=list) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
