"""What LeNet was built for: the digits on a bank cheque, read from picture files by trained weights."""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image

from convlet import Trainer, datasets, nn, optim
from convlet.checkpoint import SavedNet, save_net

AMOUNT = "1998"

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--images", type=int, default=8000, help="digits to train on")
images = parser.parse_args().images

train = datasets.Digits(train=True, size=images)
net = nn.LeNet().initialize("xavier_uniform", seed=0)
trainer = Trainer(net, optim.Adam(lr=0.004), nn.CrossEntropyLoss())
trainer.fit(train, epochs=6, batch_size=32, on_epoch=lambda row: print(row.line(6)))

with tempfile.TemporaryDirectory() as folder:
    # Digits that the net has not seen, in dark ink on light paper, four times as large as those it has.
    unseen = datasets.Digits(train=False, size=500)
    names = [f"digit-{place}.png" for place in range(len(AMOUNT))]
    for place, name in enumerate(names):
        digit = unseen.images[unseen.labels == int(AMOUNT[place])][place, 0]
        Image.fromarray(255 - digit).resize((112, 112)).save(Path(folder, name))

    # The file holds the weights, what the net is, the names of its classes, how its images looked and
    # what a picture needs to look so.
    saved = SavedNet(net, (1, 28, 28), train.classes, {"background": "dark", "prepare": "digit"})
    save_net(Path(folder, "weights.safetensors"), saved)

    command = ["predict", "weights.safetensors", *names]
    print(f"\n$ convlet {' '.join(command)}")
    run = [sys.executable, "-m", "convlet", *command]
    answer = subprocess.run(run, cwd=folder, check=True, capture_output=True, text=True).stdout
print(answer)

read = "".join(line.split()[1] for line in answer.splitlines())
print(f"the cheque says {read}")
assert read == AMOUNT
