"""The article's LeNet on Fashion-MNIST, on the GPU: the data stays there, an epoch is a few graphs.

python examples/train_gpu.py                          10 epochs, batch 256, learning rate 0.9
python examples/train_gpu.py --data digits --device cpu
"""

import argparse

from convlet import Trainer, cuda, datasets, nn, optim

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--data", choices=datasets.NAMES, default="fashion-mnist")
parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="cuda")
parser.add_argument("--epochs", type=int, default=10)
parser.add_argument("--batch-size", type=int, default=256)
parser.add_argument("--lr", type=float, default=0.9)
parser.add_argument("--seed", type=int, default=0)
options = parser.parse_args()
if options.device == "cuda" and not cuda.is_available():
    raise SystemExit(f"no GPU: {cuda.status()}")

train, test = datasets.load(options.data, train=True), datasets.load(options.data, train=False)
net = nn.LeNet(train.images.shape[1], len(train.classes)).initialize("d2l", seed=options.seed)
trainer = Trainer(net, optim.SGD(lr=options.lr), nn.CrossEntropyLoss(), options.device)
print(cuda.device_info()["name"] if trainer.device == "cuda" else "CPU")
history = trainer.fit(
    train,
    test,
    options.epochs,
    options.batch_size,
    options.seed,
    on_epoch=lambda row: print(row.line(options.epochs)),
)
trained = sum(row.seconds for row in history)
print(
    f"{options.epochs} epochs in {history.total_seconds:.3f} s with tests, {trained:.3f} s of training alone"
)
