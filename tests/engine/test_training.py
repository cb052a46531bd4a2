"""A pass of the engine over an order of images is the loop that a reader would write by hand."""

from __future__ import annotations

import numpy as np
import pytest

from convlet import _core, nn, optim
from engine_run import ADAM, CROSS_ENTROPY, SGD, EngineRun
from networks import LENET, NETWORKS, RELU_MAX_POOL, Network
from tolerances import assert_same_bits, assert_same_bits_by_name

SGD_OPTIONS = [
    {},
    {"weight_decay": 0.01},
    {"momentum": 0.9},
    {"momentum": 0.9, "dampening": 0.3, "weight_decay": 0.001},
    {"momentum": 0.8, "nesterov": True, "weight_decay": 0.001},
]
ADAM_OPTIONS = [
    {},
    {"beta1": 0.8, "beta2": 0.95, "eps": 1e-4},
    {"weight_decay": 0.05},
    {"weight_decay": 0.05, "decoupled": True},
]


def by_hand(net: nn.Sequential, optimizer, images, labels, order, batch_size: int) -> tuple[float, int]:
    """Batch by batch: gradients, then a step. The sum of the losses of all images, and the right answers."""
    loss_sum, correct = 0.0, 0
    for start in range(0, len(order), batch_size):
        batch = order[start : start + batch_size]
        correct += int((net(images[batch]).argmax(axis=1) == labels[batch]).sum())
        value, gradients = net.loss_and_gradients(images[batch], labels[batch], nn.CrossEntropyLoss())
        loss_sum += float(value) * len(batch)
        optimizer.step(net.parameters(), gradients)
    return loss_sum, correct


def shuffled(count: int, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).permutation(count)


@pytest.mark.parametrize("network", NETWORKS, ids=lambda n: n.name)
@pytest.mark.parametrize("kind", ["uint8", "float32"])
def test_a_pass_equals_the_loop_by_hand(network: Network, kind: str, isa: str):
    """Four steps: three whole batches and a short one of 23."""
    net, (images, labels) = network.make(), network.data(128, kind)
    order = shuffled(128)[:128]
    run = EngineRun(net, network.input_shape)
    run.train(images, labels, 35, 0.25, order)
    by_hand(net, optim.SGD(0.25), images, labels, order, 35)
    assert_same_bits_by_name(run.tensors, net.parameters())


@pytest.mark.parametrize("options", SGD_OPTIONS, ids=str)
def test_sgd_in_the_engine_equals_sgd_on_arrays(options: dict, isa: str, threads: int):
    net, (images, labels) = RELU_MAX_POOL.make(), RELU_MAX_POOL.data(100)
    run = EngineRun(net, RELU_MAX_POOL.input_shape, SGD | options, threads=threads)
    optimizer = optim.SGD(0.1, **options)
    for epoch in range(2):
        run.train(images, labels, 32, 0.1, shuffled(100, epoch))
        by_hand(net, optimizer, images, labels, shuffled(100, epoch), 32)
        assert_same_bits_by_name(run.tensors, net.parameters(), f"epoch {epoch}")


@pytest.mark.parametrize("options", ADAM_OPTIONS, ids=str)
def test_adam_in_the_engine_equals_adam_on_arrays(options: dict, isa: str, threads: int):
    net, (images, labels) = RELU_MAX_POOL.make(), RELU_MAX_POOL.data(100)
    run = EngineRun(net, RELU_MAX_POOL.input_shape, ADAM | options, threads=threads)
    kind = optim.AdamW if options.get("decoupled") else optim.Adam
    optimizer = kind(
        0.01,
        betas=(options.get("beta1", 0.9), options.get("beta2", 0.999)),
        eps=options.get("eps", 1e-8),
        weight_decay=options.get("weight_decay", 0.0),
    )
    for epoch in range(2):
        run.train(images, labels, 32, 0.01, shuffled(100, epoch))
        by_hand(net, optimizer, images, labels, shuffled(100, epoch), 32)
        assert_same_bits_by_name(run.tensors, net.parameters(), f"epoch {epoch}")


def test_totals_are_added_up(isa: str, threads: int):
    net, (images, labels) = RELU_MAX_POOL.make(), RELU_MAX_POOL.data(90)
    run = EngineRun(net, RELU_MAX_POOL.input_shape, threads=threads)
    loss_sum, correct = 0.0, 0
    for epoch in range(2):
        run.train(images, labels, 40, 0.1, shuffled(90, epoch))
        loss, right = by_hand(net, optim.SGD(0.1), images, labels, shuffled(90, epoch), 40)
        loss_sum, correct = loss_sum + loss, correct + right
    assert run.totals[[0, 1, 3]].tolist() == [6, 180, correct]
    assert run.totals[2] == pytest.approx(loss_sum, rel=1e-6)


