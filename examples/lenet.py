"""The article's LeNet, trained as the article does; well under a minute on two cores.

python examples/lenet.py                          on the built-in digits
python examples/lenet.py --data fashion-mnist     on the article's data, downloaded if need be
"""

import argparse

from convlet import Trainer, datasets, nn, optim

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--data", choices=datasets.NAMES, default="digits")
parser.add_argument("--images", type=int, help="train on the first images only")
parser.add_argument("--epochs", type=int, default=10)
parser.add_argument("--seed", type=int, default=0)
options = parser.parse_args()

net = nn.Sequential(
    nn.Conv2d(1, 6, kernel_size=5, padding=2), nn.Sigmoid(),
    nn.AvgPool2d(kernel_size=2, stride=2),
    nn.Conv2d(6, 16, kernel_size=5), nn.Sigmoid(),
    nn.AvgPool2d(kernel_size=2, stride=2),
    nn.Flatten(),
    nn.Linear(16 * 5 * 5, 120), nn.Sigmoid(),
    nn.Linear(120, 84), nn.Sigmoid(),
    nn.Linear(84, 10))  # fmt: skip
net.initialize("d2l", seed=options.seed)
train, test = datasets.load(options.data, train=True), datasets.load(options.data, train=False)
train = train[: options.images]
print(train, test, sep="\n")

trainer = Trainer(net, optim.SGD(lr=0.9), nn.CrossEntropyLoss())
history = trainer.fit(
    train,
    test,
    epochs=options.epochs,
    batch_size=256,
    seed=options.seed,
    on_epoch=lambda row: print(row.line(options.epochs)),
)
assert history[-1].train_loss <= history[0].train_loss  # the same where there is one epoch
