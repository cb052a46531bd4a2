"""The short version of `torch_steps.py`, and weights that move both ways between convlet and PyTorch."""

from __future__ import annotations

import numpy as np
import pytest

from convlet import datasets, nn

torch = pytest.importorskip("torch")
import torch_steps  # noqa: E402  it needs PyTorch

pytestmark = pytest.mark.torch

torch.set_num_threads(1)  # a second thread gains little on such small nets and loses much on a busy machine


def test_the_first_steps_are_those_of_torch():
    data = datasets.Digits(train=True, size=4000)
    results = torch_steps.all_runs(data.images, data.labels, steps=12, epochs=2)
    assert all(result.passes for result in results), "\n" + torch_steps.table(results)


def test_a_wrong_gradient_fails_the_comparison():
    right, wrong = torch_steps.Distance(1e-7, 1e-6, "0.bias"), torch_steps.Distance(1e-7, 2e-4, "0.weight")
    assert torch_steps.Result("right", [2.3], right, wrong, wrong).passes
    result = torch_steps.Result("wrong", [2.3], wrong, right, right)
    assert not result.passes
    assert "FAILED" in torch_steps.table([result])


@pytest.mark.parametrize("make", [nn.LeNet, torch_steps.relu_net])
def test_weights_from_torch_give_the_same_logits(make):
    """PyTorch draws the weights; convlet loads them by name."""
    net, rng = make(), torch.Generator().manual_seed(0)
    model = torch_steps.in_torch(net)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=rng) / 8)
    net.load_state_dict(model.state_dict())
    compare_logits(net, model)


@pytest.mark.parametrize("make", [nn.LeNet, torch_steps.relu_net])
def test_weights_from_convlet_give_the_same_logits_in_torch(make):
    net = make().initialize("kaiming_normal", 3)
    compare_logits(net, torch_steps.in_torch(net))


def compare_logits(net: nn.Sequential, model) -> None:
    x = np.random.default_rng(0).random((50, 1, 28, 28), np.float32)
    with torch.no_grad():
        expected = model(torch.tensor(x)).numpy()
    np.testing.assert_allclose(net(x), expected, rtol=0, atol=1e-5 * max(1, abs(expected).max()))
