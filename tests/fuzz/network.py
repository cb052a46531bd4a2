"""Whole random nets: the engine against layer by layer bit for bit, and both against float64."""

from __future__ import annotations

from typing import Any

import numpy as np

from convlet import _core, nn, optim, reference
from engine_run import ADAM, CROSS_ENTROPY, SGD, EngineRun
from fuzz.network64 import walk
from fuzz.problem import Arrays, Expected, Kind, Problem
from fuzz.values import SPECIAL, batch_of, choice
from networks import EXTRAS, NETWORKS, Network, random_network

SMALL = [
    network
    for network in (*NETWORKS, *EXTRAS, *EXTRAS, *EXTRAS)
    if network.name not in ("LeNet", "many channels")
]
STEPS, SEED, STEP = 2, 3, 5


def draw(rng: np.random.Generator, kind: Kind) -> Problem:
    """Random nets, and those of `networks.py`; of ordinary numbers, or with infinities and NaN among them."""
    network = choice(rng, SMALL) if rng.integers(5) == 0 else random_network(int(rng.integers(2**31)))
    one_way = kind is Kind.NONFINITE and len(network.input_shape) == 3 and rng.integers(2) == 0
    if one_way:
        network = one_way_to_infinity(network)
    images, labels = network.data(
        max(1, batch_of(rng)), choice(rng, ["uint8", "float32"]), int(rng.integers(2**31))
    )
    parameters = {name: a.copy() for name, a in network.make(int(rng.integers(2**31))).parameters().items()}
    kind = Kind.NONFINITE if kind is Kind.NONFINITE else Kind.REALS
    loss: dict[str, Any] = {
        "weight": rng.uniform(0.2, 2, network.classes).astype(np.float32) if rng.integers(3) == 0 else None,
        "ignore_index": int(choice(rng, [-100, -100, 0])),
        "reduction": choice(rng, ["mean", "mean", "sum"]),
        "label_smoothing": float(choice(rng, [0.0, 0.0, 0.2])),
    }
    if np.all(labels == loss["ignore_index"]):
        loss["ignore_index"] = -100
    if one_way:
        images = np.maximum(images, images.dtype.type(1e-3) if images.dtype == np.float32 else 1)
        labels[:] = network.classes - 1  # never the one to ignore
        weights_of_label = parameters["5.weight"][-1]
        weights_of_label[rng.integers(weights_of_label.size)] = -np.inf
    elif kind is Kind.NONFINITE:
        arrays = [*parameters.values(), *([images] if images.dtype == np.float32 else [])]
        only = rng.integers(len(arrays)) if rng.integers(2) else None  # else NaN is everywhere soon
        for number, a in enumerate(arrays):
            if number == only or (only is None and rng.integers(2)):
                a.reshape(-1)[rng.integers(a.size)] = choice(rng, SPECIAL)
    return problem(network, {"images": images, "labels": labels, **parameters}, loss, optimizer(rng), kind)


def one_way_to_infinity(network: Network) -> Network:
    """Two convolutions for a net's images and classes; gradients of theirs may be infinite, but none is NaN.

    So it is if one weight of the only label is minus infinity and no pixel is zero: what the sigmoids give is
    positive, the loss is infinite, the slope of the label -1, and one slope before it infinite. Only in the
    lanes of a tile that hold no image is that slope 0 times infinity, NaN, which must not reach a result.
    """
    channels, rows, columns = network.input_shape
    return Network(
        f"one way to infinity from {network.input_shape}",
        network.input_shape,
        network.classes,
        lambda: nn.Sequential(
            *(nn.Conv2d(channels, 4, 3, padding=1), nn.Sigmoid(), nn.Conv2d(4, 3, 1), nn.Sigmoid()),
            *(nn.Flatten(), nn.Linear(3 * rows * columns, network.classes)),
        ),
    )


