"""The oracles give the numbers that the article and PyTorch print."""

from __future__ import annotations

import numpy as np

from oracle import activation, adam, avg_pool2d, conv2d, cross_entropy, linear, max_pool2d, sgd, softmax


def count(*shape: int, start: int = 0) -> np.ndarray:
    return np.arange(start, start + np.prod(shape), dtype=np.float64).reshape(shape)


def test_two_by_two_kernel_over_three_by_three_input():
    y = conv2d.forward(count(1, 1, 3, 3), count(1, 1, 2, 2))
    assert y.tolist() == [[[[19, 25], [37, 43]]]]


def test_padding_of_one_gives_four_by_four():
    y = conv2d.forward(count(1, 1, 3, 3), count(1, 1, 2, 2), padding=(1, 1, 1, 1))
    assert y.tolist() == [[[[0, 3, 8, 4], [9, 19, 25, 10], [21, 37, 43, 16], [6, 7, 8, 0]]]]


def test_stride_of_three_down_and_two_across():
    y = conv2d.forward(count(1, 1, 3, 3), count(1, 1, 2, 2), padding=(1, 1, 1, 1), stride=(3, 2))
    assert y.tolist() == [[[[0, 8], [6, 8]]]]


def test_two_input_channels_add_up():
    x = np.concatenate([count(1, 1, 3, 3), count(1, 1, 3, 3, start=1)], axis=1)
    weight = np.concatenate([count(1, 1, 2, 2), count(1, 1, 2, 2, start=1)], axis=1)
    assert conv2d.forward(x, weight).tolist() == [[[[56, 72], [104, 120]]]]


def test_bias_belongs_to_the_output_channel():
    y = conv2d.forward(np.zeros((1, 1, 1, 2)), np.zeros((2, 1, 1, 1)), np.array([3.0, -4.0]))
    assert y.tolist() == [[[[3, 3]], [[-4, -4]]]]


def test_gradients_of_a_convolution_by_hand():
    """y = x[0] w[0] + x[1] w[1] and x[1] w[0] + x[2] w[1], with dy = (1, 10)."""
    dx, dweight, dbias = conv2d.backward([[[[1, 10]]]], [[[[2, 3, 5]]]], [[[[7, 11]]]])
    assert dx.tolist() == [[[[7, 11 + 70, 110]]]]
    assert dweight.tolist() == [[[[2 + 30, 3 + 50]]]]
    assert dbias.tolist() == [11]


def test_groups_see_their_own_channels_only():
    y = conv2d.forward([[[[2]], [[3]]]], [[[[5]]], [[[7]]]], groups=2)
    assert y.ravel().tolist() == [10, 21]


def test_an_infinite_weight_over_the_padding_adds_nothing():
    y = conv2d.forward([[[[2.0]]]], [[[[np.inf, 3.0]]]], padding=(0, 0, 1, 0))
    assert y.tolist() == [[[[6.0]]]]


def test_max_pooling_of_the_article():
    y, indices = max_pool2d.forward(count(1, 1, 3, 3), (2, 2), stride=(1, 1))
    assert y.tolist() == [[[[4, 5], [7, 8]]]]
    assert indices.tolist() == [[[[4, 5], [7, 8]]]]


def test_max_pooling_takes_the_first_of_equals_and_any_nan():
    _, indices = max_pool2d.forward([[[[1, 1], [1, 1]]]], (2, 2))
    assert indices.tolist() == [[[[0]]]]
    y, indices = max_pool2d.forward([[[[np.inf, 1], [np.nan, 2]]]], (2, 2))
    assert np.isnan(y).all()
    assert indices.tolist() == [[[[2]]]]


def test_max_pooling_of_negative_pixels_ignores_the_padding():
    y, _ = max_pool2d.forward([[[[-5.0]]]], (2, 2), stride=(1, 1), padding=(1, 1, 1, 1))
    assert y.tolist() == [[[[-5, -5], [-5, -5]]]]


def test_average_pooling_with_ceil_and_counted_padding():
    y = avg_pool2d.forward(count(1, 1, 4, 4, start=1), (3, 3), (2, 2), (1, 1, 1, 1), ceil_mode=True)
    expected = [[1.5556, 3.3333, 2], [6.3333, 11, 6], [4.5, 7.5, 4]]
    np.testing.assert_allclose(y[0, 0], expected, atol=5e-5)


def test_average_pooling_with_its_three_divisors():
    image, sides = [[[[6.0]]]], (0, 0, 1, 1)
    assert avg_pool2d.forward(image, (1, 3), padding=sides).item() == 2
    assert avg_pool2d.forward(image, (1, 3), padding=sides, count_include_pad=False).item() == 6
    assert avg_pool2d.forward(image, (1, 3), padding=sides, divisor_override=4).item() == 1.5


def test_linear_by_hand():
    assert linear.forward([[1, 2]], [[3, 5], [7, 11]], [100, 200]).tolist() == [[113, 229]]
    dx, dweight, dbias = linear.backward([[1, 10]], [[2, 3]], [[5, 7], [11, 13]])
    assert dx.tolist() == [[115, 137]]
    assert dweight.tolist() == [[2, 3], [20, 30]]
    assert dbias.tolist() == [1, 10]


def test_activations_at_known_places():
    assert activation.forward("relu", [-1, 0, 2]).tolist() == [0, 0, 2]
    assert activation.forward("sigmoid", [-np.inf, 0, np.inf]).tolist() == [0, 0.5, 1]
    np.testing.assert_allclose(activation.forward("sigmoid", [-100.0]), np.exp(-100.0), rtol=1e-15)
    assert activation.forward("tanh", [-np.inf, 0, np.inf]).tolist() == [-1, 0, 1]


def test_softmax_of_huge_logits():
    assert softmax.forward([[1e30, 1e30]]).tolist() == [[0.5, 0.5]]
    np.testing.assert_allclose(softmax.log_forward([[0.0, -1000.0]]), [[0, -1000]])


def test_cross_entropy_of_equal_logits_is_the_logarithm_of_the_classes():
    assert abs(float(cross_entropy.forward(np.zeros((3, 10)), [0, 5, 9])) - np.log(10)) < 1e-15


def test_cross_entropy_weighs_and_ignores():
    logits, weight = np.zeros((3, 2)), [1.0, 3.0]
    losses = cross_entropy.forward(logits, [0, 1, -100], weight, reduction="none")
    np.testing.assert_allclose(losses, np.log(2) * np.array([1, 3, 0]))
    assert abs(float(cross_entropy.forward(logits, [0, 1, -100], weight)) - np.log(2)) < 1e-15


def test_momentum_by_hand():
    p, buffer = sgd.step(np.array([1.0]), np.array([2.0]), None, 0.5, momentum=0.5)
    assert (p.item(), buffer.item()) == (0, 2)
    p, buffer = sgd.step(p, np.array([2.0]), buffer, 0.5, momentum=0.5)
    assert (p.item(), buffer.item()) == (-1.5, 3)


def test_first_step_of_adam_is_the_learning_rate():
    p, _, _ = adam.step(np.array([1.0]), np.array([1e-3]), np.zeros(1), np.zeros(1), 1, lr=0.25, eps=0.0)
    assert abs(p.item() - 0.75) < 1e-15
