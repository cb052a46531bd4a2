"""Several threads of Python with one net, and with several."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from convlet import Trainer, nn, optim
from networks import DROPOUT, LENET, NORMALIZED, RELU_MAX_POOL, Network
from tolerances import assert_same_bits, assert_same_bits_by_name

THREADS, CALLS = 8, 1000


@pytest.mark.parametrize("images", [1, 3, 17])
def test_eight_threads_with_a_thousand_inferences_each_have_the_bits_of_one(images: int) -> None:
    net, (x, _) = LENET.make(), LENET.data(50 * images)
    batches = x.reshape(50, images, *LENET.input_shape)
    expected = [net(batch) for batch in batches]
    together = threading.Barrier(THREADS)

    def infer(thread: int) -> int:
        together.wait()
        equal = 0
        for call in range(CALLS):
            which = (call + 7 * thread) % len(batches)
            equal += net(batches[which]).tobytes() == expected[which].tobytes()
        return equal

    with ThreadPoolExecutor(THREADS) as pool:
        assert list(pool.map(infer, range(THREADS))) == [CALLS] * THREADS


def train(network: Network, seed: int) -> Trainer:
    trainer = Trainer(network.make(seed), optim.SGD(0.05, momentum=0.9), nn.CrossEntropyLoss(), threads=2)
    trainer.fit(network.data(200, seed=seed), epochs=3, batch_size=33, seed=seed)
    return trainer


def test_nets_that_are_trained_in_different_threads_have_the_bits_of_one_after_the_other() -> None:
    runs = [(network, seed) for network in (LENET, RELU_MAX_POOL, DROPOUT, NORMALIZED) for seed in (0, 1)]
    expected = [train(*run) for run in runs]
    with ThreadPoolExecutor(len(runs)) as pool:
        found = list(pool.map(lambda run: train(*run), runs))
    for one, other in zip(found, expected, strict=True):
        assert_same_bits_by_name(one.net.state_dict(), other.net.state_dict())
        assert one.history[-1].train_loss == other.history[-1].train_loss


class Training:
    """A run in another thread that goes on until it is told to stop."""

    def __init__(self, net: nn.Sequential, **options: Any) -> None:
        self.begun, self.stop = threading.Event(), threading.Event()
        self.trainer = Trainer(net, optim.SGD(0.01), nn.CrossEntropyLoss(), **options)
        self.thread = threading.Thread(target=self.run)

    def run(self) -> None:
        def progress(_: object) -> None:
            self.begun.set()
            if self.stop.is_set():
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            self.trainer.fit(LENET.data(20_000), epochs=10**6, on_progress=progress)

    def __enter__(self) -> Training:
        self.thread.start()
        assert self.begun.wait(30)
        return self

    def __exit__(self, *_: object) -> None:
        self.stop.set()
        self.thread.join(30)
        assert not self.thread.is_alive()


def test_a_net_that_is_being_trained_is_not_trained_by_a_second_thread() -> None:
    net = LENET.make()
    with Training(net) as first:
        for other in (net, nn.Sequential(*net), net[:]):
            with pytest.raises(RuntimeError, match=r"^fit: expected a net that nothing else is training"):
                Trainer(other, optim.SGD(0.1), nn.CrossEntropyLoss()).fit(LENET.data(64), epochs=1)
        copy = nn.LeNet()
        copy.load_state_dict(net.state_dict())
        Trainer(copy, optim.SGD(0.1), nn.CrossEntropyLoss()).fit(LENET.data(64), epochs=1)
    assert first.trainer.optimizer.steps_done > 0
    Trainer(net, optim.SGD(0.1), nn.CrossEntropyLoss()).fit(LENET.data(64), epochs=1)


def test_a_net_answers_while_it_is_being_trained() -> None:
    """With weights of some step or, layer by layer, of two: numbers, and no crash."""
    net, (x, y) = LENET.make(), LENET.data(40)
    with Training(net):
        for _ in range(200):
            assert np.isfinite(net(x)).all()
            assert np.isfinite(net(x[:1])).all()
        assert np.isfinite(net.loss_and_gradients(x, y)[0])
        assert np.isfinite(net.evaluate(x, y)[0])
    before = net(x)
    assert_same_bits(net(x), before)
    again = nn.LeNet()
    again.load_state_dict(net.state_dict())
    assert_same_bits(again(x), before)


@pytest.mark.parametrize("way", ["load_state_dict", "initialize"])
def test_weights_that_are_read_while_others_load_or_draw_them_are_of_one_state(way: str) -> None:
    net, (x, _) = LENET.make(), LENET.data(20)
    states: list[dict[str, NDArray[np.float32]]] = []
    expected: list[NDArray[np.float32]] = []
    for seed in range(2):
        states.append(net.initialize(seed=seed).state_dict())
        expected.append(net(x))

    def write(which: int) -> None:
        if way == "initialize":
            net.initialize(seed=which)
        else:
            net.load_state_dict(states[which])

    whole = {tuple(array.tobytes() for array in state.values()) for state in states}
    stop = threading.Event()

    def read() -> int:
        count = 0
        while not stop.is_set():
            assert tuple(array.tobytes() for array in net.state_dict().values()) in whole
            count += 1
        return count

    with ThreadPoolExecutor(3) as pool:
        readers = [pool.submit(read) for _ in range(3)]
        try:
            for turn in range(200):
                write(turn % 2)
                assert_same_bits(net(x), expected[turn % 2])
        finally:
            stop.set()
        assert all(reader.result() > 0 for reader in readers)