def optimizer(rng: np.random.Generator) -> dict[str, Any]:
    """One of every kind, as the engine takes it."""
    return choice(
        rng,
        [
            SGD,
            SGD | {"momentum": 0.9},
            SGD | {"momentum": 0.5, "dampening": 0.25, "weight_decay": 0.01},
            SGD | {"momentum": 0.9, "nesterov": True},
            ADAM,
            ADAM | {"weight_decay": 0.1, "decoupled": True},
        ],
    )


def problem(
    network: Network, inputs: Arrays, loss: dict[str, Any], rule: dict[str, Any], kind: Kind
) -> Problem:
    """Inference, a loss with its gradients, two steps of training, and inference with changed weights."""
    net, by_hand = network.make(), network.make()
    criterion = nn.CrossEntropyLoss(**loss)
    lr = 0.125 if rule["kind"] == "sgd" else 0.01

    def set_parameters(to: nn.Sequential, a: Arrays, factor: float = 1.0) -> None:
        for name, array in to.parameters().items():
            array[...] = np.float32(factor) * a[name].astype(np.float32)

    def run(a: Arrays) -> Arrays:
        set_parameters(net, a)
        logits = net(a["images"])
        if np.all(a["labels"] == loss["ignore_index"]):  # an image alone, whose label does not count
            return {"logits": logits}
        value, gradients = net.loss_and_gradients(a["images"], a["labels"], criterion, seed=SEED, step=STEP)
        engine = EngineRun(net, network.input_shape, rule, CROSS_ENTROPY | loss, _core.get_threads())
        images = np.array(a["images"], np.uint8 if a["images"].dtype == np.uint8 else np.float32, order="C")
        labels = np.array(a["labels"], np.int64, order="C")
        order = np.tile(np.arange(len(labels)), STEPS)
        engine.train(images, labels, len(labels), lr, order, seed=SEED)
        set_parameters(net, a, -0.5)
        return {
            "logits": logits,
            "loss": np.asarray(value, np.float32),
            **{f"gradient of {name}": g for name, g in gradients.items()},
            **{f"{name} after {STEPS} steps": p.copy() for name, p in engine.tensors.items()},
            "logits of changed weights": net(a["images"]),
        }

    def twin(a: Arrays) -> Arrays:
        set_parameters(by_hand, a)
        logits = reference.forward(by_hand, a["images"])
        value, gradients = reference.loss_and_gradients(
            by_hand, a["images"], a["labels"], criterion, SEED, STEP
        )
        updates = _optimizer(rule, lr)
        for _ in range(STEPS):
            reference.step(by_hand, updates, a["images"], a["labels"], criterion, seed=SEED)
        after = {f"{name} after {STEPS} steps": p.copy() for name, p in by_hand.parameters().items()}
        set_parameters(by_hand, a, -0.5)
        return {
            "logits": logits,
            "loss": np.asarray(value, np.float32),
            **{f"gradient of {name}": g for name, g in gradients.items()},
            **after,
            "logits of changed weights": reference.forward(by_hand, a["images"]),
        }

    def expected() -> dict[str, Expected]:
        if kind is Kind.NONFINITE or np.all(inputs["labels"] == loss["ignore_index"]):
            return {}
        set_parameters(by_hand, inputs)
        found = reference.activations(by_hand, inputs["images"], (SEED, STEP))
        return walk(by_hand, found, inputs["labels"], loss)

    return Problem(
        "network",
        kind,
        {"network": network.name, "loss": loss, "optimizer": rule},
        inputs,
        run,
        expected,
        images=("images", "labels"),
        by_image=("logits",),
        twin=twin,
    )


def _optimizer(rule: dict[str, Any], lr: float) -> optim.Optimizer:
    """The same on plain arrays."""
    if rule["kind"] == "sgd":
        return optim.SGD(lr, *(rule[name] for name in ("momentum", "dampening", "weight_decay", "nesterov")))
    kind = optim.AdamW if rule["decoupled"] else optim.Adam
    return kind(lr, (rule["beta1"], rule["beta2"]), rule["eps"], rule["weight_decay"])
