"""The engine on the GPU computes what the CPU's does."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from convlet import _core, nn
from cuda_runs import LOSS, assert_gradients_agree, cuda_run, gradients, losses
from engine_run import ADAM, CROSS_ENTROPY, SGD, EngineRun
from networks import EXTRAS, LENET, NETWORKS, RELU_MAX_POOL, Network, random_network
from tolerances import assert_same_bits

FAMILY = (
    LENET,
    Network(
        "ReLU, max pooling, 3 x 3, RGB",
        (3, 17, 22),
        10,
        lambda: nn.Sequential(
            nn.Conv2d(3, 5, 3),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(5, 7, 3, padding=(1, 0)),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Flatten(),
            nn.Linear(7 * 3 * 4, 20),
            nn.ReLU(),
            nn.Linear(20, 10),
        ),
    ),
    Network(
        "tanh, both poolings, three dense layers after the first",
        (1, 28, 28),
        6,
        lambda: nn.Sequential(
            nn.Conv2d(1, 4, 5, padding=2),
            nn.Tanh(),
            nn.MaxPool2d(2),
            nn.Conv2d(4, 9, 5, padding=1),
            nn.Sigmoid(),
            nn.AvgPool2d(2),
            nn.Flatten(),
            nn.Linear(9 * 6 * 6, 30, bias=False),
            nn.Tanh(),
            nn.Linear(30, 20),
            nn.ReLU(),
            nn.Linear(20, 15, bias=False),
            nn.Sigmoid(),
            nn.Linear(15, 6),
        ),
    ),
)


def name_of(network: Network) -> str:
    return network.name


@pytest.mark.parametrize("network", FAMILY, ids=name_of)
def test_the_family_of_lenet_takes_the_fused_path(device: str, network: Network):
    assert cuda_run(network.make(), network.input_shape).engine.passes == "fused LeNet"


@pytest.mark.parametrize("network", [n for n in NETWORKS + EXTRAS if n is not LENET], ids=name_of)
def test_other_networks_run_layer_by_layer(device: str, network: Network):
    assert cuda_run(network.make(), network.input_shape).engine.passes == "layer by layer"


@pytest.mark.parametrize("kind", ["uint8", "float32"])
@pytest.mark.parametrize("network", [*NETWORKS, *EXTRAS, *FAMILY[1:]], ids=name_of)
def test_outputs_have_the_bits_of_the_cpu(device: str, network: Network, kind: str):
    net = network.make()
    images, _ = network.data(5, kind)
    outputs = cuda_run(net, network.input_shape).engine.forward(
        np.concatenate([a.ravel() for a in net.parameters().values()]), images
    )
    expected = net(images)
    if any(isinstance(op, nn.Softmax | nn.LogSoftmax) for op in net.ops().values()):
        np.testing.assert_allclose(outputs, expected, rtol=1e-6, atol=1e-6)
    else:
        assert_same_bits(outputs, expected)


@pytest.mark.parametrize("fused", [True, False], ids=["fused", "layer by layer"])
@pytest.mark.parametrize("network", FAMILY, ids=name_of)
def test_gradients_of_both_paths_agree_with_the_cpu(device: str, network: Network, fused: bool):
    net, (images, labels) = network.make(), network.data(9)
    run = cuda_run(net, network.input_shape, fused)
    loss, correct, found = gradients(run, images, labels)
    expected_loss, expected_correct, expected = gradients(EngineRun(net, network.input_shape), images, labels)
    assert loss == pytest.approx(expected_loss, rel=1e-6)
    assert correct == expected_correct
    assert_gradients_agree(found, expected)


@pytest.mark.parametrize("network", NETWORKS + EXTRAS, ids=name_of)
def test_gradients_of_every_network_agree_with_the_cpu(device: str, network: Network):
    net, (images, labels) = network.make(), network.data(7)
    _, _, found = gradients(cuda_run(net, network.input_shape), images, labels)
    assert_gradients_agree(found, gradients(EngineRun(net, network.input_shape), images, labels)[2])


@pytest.mark.parametrize("seed", range(8))
def test_gradients_of_random_networks_agree_with_the_cpu(device: str, seed: int):
    network = random_network(seed)
    net, (images, labels) = network.make(), network.data(3)
    _, _, found = gradients(cuda_run(net, network.input_shape), images, labels)
    assert_gradients_agree(found, gradients(EngineRun(net, network.input_shape), images, labels)[2])


@pytest.mark.parametrize("fused", [True, False], ids=["fused", "layer by layer"])
def test_integers_give_the_bits_of_the_cpu(device: str, fused: bool):
    net, rng = relu_lenet(), np.random.default_rng(1)
    for name, array in net.parameters().items():
        dense = 0.02 if array.ndim == 2 else 0.2
        array[...] = rng.choice([-1, 0, 1], array.shape, p=[dense, 1 - 2 * dense, dense])
        assert np.any(array), name
    images = rng.integers(0, 2, (4, 1, 28, 28)).astype(np.float32)
    run, expected = cuda_run(net, (1, 28, 28), fused), EngineRun(net, (1, 28, 28))
    outputs = run.engine.forward(run.parameters, images)
    assert np.abs(outputs).max() < 2**24
    assert_same_bits(outputs, expected.engine.forward(run.parameters, images))


def relu_lenet() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(6, 16, 5),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(400, 120),
        nn.ReLU(),
        nn.Linear(120, 84),
        nn.ReLU(),
        nn.Linear(84, 10),
    )


RELU_LENET = Network("ReLU LeNet", (1, 28, 28), 10, relu_lenet)
STEPS = 50


@pytest.mark.slow
@pytest.mark.parametrize("network, lr", [(LENET, 0.9), (RELU_LENET, 0.01)], ids=["LeNet", "ReLU LeNet"])
def test_fifty_losses_agree_with_the_cpu(device: str, network: Network, lr: float):
    net = network.make()
    found = losses(cuda_run(net, network.input_shape), network, STEPS, 8, lr)
    expected = losses(EngineRun(net, network.input_shape), network, STEPS, 8, lr)
    np.testing.assert_allclose(found, expected, rtol=LOSS)


@pytest.mark.slow
def test_fifty_losses_of_a_trained_net_agree_with_the_cpu(device: str):
    """After three epochs, when it has left the plateau."""
    from convlet import Trainer, datasets, optim

    digits = datasets.Digits(train=True)
    net = nn.LeNet().initialize("d2l", 0)
    Trainer(net, optim.SGD(0.9), nn.CrossEntropyLoss(), "cpu").fit(digits, epochs=3)
    assert net.evaluate(digits.images, digits.labels)[1] > 0.5
    images, labels, batch = digits.images[: STEPS * 8], digits.labels[: STEPS * 8].astype(np.int64), 8
    runs = [cuda_run(net, (1, 28, 28)), EngineRun(net, (1, 28, 28))]
    _, _, found = gradients(runs[0], images[:64], labels[:64])
    assert_gradients_agree(found, gradients(runs[1], images[:64], labels[:64])[2])
    each: list[list[float]] = []
    for run in runs:
        before, of_run = 0.0, []
        for step in range(STEPS):
            rows = slice(step * batch, (step + 1) * batch)
            run.train(images[rows], labels[rows], batch, 0.1)
            of_run.append((run.totals[2] - before) / batch)
            before = run.totals[2]
        each.append(of_run)
    np.testing.assert_allclose(each[0], each[1], rtol=LOSS)


OPTIMIZERS = {
    "plain SGD": SGD,
    "momentum": SGD | {"momentum": 0.9, "dampening": 0.3, "weight_decay": 0.01},
    "Nesterov": SGD | {"momentum": 0.8, "nesterov": True},
    "Adam": ADAM | {"weight_decay": 0.01},
    "AdamW": ADAM | {"weight_decay": 0.1, "decoupled": True},
}


@pytest.mark.parametrize("optimizer", OPTIMIZERS.values(), ids=OPTIMIZERS)
def test_epochs_with_every_optimizer_and_a_short_last_batch_agree_with_the_cpu(device: str, optimizer: dict):
    network, net = RELU_MAX_POOL, RELU_MAX_POOL.make()
    images, labels = network.data(23)
    order = np.random.default_rng(0).permutation(23)
    runs = [
        cuda_run(net, network.input_shape, optimizer=optimizer),
        EngineRun(net, network.input_shape, optimizer=optimizer),
    ]
    for run in runs:
        for rates in ([0.01, 0.02, 0.03], [0.003, 0.002, 0.001]):
            run.train(images, labels, 10, rates, order)
    np.testing.assert_allclose(runs[0].totals, runs[1].totals, rtol=1e-5)
    np.testing.assert_allclose(runs[0].parameters, runs[1].parameters, rtol=1e-3, atol=2e-5)
    np.testing.assert_allclose(runs[0].state, runs[1].state, rtol=1e-3, atol=2e-5)


LOSSES = {
    "class weights": {"weight": np.linspace(0.5, 2, 10, dtype=np.float32)},
    "an ignored class": {"ignore_index": 3},
    "smoothing": {"label_smoothing": 0.1, "weight": np.linspace(2, 0.5, 10, dtype=np.float32)},
    "sum": {"reduction": "sum"},
}


@pytest.mark.parametrize("fused", [True, False], ids=["fused", "layer by layer"])
@pytest.mark.parametrize("options", LOSSES.values(), ids=LOSSES)
def test_every_loss_agrees_with_the_cpu(device: str, options: dict, fused: bool):
    loss = CROSS_ENTROPY | options
    net, (images, labels) = LENET.make(), LENET.data(11)
    run, expected = cuda_run(net, (1, 28, 28), fused, loss=loss), EngineRun(net, (1, 28, 28), loss=loss)
    value, correct, found = gradients(run, images, labels)
    expected_value, expected_correct, wanted = gradients(expected, images, labels)
    assert (value, correct) == (pytest.approx(expected_value, rel=1e-5), expected_correct)
    assert_gradients_agree(found, wanted)
    for one in (run, expected):
        one.train(images, labels, 4, 0.01)
    np.testing.assert_allclose(run.totals, expected.totals, rtol=1e-5)
    on_device = run.engine.evaluate(run.parameters, images, labels, loss)
    assert on_device == (
        pytest.approx(expected.engine.evaluate(run.parameters, images, labels, loss)[0]),
        on_device[1],
    )


@pytest.mark.parametrize("fused", [True, False], ids=["fused", "layer by layer"])
def test_two_runs_give_the_same_bits(device: str, fused: bool):
    net, (images, labels) = LENET.make(), LENET.data(40)
    runs = [cuda_run(net, (1, 28, 28), fused, optimizer=SGD | {"momentum": 0.9}) for _ in range(2)]
    for run in runs:
        run.train(images, labels, 12, 0.5)
    assert_same_bits(runs[0].parameters, runs[1].parameters)
    assert_same_bits(runs[0].state, runs[1].state)
    assert_same_bits(runs[0].totals, runs[1].totals)


def test_many_steps_in_one_graph_give_the_bits_of_single_steps(device: str):
    """An epoch of 37 steps is a first step, two graphs of sixteen, single steps and a short batch."""
    network = NETWORKS[3]
    net, (images, labels) = network.make(), network.data(37 * 3 - 1)
    whole, single = (cuda_run(net, network.input_shape, optimizer=SGD | {"momentum": 0.9}) for _ in range(2))
    whole.train(images, labels, 3, 0.05)
    for first in range(0, len(labels), 3):
        single.train(images[first : first + 3], labels[first : first + 3], 3, 0.05)
    assert_same_bits(whole.parameters, single.parameters)
    assert_same_bits(whole.totals, single.totals)


def test_a_change_of_the_parameters_is_seen_by_the_next_call(device: str):
    net, (images, _) = RELU_MAX_POOL.make(), RELU_MAX_POOL.data(3)
    run = cuda_run(net, RELU_MAX_POOL.input_shape)
    before = run.engine.forward(run.parameters, images)
    run.parameters[-1] += 1
    after = run.engine.forward(run.parameters, images)
    np.testing.assert_allclose(after[:, -1], before[:, -1] + 1, rtol=1e-5)
    assert_same_bits(after[:, :-1], before[:, :-1])


def test_images_on_the_device_give_outputs_there(device: str):
    from convlet import cuda

    net, (images, _) = LENET.make(), LENET.data(6)
    outputs = net(cuda.as_device(images))
    assert isinstance(outputs, cuda.DeviceArray)
    assert_same_bits(outputs.to_numpy(), net(images))
    alone = net(cuda.as_device(images[0]))
    assert_same_bits(alone.to_numpy(), net(images[0]))


def test_empty_batches(device: str):
    net = LENET.make()
    run = cuda_run(net, (1, 28, 28))
    images, labels = np.empty((0, 1, 28, 28), np.float32), np.empty(0, np.int64)
    assert run.engine.forward(run.parameters, images).shape == (0, 10)
    assert run.engine.evaluate(run.parameters, images, labels, CROSS_ENTROPY) == (0.0, 0)
    with pytest.raises(ValueError, match="cross_entropy: expected at least one image for the mean, got 0"):
        gradients(run, images, labels)


@pytest.mark.parametrize("change", ["images", "labels"])
def test_arrays_of_other_shapes_are_refused(device: str, change: str):
    run = cuda_run(LENET.make(), (1, 28, 28))
    images, labels = LENET.data(4)
    if change == "images":
        images = images[:, :, :27].copy()
    else:
        labels = labels[:3]
    with pytest.raises(ValueError, match=f"engine: expected {change} of shape"):
        gradients(run, images, labels)


def test_layers_that_only_rename_their_input(device: str):
    net = nn.Sequential(nn.Flatten())
    images = np.arange(24, dtype=np.float32).reshape(2, 1, 3, 4)
    engine = _core.CudaEngine(net.plan((1, 3, 4)))
    assert_same_bits(engine.forward(np.empty(0, np.float32), images), images.reshape(2, 12))


def test_other_threads_may_queue_work_while_an_engine_trains(device: str):
    """What they queue meanwhile is done, and not recorded into the engine's graphs."""
    from convlet import cuda, functional

    network = NETWORKS[3]
    net, (images, labels) = network.make(), network.data(60)
    alone, beside = cuda_run(net, network.input_shape), cuda_run(net, network.input_shape)
    alone.train(images, labels, 4, 0.05)
    x, results = cuda.array(np.linspace(-2, 2, 50, dtype=np.float32)), []
    thread = threading.Thread(target=lambda: results.extend(functional.tanh(x) for _ in range(40)))
    thread.start()
    beside.train(images, labels, 4, 0.05)
    thread.join()
    assert_same_bits(beside.parameters, alone.parameters)
    assert len(results) == 40
    for result in results:
        assert_same_bits(result.to_numpy(), functional.tanh(x.to_numpy()))
