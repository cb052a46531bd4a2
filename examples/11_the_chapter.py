"""The LeNet chapter of "Dive into Deep Learning" as its readers type it, without PyTorch.

python examples/11_the_chapter.py             on Fashion-MNIST, downloaded if need be
python examples/11_the_chapter.py --digits    on the built-in digits, in seconds
"""

import argparse

import numpy as np

from convlet import d2l, datasets, nn

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--digits", action="store_true", help="train on 8,000 of the built-in digits")
options = parser.parse_args()

# The network, as the chapter has it.
net = nn.Sequential(
    nn.Conv2d(1, 6, kernel_size=5, padding=2), nn.Sigmoid(),
    nn.AvgPool2d(kernel_size=2, stride=2),
    nn.Conv2d(6, 16, kernel_size=5), nn.Sigmoid(),
    nn.AvgPool2d(kernel_size=2, stride=2),
    nn.Flatten(),
    nn.Linear(16 * 5 * 5, 120), nn.Sigmoid(),
    nn.Linear(120, 84), nn.Sigmoid(),
    nn.Linear(84, 10))  # fmt: skip

# The walk through its shapes: one image goes from layer to layer.
X = np.random.rand(1, 1, 28, 28).astype(np.float32)  # noqa: NPY002  (as in the chapter)
for layer in net:
    X = layer(X)
    print(layer.__class__.__name__, "output shape: \t", X.shape)
assert X.shape == (1, 10)

# The data, in batches.
batch_size = 256
if options.digits:
    train_iter = d2l.DataLoader(datasets.Digits(train=True, size=8_000), batch_size, shuffle=True)
    test_iter = d2l.DataLoader(datasets.Digits(train=False, size=2_000), batch_size)
else:
    train_iter, test_iter = d2l.load_data_fashion_mnist(batch_size=batch_size)
for X, y in train_iter:
    print("a batch:", X.shape, X.dtype, y.shape)
    assert X.min() >= 0
    assert X.max() <= 1
    break

# The training, with the chapter's settings, and with more epochs where there are fewer images.
lr, num_epochs = 0.9, 40 if options.digits else 10
d2l.train_ch6(net, train_iter, test_iter, num_epochs, lr, d2l.try_gpu(), seed=0)
assert d2l.evaluate_accuracy_gpu(net, test_iter) > 0.6
