"""Where the article starts: softmax regression, a weight for every pixel and class, and nothing else."""

import argparse

import numpy as np

from convlet import Trainer, datasets, nn, optim

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--images", type=int, default=20_000, help="digits to train on")
images = parser.parse_args().images

net = nn.Sequential(nn.Flatten(), nn.Linear(28 * 28, 10, seed=0))
train, test = datasets.Digits(train=True, size=images), datasets.Digits(train=False, size=5000)
print(f"{net.summary((1, 28, 28))}\n")
assert net.parameter_count == 28 * 28 * 10 + 10

trainer = Trainer(net, optim.SGD(lr=0.1), nn.CrossEntropyLoss())
history = trainer.fit(train, test, epochs=10, batch_size=256, on_epoch=lambda row: print(row.line(10)))
assert history[-1].train_loss < history[0].train_loss
assert 0.6 < history[-1].test_accuracy < 0.93  # LeNet, with its convolutions, passes 0.97

# The weights of a class are a picture: ink where they are positive speaks for it.
shades = np.array(list(" .:-=+*#%@"))
for digit in (0, 7):
    weights = net[1].weight[digit].reshape(14, 2, 28).mean(axis=1)
    shade = np.clip(weights / weights.max() * 9, 0, 9).astype(int)
    print(f"\nwhat speaks for a {digit}", *("".join(row) for row in shades[shade]), sep="\n")
