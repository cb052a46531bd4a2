"""A training with all that is random, by the library: `program.py FOLDER EPOCHS` begins, or goes on.

Momentum, a schedule, dropout and augmentation; what it keeps in FOLDER is named as by `convlet train`.
"""

from __future__ import annotations

import sys
from pathlib import Path

from convlet import Augment, Trainer, datasets, nn, optim
from convlet.callbacks import BestCheckpoint, CSVLogger
from convlet.checkpoint import load_checkpoint, save_checkpoint
from convlet.history import Row

folder, epochs = Path(sys.argv[1]), int(sys.argv[2])
folder.mkdir(exist_ok=True)
path = folder / "checkpoint.safetensors"
train, test = datasets.Digits(size=600), datasets.Digits(train=False, size=200)
net = nn.Sequential(
    nn.Normalize.of(train.images),
    nn.Conv2d(1, 8, 5),
    nn.ReLU(),
    nn.MaxPool2d(2),
    nn.Flatten(),
    nn.Dropout(0.3),
    nn.Linear(8 * 12 * 12, 10),
).initialize("kaiming_uniform", 3)
optimizer = optim.SGD(0.05, momentum=0.9, schedule=optim.Cosine())
trainer = Trainer(net, optimizer, nn.CrossEntropyLoss(), device="cpu", threads=1)


def keep(row: Row | None = None) -> None:
    save_checkpoint(path, trainer.checkpoint())


try:
    trainer.fit(
        train,
        test,
        epochs,
        batch_size=50,
        seed=3,
        augment=Augment(shift=2, rotation=10, erase=4),
        resume=load_checkpoint(path) if path.exists() else None,
        on_epoch=keep,
        callbacks=[BestCheckpoint(folder / "best.safetensors"), CSVLogger(folder / "history.csv")],
    )
except KeyboardInterrupt:
    if trainer.history.config:
        keep()
    sys.exit(130)
trainer.history.save(folder / "history.json")
net.save(folder / "weights.safetensors")
