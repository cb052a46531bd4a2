"""The trainer on the GPU: the same rows, files and errors as on the CPU."""

from __future__ import annotations

import numpy as np
import pytest

from convlet import Trainer, _core, datasets, nn, optim
from convlet.history import Row


def small() -> tuple[np.ndarray, np.ndarray]:
    digits = datasets.Digits(train=True)
    return digits.images[:150, :, ::2, ::2].copy(), digits.labels[:150]


def net() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(4 * 36, 10)
    ).initialize("pytorch", 0)


def train(device: str, epochs: int = 2, **options: object) -> tuple[Trainer, list[Row]]:
    data = small()
    trainer = Trainer(net(), optim.SGD(0.05, momentum=0.9), nn.CrossEntropyLoss(), device)
    history = trainer.fit(data, data, epochs, batch_size=32, seed=5, **options)  # type: ignore[arg-type]
    return trainer, list(history)


def test_history_agrees_with_the_cpu(device: str):
    (on_cpu, expected), (on_gpu, rows) = train("cpu"), train("cuda")
    for row, wanted in zip(rows, expected, strict=True):
        assert row.train_loss == pytest.approx(wanted.train_loss, rel=1e-4)
        assert row.test_loss == pytest.approx(wanted.test_loss, rel=1e-4)
        assert row.train_accuracy == pytest.approx(wanted.train_accuracy, abs=0.01)
    for name, array in on_cpu.net.parameters().items():
        np.testing.assert_allclose(on_gpu.net.parameters()[name], array, rtol=1e-3, atol=1e-4)
    config = on_gpu.history.config
    assert (config["device"], config["passes"]) == ("cuda", "layer by layer")
    assert config["gpu"] == _core.cuda_info()["name"]


def test_resuming_gives_the_bits_of_the_run_that_was_not_stopped(device: str):
    whole, rows = train("cuda")
    first, _ = train("cuda", epochs=1)
    rest, resumed = train("cuda", resume=first.checkpoint())
    assert [row.train_loss for row in resumed] == [row.train_loss for row in rows]
    for name, array in whole.net.state_dict().items():
        assert array.tobytes() == rest.net.state_dict()[name].tobytes(), name


def test_an_interrupt_leaves_whole_steps(device: str):
    calls = 0

    def stop(_: object) -> None:
        nonlocal calls
        calls += 1
        raise KeyboardInterrupt

    data = small()
    trainer = Trainer(net(), optim.SGD(0.05), nn.CrossEntropyLoss(), "cuda")
    images, labels = np.tile(data[0], (40, 1, 1, 1)), np.tile(data[1], 40)
    with pytest.raises(KeyboardInterrupt):
        trainer.fit((images, labels), epochs=2, batch_size=8, on_progress=stop)
    saved = trainer.checkpoint()
    steps, seen = saved.totals[:2].tolist()
    assert calls == 1
    assert 0 < steps < 40 * 150 / 8
    assert seen == steps * 8


def test_evaluate_and_gradients_take_a_device(device: str):
    (images, labels), model = small(), net()
    assert model.evaluate(images, labels, device="cuda") == pytest.approx(model.evaluate(images, labels))
    changed = images.copy()
    first = model.loss_and_gradients(changed, labels, device="cuda")[0]
    changed[:] = 255 - changed  # the same array with other numbers must be copied anew
    assert model.loss_and_gradients(changed, labels, device="cuda")[0] != pytest.approx(first, rel=1e-3)


def test_auto_takes_a_real_gpu_and_no_emulated_one(device: str):
    trainer = Trainer(net(), optim.SGD(0.1), nn.CrossEntropyLoss())
    assert trainer.device == ("cpu" if _core.cuda_info()["emulated"] else "cuda")
