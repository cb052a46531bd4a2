"""Dropout and augmentation on the GPU: the masks and the pixels of the CPU."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from convlet import Augment, Trainer, cuda, functional, nn, optim
from cuda_runs import assert_gradients_agree, cuda_run
from engine_run import EngineRun
from networks import DROPOUT, NORMALIZED
from tolerances import assert_same_bits

SHAPE = (2, 9, 7)
AUGMENTS = {
    "exact": Augment(shift=2, flip=True, erase=4),
    "rotation": Augment(rotation=20),
    "all": Augment(shift=2, flip=True, rotation=180, erase=4),
}


@pytest.mark.parametrize("shape", [(5, 3, 4, 7), (3, 9), (2, 0)])
def test_functions_have_the_bits_of_the_cpu(device: str, shape: tuple[int, ...]):
    x = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    assert_same_bits(
        functional.dropout(cuda.array(x), 0.3, 1, 2, 3).to_numpy(), functional.dropout(x, 0.3, 1, 2, 3)
    )
    if len(shape) == 4:
        mean, std = np.array([0.1, 0.2, 0.3], np.float32), np.array([0.5, 3.0, 0.7], np.float32)
        found = functional.normalize(cuda.array(x), mean, std).to_numpy()
        assert_same_bits(found, functional.normalize(x, mean, std))


def train(run: EngineRun, images: Any, labels: Any, **options: Any) -> Any:
    """One step of one image, from zero: the gradient of a dense layer shows what it sees, exactly."""
    run.parameters[...] = 0
    run.train(images, labels, 1, 2.0, **options)
    return run.parameters.copy()


@pytest.mark.parametrize("name", AUGMENTS)
@pytest.mark.parametrize("kind", ["uint8", "float32"])
def test_a_net_sees_the_pixels_of_the_cpu(device: str, name: str, kind: str):
    net = nn.Sequential(nn.Dropout(0.25), nn.Flatten(), nn.Linear(int(np.prod(SHAPE)), 2, bias=False))
    images = np.random.default_rng(1).integers(1, 256, (9, *SHAPE), np.uint8)
    pixels = images if kind == "uint8" else images.astype(np.float32) / np.float32(255)
    labels = np.zeros(9, np.int64)
    for n in range(5):
        options = {"order": np.array([n + 2]), "seed": 7, "augment": AUGMENTS[name].spec()}
        runs = cuda_run(net, SHAPE), EngineRun(net, SHAPE)
        for run in runs:
            run.optimizer["step"] = n
        found, expected = (train(run, pixels, labels, **options) for run in runs)
        assert np.count_nonzero(expected)
        assert_same_bits(found + np.float32(0), expected + np.float32(0))


@pytest.mark.parametrize("network", [DROPOUT, NORMALIZED], ids=lambda n: n.name)
def test_steps_agree_with_the_cpu(device: str, network: Any):
    net, (images, labels) = network.make(), network.data(20)
    runs = cuda_run(net, network.input_shape), EngineRun(net, network.input_shape)
    for run in runs:
        run.train(images, labels, 6, 0.05, seed=2, augment=AUGMENTS["all"].spec())
    assert_gradients_agree(runs[0].tensors, runs[1].tensors)
    assert runs[0].totals == pytest.approx(runs[1].totals, rel=1e-5)


def test_a_recorded_step_draws_anew_at_every_launch(device: str):
    """The same graph with other seeds and steps: what is not drawn anew would be the same."""
    net = nn.Sequential(nn.Dropout(0.5), nn.Flatten(), nn.Linear(126, 2, bias=False))
    images, labels = np.ones((1, *SHAPE), np.float32), np.zeros(1, np.int64)
    run, found = cuda_run(net, SHAPE), set()
    for seed, step in ((0, 0), (1, 0), (0, 1)):
        run.optimizer["step"] = step
        found.add(train(run, images, labels, seed=seed).tobytes())
    assert len(found) == 3


def test_the_fused_path_sees_augmented_images(device: str):
    rng = np.random.default_rng(3)
    images, labels = rng.integers(0, 256, (6, 1, 28, 28), np.uint8), rng.integers(0, 10, 6)
    net = nn.LeNet(seed=1)
    runs = cuda_run(net, (1, 28, 28)), EngineRun(net, (1, 28, 28))
    assert runs[0].engine.passes == "fused LeNet"
    for run in runs:
        run.train(images, labels, 4, 0.1, seed=1, augment=AUGMENTS["all"].spec())
    assert_gradients_agree(runs[0].tensors, runs[1].tensors)
    assert runs[0].totals == pytest.approx(runs[1].totals, rel=1e-5)


def test_what_does_nothing_leaves_the_fused_path(device: str):
    layers = list(nn.LeNet(seed=1))
    net = nn.Sequential(*layers[:3], nn.Identity(), *layers[3:8], nn.Dropout(0.5), *layers[8:], nn.Identity())
    assert cuda_run(net, (1, 28, 28)).engine.passes == "layer by layer"
    net.eval()
    assert cuda_run(net, (1, 28, 28)).engine.passes == "fused LeNet"
    images = np.random.default_rng(3).integers(0, 256, (3, 1, 28, 28), np.uint8)
    assert_same_bits(net(cuda.array(images)).to_numpy(), net(images))


def test_trainer_agrees_with_the_cpu(device: str):
    net, (images, labels) = DROPOUT.make(), DROPOUT.data(30)
    rows = []
    for where in ("cpu", "cuda"):
        trainer = Trainer(DROPOUT.make(), optim.SGD(0.05), nn.CrossEntropyLoss(), where)
        history = trainer.fit((images, labels), None, 2, 8, seed=5, augment=AUGMENTS["exact"])
        rows.append([row.train_loss for row in history])
    assert rows[0] == pytest.approx(rows[1], rel=1e-4)
    on_cpu = net.loss_and_gradients(images, labels, step=3)
    on_gpu = net.loss_and_gradients(images, labels, step=3, device="cuda")
    assert_gradients_agree(on_gpu[1], on_cpu[1])
