"""Where is Waldo? A net that knows him from single windows slides over crowds that it has not seen."""

import argparse
import time
from pathlib import Path

import numpy as np
from crowd import SIDE, scene, windows
from PIL import Image, ImageDraw

from convlet import Trainer, nn, optim
from convlet.detect import detect, natural_stride

TRAIN = range(1000, 1040)  # seeds of the crowds to learn from

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--scenes", type=int, default=20, help="crowds to search")
parser.add_argument("--out", type=Path, help="where to draw the first crowd, with what was found")
options = parser.parse_args()

rng = np.random.default_rng(0)
crowds = [windows(seed, rng) for seed in TRAIN]
train = np.concatenate([x for x, _ in crowds]), np.concatenate([y for _, y in crowds])

# Without padding a layer never sees a window's border, so windows that overlap share all its work.
net = nn.Sequential(
    nn.Conv2d(3, 8, kernel_size=5),
    nn.ReLU(),
    nn.MaxPool2d(2),
    nn.Conv2d(8, 16, kernel_size=5),
    nn.ReLU(),
    nn.MaxPool2d(2),
    nn.Flatten(),
    nn.Linear(16 * 4 * 4, 32),
    nn.ReLU(),
    nn.Linear(32, 2),
).initialize("kaiming_uniform", seed=0)
trainer = Trainer(net, optim.Adam(lr=0.002), nn.CrossEntropyLoss())
trainer.fit(train, epochs=4, batch_size=64, on_epoch=lambda row: print(row.line(4)))

# Whom the net mistakes for Waldo in the crowds that it learns from, it learns about anew.
lookalikes = []
for seed in TRAIN:
    picture, places, is_waldo = scene(seed)
    for box in detect(net, picture, SIDE, threshold=0.1, overlap=1, background=1):
        top, left = int(box.top), int(box.left)
        if np.abs(places[is_waldo] - (top + SIDE / 2, left + SIDE / 2)).max(axis=1).min() >= 7:
            lookalikes.append(picture[:, top : top + SIDE, left : left + SIDE])
images = np.concatenate([train[0], np.stack(lookalikes)])
labels = np.concatenate([train[1], np.ones(len(lookalikes), int)])
print(f"{len(train[1]):,} windows to learn from, {np.mean(train[1] == 0):.0%} of them Waldo")
print(f"and {len(lookalikes):,} that were taken for him")
trainer = Trainer(net, optim.Adam(lr=0.001), nn.CrossEntropyLoss())
trainer.fit((images, labels), epochs=6, batch_size=64, on_epoch=lambda row: print(row.line(6)))
print(f"the net slides with a stride of {natural_stride(net, (3, SIDE, SIDE))[0]} pixels")

present = found = right = 0
seconds = 0.0
for seed in range(options.scenes):
    picture, places, is_waldo = scene(seed)
    started = time.perf_counter()
    boxes = detect(net, picture, SIDE, threshold=0.9, overlap=0.2, background=1)
    seconds += time.perf_counter() - started
    middles = np.array([(box.top + SIDE / 2, box.left + SIDE / 2) for box in boxes]).reshape(-1, 1, 2)
    hits = np.abs(middles - places[is_waldo]).max(axis=2) <= SIDE / 4
    present, found, right = present + is_waldo.sum(), found + len(boxes), right + hits.any(axis=0).sum()
    if seed == 0 and options.out:
        drawn = Image.fromarray(np.ascontiguousarray(picture.transpose(1, 2, 0)))
        drawn = drawn.resize((2 * drawn.width, 2 * drawn.height), Image.Resampling.LANCZOS)
        for box in boxes:
            corners = [2 * x for x in (box.left, box.top, box.left + box.width, box.top + box.height)]
            ImageDraw.Draw(drawn).rectangle(corners, outline="black", width=5)
            ImageDraw.Draw(drawn).rectangle(corners, outline="yellow", width=3)
        drawn.save(options.out)

recall, precision = right / present, right / found
print(f"{options.scenes} crowds with {present} Waldos, searched in {1000 * seconds:.0f} ms")
print(f"{found} found, {right} of them rightly: recall {recall:.1%}, precision {precision:.1%}")
assert recall >= 0.9
assert precision >= 0.9