def test_ignored_labels_count_for_nothing():
    """A batch in which no label counts changes neither the parameters nor the sum of the losses."""
    images, labels = RELU_MAX_POOL.data(48)
    labels[16:32] = -100
    run, without = (EngineRun(RELU_MAX_POOL.make(), RELU_MAX_POOL.input_shape) for _ in range(2))
    run.train(images, labels, 16)
    rest = np.r_[0:16, 32:48]
    without.train(images[rest], labels[rest], 16)
    assert_same_bits(run.parameters, without.parameters)
    assert run.totals[[0, 2, 3]].tolist() == [3, *without.totals[2:]]


def test_the_order_decides_which_images_are_seen(threads: int):
    """A permutation, a part, and some images more than once are all the same to the engine."""
    net, (images, labels) = RELU_MAX_POOL.make(), RELU_MAX_POOL.data(60)
    for order in (shuffled(60), shuffled(60)[:17], np.array([3, 3, 59, 0, 3] * 9)):
        run, copied = (EngineRun(net, RELU_MAX_POOL.input_shape, threads=threads) for _ in range(2))
        run.train(images, labels, 16, 0.1, order)
        copied.train(images[order], labels[order], 16, 0.1)
        assert_same_bits(run.parameters, copied.parameters)
        assert run.totals[1] == len(order)


@pytest.mark.parametrize(
    "count, batch_size", [(1, 1), (7, 1), (5, 16), (16, 16), (17, 16), (33, 16), (40, 300)]
)
def test_batches_that_fit_no_tile(count: int, batch_size: int, isa: str):
    net, (images, labels) = RELU_MAX_POOL.make(), RELU_MAX_POOL.data(count)
    run = EngineRun(net, RELU_MAX_POOL.input_shape)
    run.train(images, labels, batch_size)
    by_hand(net, optim.SGD(0.1), images, labels, np.arange(count), batch_size)
    assert_same_bits_by_name(run.tensors, net.parameters())
    assert run.totals[:2].tolist() == [-(-count // batch_size), count]


def test_every_step_has_its_own_learning_rate():
    net, (images, labels) = RELU_MAX_POOL.make(), RELU_MAX_POOL.data(48)
    run, by_steps = (EngineRun(net, RELU_MAX_POOL.input_shape) for _ in range(2))
    run.train(images, labels, 16, [0.5, 0.0, 0.125])
    for step, lr in enumerate((0.5, 0.0, 0.125)):
        before = by_steps.parameters.copy()
        by_steps.train(images, labels, 16, lr, np.arange(16 * step, 16 * step + 16))
        assert np.array_equal(before, by_steps.parameters) == (lr == 0)
    assert_same_bits(run.parameters, by_steps.parameters)


def test_progress_is_called_between_steps():
    net, (images, labels) = LENET.make(), LENET.data(256)
    run, seen = EngineRun(net, LENET.input_shape), []
    order = np.resize(np.arange(256), 64 * 188)
    run.train(images, labels, 64, 0.1, order, progress=lambda: seen.append(run.totals.copy()))
    assert seen
    for totals in seen:
        assert totals[1] == 64 * totals[0]
    assert [t[0] for t in seen] == sorted({t[0] for t in seen})


def test_what_progress_raises_comes_out_after_a_whole_step():
    net, (images, labels) = LENET.make(), LENET.data(256)
    run, again = (EngineRun(net, LENET.input_shape, SGD | {"momentum": 0.9}) for _ in range(2))
    order = np.resize(np.arange(256), 64_000)

    def stop() -> None:
        raise LookupError("enough")

    with pytest.raises(LookupError, match="enough"):
        run.train(images, labels, 64, 0.1, order, progress=stop)
    steps = int(run.totals[0])
    assert 0 < steps < 1000
    again.train(images, labels, 64, 0.1, order[: 64 * steps])
    assert_same_bits(run.parameters, again.parameters)
    assert_same_bits(run.state, again.state)


def test_evaluate_sums_the_loss_and_counts_the_right_answers(isa: str, threads: int):
    net, (images, labels) = LENET.make(), LENET.data(75)
    run = EngineRun(net, LENET.input_shape, threads=threads)
    loss_sum, correct = run.engine.evaluate(run.parameters, images, labels, CROSS_ENTROPY)
    logits = net(images)
    assert correct == (logits.argmax(axis=1) == labels).sum()
    assert loss_sum == pytest.approx(75 * float(nn.CrossEntropyLoss()(logits, labels)), rel=1e-6)


def test_a_write_to_a_parameter_is_seen_by_the_next_call(isa: str):
    net, (images, labels) = LENET.make(), LENET.data(20)
    net(images)
    net[-1].weight[...] = 0
    net[-1].bias[...] = np.arange(10)
    assert (net(images) == np.arange(10)).all()
    net.parameters()["11.bias"][:] = -1
    assert (net(images) == -1).all()
    _, gradients = net.loss_and_gradients(images, labels, nn.CrossEntropyLoss())
    assert not gradients["9.weight"].any()
    net[0].weight[...] = np.nan
    net[-1].weight[...] = 1
    assert np.isnan(net(images)).all()


def test_the_default_number_of_threads_is_that_of_the_library(threads: int):
    plan = LENET.make().plan(LENET.input_shape)
    assert _core.Engine(plan, 0).threads == threads
    assert _core.Engine(plan, 5).threads == 5
