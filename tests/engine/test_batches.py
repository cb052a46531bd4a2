"""A net gives an image the same bits in every batch, layer by layer, for all threads and registers."""

from __future__ import annotations

import numpy as np
import pytest

from convlet import _core, nn, reference
from engine_run import ADAM, SGD, EngineRun
from networks import DENSE_ONLY, NETWORKS, Network
from tolerances import assert_same_bits, assert_same_bits_by_name

BATCHES = (1, 2, 3, 7, 8, 9, 15, 16, 17, 24, 31, 32, 33, 70)

WIDE = Network(
    "16, 17 and 40 channels",
    (3, 11, 13),
    10,
    lambda: nn.Sequential(
        nn.Conv2d(3, 16, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(16, 17, 3, padding="same"),
        nn.ReLU(),
        nn.Conv2d(17, 40, (2, 3)),
        nn.Sigmoid(),
        nn.AvgPool2d(2),
        nn.Flatten(),
        nn.Linear(40 * 2 * 2, 64),
        nn.Tanh(),
        nn.Linear(64, 10),
    ),
)

SIXTY_FOUR = Network(
    "64 channels",
    (2, 7, 6),
    17,
    lambda: nn.Sequential(
        nn.Conv2d(2, 64, 3),
        nn.ReLU(),
        nn.Conv2d(64, 64, 3, padding=1),
        nn.Tanh(),
        nn.MaxPool2d(2, stride=1),
        nn.Conv2d(64, 32, 1, bias=False),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(32 * 4 * 3, 17),
    ),
)

STEPS_AND_GROUPS = Network(
    "strides, dilation, groups, four paddings, softmax",
    (4, 13, 16),
    9,
    lambda: nn.Sequential(
        nn.Conv2d(4, 32, (3, 2), stride=(2, 3), padding=(1, 2, 0, 3), groups=2),
        nn.ReLU(),
        nn.Conv2d(32, 48, 3, padding=(2, 1, 0, 3), dilation=(1, 2), groups=2),
        nn.Sigmoid(),
        nn.Conv2d(48, 48, 2, stride=(1, 2), padding=(0, 1, 1, 0), groups=48),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(48 * 4 * 1, 9),
        nn.Softmax(dim=1),
    ),
)

LONG_ROWS = Network(
    "few channels, long rows",
    (1, 6, 47),
    5,
    lambda: nn.Sequential(
        nn.Conv2d(1, 4, (3, 5), padding=(1, 1, 2, 2)),
        nn.Tanh(),
        nn.Conv2d(4, 3, (1, 7), padding=(0, 0, 5, 1)),
        nn.ReLU(),
        nn.AvgPool2d((2, 3)),
        nn.Conv2d(3, 16, (3, 2)),
        nn.Flatten(),
        nn.Linear(16 * 14, 5),
    ),
)

LONG_CHAINS = Network(
    "chains that are cut",
    (1, 4, 5),
    3,
    lambda: nn.Sequential(
        nn.Conv2d(1, 1030, 2),
        nn.ReLU(),
        nn.Conv2d(1030, 2, 3, padding=1),
        nn.Flatten(),
        nn.Linear(24, 8200),
        nn.ReLU(),
        nn.Linear(8200, 3),
    ),
)

LARGER = (WIDE, SIXTY_FOUR, STEPS_AND_GROUPS, LONG_ROWS)
EVERY = (*NETWORKS, *LARGER)


@pytest.mark.parametrize("network", EVERY, ids=lambda n: n.name)
@pytest.mark.parametrize("kind", ["uint8", "float32"])
def test_every_row_is_that_image_alone_and_layer_by_layer(network: Network, kind: str, isa: str):
    """The last images of 70, so that each of them takes every place in a batch."""
    net, (images, _) = network.make(), network.data(70, kind)
    alone = np.concatenate([net(images[i : i + 1]) for i in range(70)])
    for batch in BATCHES:
        last = slice(70 - batch, None)
        assert_same_bits(net(images[last]), alone[last], f"batch {batch}")
        assert_same_bits(reference.forward(net, images[last]), alone[last], f"batch {batch}, layer by layer")


def test_every_row_is_that_image_alone_where_chains_are_cut(isa: str):
    net, (images, _) = LONG_CHAINS.make(), LONG_CHAINS.data(18)
    alone = np.concatenate([net(images[i : i + 1]) for i in range(18)])
    for batch in (2, 16, 17):
        assert_same_bits(net(images[18 - batch :]), alone[18 - batch :], f"batch {batch}")
        assert_same_bits(reference.forward(net, images[18 - batch :]), alone[18 - batch :], f"batch {batch}")


@pytest.mark.parametrize("network", LARGER, ids=lambda n: n.name)
@pytest.mark.parametrize("kind", ["uint8", "float32"])
def test_gradients_of_wide_nets_equal_layer_by_layer(network: Network, kind: str, isa: str):
    check_gradients(network, kind, (1, 2, 3, 7, 8, 15, 16, 17, 24, 33, 70))


def test_gradients_equal_layer_by_layer_where_chains_are_cut(isa: str):
    check_gradients(LONG_CHAINS, "uint8", (1, 17))


def test_gradients_of_more_images_than_a_chain_takes_equal_layer_by_layer(isa: str):
    check_gradients(DENSE_ONLY, "float32", (1024, 1025, 1040, 2065))


def check_gradients(network: Network, kind: str, batches: tuple[int, ...]) -> None:
    net, loss = network.make(), nn.CrossEntropyLoss()
    for batch in batches:
        images, labels = network.data(batch, kind, seed=batch)
        value, gradients = net.loss_and_gradients(images, labels, loss)
        expected_value, expected = reference.loss_and_gradients(net, images, labels, loss)
        assert_same_bits_by_name(gradients, expected, f"batch {batch}, gradient of")
        assert_same_bits(np.float32(value), np.float32(expected_value), f"batch {batch}, loss")


@pytest.mark.parametrize("network", LARGER, ids=lambda n: n.name)
def test_outputs_and_gradients_of_wide_nets_do_not_depend_on_threads(
    network: Network, isa: str, threads: int
):
    net, loss = network.make(), nn.CrossEntropyLoss()
    for batch in (1, 9, 33, 70):
        images, labels = network.data(batch)
        outputs, (value, gradients) = net(images), net.loss_and_gradients(images, labels, loss)
        _, by_layer = reference.loss_and_gradients(net, images, labels, loss)
        _core.set_threads(1)
        assert_same_bits(outputs, net(images), f"batch {batch}")
        expected_value, expected = net.loss_and_gradients(images, labels, loss)
        assert value == expected_value
        assert_same_bits_by_name(gradients, expected, f"batch {batch}, gradient of")
        assert_same_bits_by_name(by_layer, expected, f"batch {batch}, layer by layer, gradient of")
        _core.set_threads(threads)


@pytest.mark.parametrize("network", [*EVERY, LONG_CHAINS], ids=lambda n: n.name)
def test_avx2_and_avx512_give_the_same_outputs_gradients_and_weights(network: Network):
    if not {"avx2", "avx512"} <= set(_core.available_isas()):
        pytest.skip("this machine has no AVX-512")
    before, loss = _core.isa(), nn.CrossEntropyLoss()
    found: list[dict[str, np.ndarray]] = []
    try:
        for name in ("avx2", "avx512"):
            _core.select_isa(name)
            results = {}
            for batch in (1, 7, 33):
                net, (images, labels) = network.make(), network.data(batch, seed=batch)
                value, gradients = net.loss_and_gradients(images, labels, loss)
                results |= {f"batch {batch}, gradient of {key}": g for key, g in gradients.items()}
                results |= {f"batch {batch}, outputs": net(images), f"batch {batch}, loss": np.array(value)}
            for optimizer, rate in ((SGD | {"momentum": 0.9}, 0.05), (ADAM, 1e-3)):
                run = EngineRun(network.make(), network.input_shape, optimizer, threads=2)
                run.train(*network.data(100), 33, rate)
                results[f"weights after {optimizer['kind']}"] = run.parameters
            found.append(results)
    finally:
        _core.select_isa(before)
    assert_same_bits_by_name(*found)


@pytest.mark.parametrize("batch", [1, 7, 17])
def test_padding_is_no_part_of_a_chain_in_a_net(batch: int, isa: str):
    """A padded tap would turn negative zeros beside it into positive ones, and infinity into NaN."""
    net = nn.Sequential(nn.Conv2d(2, 17, 3, padding=(1, 2, 3, 1)), nn.Flatten())
    parameters = net.parameters()
    parameters["0.weight"][...], parameters["0.bias"][...] = 1, -0.0
    y = net(np.full((batch, 2, 4, 18), -0.0, np.float32))
    assert_same_bits(y, np.full_like(y, -0.0))
    parameters["0.weight"][...] = np.inf
    y = net(np.ones((batch, 2, 4, 18), np.float32)).reshape(batch, 17, 5, 20)
    expected = np.full_like(y, np.inf)
    expected[..., 0] = -0.0  # three columns of padding
    assert_same_bits(y, expected)
