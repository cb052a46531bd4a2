"""Why a convolution: it looks near by and everywhere alike, which helps with pictures and only with them."""

import argparse

import numpy as np

from convlet import Trainer, datasets, functional, nn, optim

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--images", type=int, default=4000, help="digits to train on")
images = parser.parse_args().images

# Translation: what moves in the image moves in the feature map, bit for bit.
rng = np.random.default_rng(0)
weight, thing = rng.standard_normal((4, 1, 3, 3)), rng.random((6, 6))
here, there = np.zeros((1, 1, 20, 20)), np.zeros((1, 1, 20, 20))
here[0, 0, 3:9, 4:10] = thing
there[0, 0, 8:14, 6:12] = thing  # 5 rows down and 2 columns to the right
map_here, map_there = functional.conv2d(here, weight), functional.conv2d(there, weight)
assert np.array_equal(map_there[:, :, 5:, 2:], map_here[:, :, :-5, :-2])
print("an image moved by (5, 2) gives its feature map moved by (5, 2): the same bits")

# Nearness: one pixel reaches the outputs whose window holds it, and no others.
before = functional.conv2d(here, weight, padding=1)
here[0, 0, 10, 12] += 1
changed = np.argwhere((functional.conv2d(here, weight, padding=1) != before).any(axis=(0, 1)))
assert changed.min(axis=0).tolist() == [9, 11]
assert changed.max(axis=0).tolist() == [11, 13]
print(f"one pixel changed, and {len(changed)} outputs of {before[0, 0].size} noticed")

# The wrong bias: put the pixels of all images into one other order. All that was near is now far. Softmax
# regression gives each pixel a weight of its own and cannot tell; LeNet has lost what it was built on.
order = rng.permutation(28 * 28)
train, test = datasets.Digits(train=True, size=images), datasets.Digits(train=False, size=2000)


def permuted(pictures: np.ndarray) -> np.ndarray:
    return pictures.reshape(len(pictures), -1)[:, order].reshape(pictures.shape)


def accuracy(net: nn.Sequential, change) -> float:
    trainer = Trainer(net, optim.Adam(lr=0.004), nn.CrossEntropyLoss())
    data = (change(train.images), train.labels), (change(test.images), test.labels)
    return trainer.fit(*data, epochs=5, batch_size=32)[-1].test_accuracy


def softmax_regression() -> nn.Sequential:
    net = nn.Sequential(nn.Flatten(), nn.Linear(28 * 28, 10))
    net[1].weight = np.zeros((10, 28 * 28))  # the same beginning for every pixel
    return net


results = {}
print(f"\ntest accuracy after 5 epochs of {images:,} digits\n{'':20}  as drawn  permuted")
for name, make in [
    ("LeNet", lambda: nn.LeNet().initialize("xavier_uniform", seed=0)),
    ("softmax regression", softmax_regression),
]:
    results[name] = accuracy(make(), np.array), accuracy(make(), permuted)
    print(f"{name:20}  {results[name][0]:8.1%}  {results[name][1]:8.1%}")
drawn, mixed = results["LeNet"]
assert drawn - mixed > 0.03
drawn, mixed = results["softmax regression"]
assert abs(drawn - mixed) < 0.01
