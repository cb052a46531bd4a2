"""Calls whose allocations are made to fail: each makes something and gives all that it comes to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from convlet import Augment, Trainer, detect, functional, nn, optim
from convlet.checkpoint import checkpoint_from_bytes, checkpoint_to_bytes
from convlet.distributed import Team
from networks import DROPOUT, LENET, RELU_MAX_POOL, Network
from op_calls import CALLS, Call
from team_in_threads import ThreadCommunicator, in_threads

Result: TypeAlias = Sequence[NDArray[Any]]
Work: TypeAlias = Callable[[], Result]
"""What may be called again and again, with the same result."""

LARGE = {"batch": 70, "image": (6, 40, 40)}  # enough for three threads


def _op(call: Call, batch: int) -> Work:
    arrays = call.arrays(np.random.default_rng(3), batch)
    return lambda: call(**arrays)


def _large_convolution(backward: bool) -> Work:
    rng = np.random.default_rng(1)
    x = rng.standard_normal((LARGE["batch"], *LARGE["image"]), np.float32)
    weight = rng.standard_normal((9, 6, 5, 5), np.float32)
    dy = rng.standard_normal((LARGE["batch"], 9, 36, 36), np.float32)
    if backward:
        return lambda: functional.conv2d_backward(dy, x, weight)
    return lambda: [functional.conv2d(x, weight)]


def _large_dense() -> Work:
    rng = np.random.default_rng(1)
    x, weight = (rng.standard_normal(shape, np.float32) for shape in ((200, 400), (300, 400)))
    dy = rng.standard_normal((200, 300), np.float32)
    return lambda: [functional.linear(x, weight), *functional.linear_backward(dy, x, weight)]


def _network(network: Network, images: int, kind: str = "uint8") -> Work:
    net, (x, _) = network.make(), network.data(images, kind)
    return lambda: [net(x)]


def _gradients(network: Network, images: int) -> Work:
    net, (x, y) = network.make(), network.data(images)

    def work() -> Result:
        loss, gradients = net.loss_and_gradients(x, y, seed=5, step=3)
        return [np.array(loss), *gradients.values()]

    return work


def _evaluate() -> Work:
    net, (x, y) = LENET.make(), LENET.data(100)
    return lambda: [np.array(net.evaluate(x, y)), net.predict(x), net.predict_proba(x[:20])]


def _fit(optimizer: Callable[[], Any], augment: Augment | None = None) -> Work:
    """Two epochs; where a run before failed halfway, the next one goes on from there to the same end."""
    images, labels = DROPOUT.data(150)
    validation = images[:40], labels[:40]
    trainers: list[Trainer] = []

    def work() -> Result:
        resume = trainers[-1].checkpoint() if trainers else None
        trainer = trainers[-1] if trainers else Trainer(DROPOUT.make(), optimizer(), nn.CrossEntropyLoss())
        trainers[:] = [trainer]
        if resume is not None and not resume.history.config:  # it had not begun
            resume = None
        options: dict[str, Any] = {"epochs": 2, "batch_size": 40, "seed": 2, "augment": augment}
        trainer.fit((images, labels), validation, resume=resume, **options)
        trainers.clear()
        state = trainer.optimizer.state_dict()["state"]
        figures = [[row.train_loss, row.train_accuracy, row.test_loss] for row in trainer.history]
        return [*trainer.net.state_dict().values(), state, np.array(figures)]

    return work


def _initialize() -> Work:
    def work() -> Result:
        net = nn.LeNet().initialize("xavier_uniform", seed=4)
        return list(net.state_dict().values())

    return work


def _reinitialize() -> Work:
    net = nn.LeNet()
    return lambda: list(net.initialize("pytorch", seed=4).state_dict().values())


def _first_use() -> Work:
    """A net whose weights are drawn when they are first needed."""
    net, x = nn.LeNet(seed=6), LENET.data(1)[0]
    return lambda: [net(x), *net.state_dict().values()]


def _load_state_dict() -> Work:
    state = {name: a.astype(np.float64) for name, a in LENET.make(seed=8).state_dict().items()}
    net = LENET.make(seed=1)
    before = [a.copy() for a in net.state_dict().values()]

    def work() -> Result:
        try:
            net.load_state_dict(state)
        except BaseException:
            for a, b in zip(net.parameters().values(), before, strict=True):
                assert a.tobytes() == b.tobytes(), "loaded by half"
            raise
        after = [a.copy() for a in net.parameters().values()]
        for a, b in zip(net.parameters().values(), before, strict=True):
            a[...] = b
        return after

    return work


def _steps(optimizer: Callable[[], optim.Optimizer]) -> Work:
    """A step on plain arrays, which is made whole or not at all."""
    rng = np.random.default_rng(2)
    start = {name: rng.standard_normal((7, 5), np.float32) for name in "abc"}
    gradients = {name: rng.standard_normal((7, 5)) for name in "abc"}
    kept: list[tuple[optim.Optimizer, dict[str, NDArray[Any]]]] = []

    def work() -> Result:
        made, parameters = kept[-1] if kept else (optimizer(), {n: a.copy() for n, a in start.items()})
        kept[:] = [(made, parameters)]
        while made.steps_done < 2:
            made.step(parameters, gradients)
        kept.clear()
        return [*parameters.values(), made.state_dict()["state"]]

    return work


def _optimizer_state() -> Work:
    source = optim.Adam(0.01)
    source.state_arrays(5000)[...] = 3
    state = source.state_dict()
    target = optim.Adam(0.5)
    target.state_arrays(5000)[...] = 1

    def work() -> Result:
        try:
            target.load_state_dict(state)
        except BaseException:
            assert target.lr == 0.5 or target.state_arrays(5000)[0, 0] == 3, "loaded by half"
            raise
        loaded = [np.array(target.lr), target.state_arrays(5000).copy()]
        target.lr = 0.5
        target.state_arrays(5000)[...] = 1
        return loaded

    return work


def _score_map(stride: int) -> Work:
    net = LENET.make()
    picture = np.random.default_rng(0).integers(0, 256, (60, 70), np.uint8)
    return lambda: [detect.score_map(net, picture, 28, stride)]


def _detect() -> Work:
    net = LENET.make()
    picture = np.random.default_rng(0).integers(0, 256, (60, 70), np.uint8)

    def work() -> Result:
        boxes = detect.detect(net, picture, threshold=0.05)
        return [np.array(boxes)]

    return work


def _team(exact: bool) -> Work:
    """Two processes of a team, as threads of this one. Where one fails within an epoch, it ends both."""
    x, y = LENET.data(64)
    raised: list[BaseException] = []

    def train(communicator: ThreadCommunicator) -> Result:
        try:
            team = Team(communicator, exact=exact)
            trainer = Trainer(LENET.make(), optim.SGD(0.1), nn.CrossEntropyLoss(), communicator=team)
            trainer.fit((x, y), epochs=1, batch_size=32)
            return list(trainer.net.state_dict().values())
        except BaseException as error:
            raised.append(error)
            communicator.meeting.barrier.abort()
            raise

    def work() -> Result:
        raised.clear()
        try:
            return in_threads(2, train)[0]
        except BaseException as error:
            # A rank that fails within an epoch ends the others, with its traceback for their message.
            told = [f"{type(one).__name__}: {one}\n{one}" for one in raised]
            lines = [line for text in told for line in text.splitlines()]
            if any("MemoryError" in line.partition(":")[0] for line in lines):  # or NumPy's kind of it
                raise MemoryError from error
            if any(line.startswith("RuntimeError: threads: expected") for line in lines):
                raise RuntimeError("threads: expected more") from error
            raise

    return work


def _checkpoint() -> Work:
    trainer = Trainer(LENET.make(), optim.Adam(), nn.CrossEntropyLoss())
    trainer.fit(LENET.data(40), epochs=1, batch_size=20)

    def work() -> Result:
        again = checkpoint_from_bytes(checkpoint_to_bytes(trainer.checkpoint()))
        return [*again.weights.values(), again.optimizer["state"]]

    return work


MAKERS: dict[str, Callable[[], Work]] = {
    **{f"{call.name}, {n} images": lambda call=call, n=n: _op(call, n) for call in CALLS for n in (1, 21)},
    "conv2d on three threads": lambda: _large_convolution(False),
    "conv2d_backward on three threads": lambda: _large_convolution(True),
    "linear and linear_backward on three threads": _large_dense,
    "net(x), one image": lambda: _network(LENET, 1),
    "net(x), 70 images": lambda: _network(LENET, 70),
    "net(x), 9 float images": lambda: _network(RELU_MAX_POOL, 9, "float32"),
    "net(x), 400 images": lambda: _network(LENET, 400),
    "loss_and_gradients": lambda: _gradients(LENET, 70),
    "loss_and_gradients with dropout": lambda: _gradients(DROPOUT, 33),
    "evaluate and predict": _evaluate,
    "fit, SGD": lambda: _fit(lambda: optim.SGD(0.1)),
    "fit, Adam, augmented": lambda: _fit(lambda: optim.Adam(1e-3), Augment(shift=1, rotation=10)),
    "initialize": _initialize,
    "initialize again": _reinitialize,
    "first use of a net": _first_use,
    "load_state_dict": _load_state_dict,
    "steps of SGD": lambda: _steps(lambda: optim.SGD(0.1, momentum=0.9)),
    "steps of Adam": lambda: _steps(lambda: optim.Adam(0.1)),
    "state of an optimizer": _optimizer_state,
    "score_map": lambda: _score_map(4),
    "score_map, windows by themselves": lambda: _score_map(16),
    "detect": _detect,
    "a team": lambda: _team(False),
    "an exact team": lambda: _team(True),
    "a checkpoint": _checkpoint,
}
