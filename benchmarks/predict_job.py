"""From the start of a process to its first prediction: LeNet's weights from a file, the logits of one image.

    python predict_job.py convlet|torch|onnxruntime MODEL IMAGE.npy THREADS

Each imports nothing but the library that it asks. Prints the logits.
"""

import sys

import numpy as np


def with_convlet(model: str, image: np.ndarray, threads: int) -> np.ndarray:
    from convlet import nn

    net = nn.LeNet()
    net.load(model)
    return net(image)


def with_torch(model: str, image: np.ndarray, threads: int) -> np.ndarray:
    import torch
    from torch import nn

    torch.set_num_threads(threads)
    net = nn.Sequential(
        nn.Conv2d(1, 6, kernel_size=5, padding=2),
        nn.Sigmoid(),
        nn.AvgPool2d(kernel_size=2, stride=2),
        nn.Conv2d(6, 16, kernel_size=5),
        nn.Sigmoid(),
        nn.AvgPool2d(kernel_size=2, stride=2),
        nn.Flatten(),
        nn.Linear(400, 120),
        nn.Sigmoid(),
        nn.Linear(120, 84),
        nn.Sigmoid(),
        nn.Linear(84, 10),
    )
    net.load_state_dict(torch.load(model, weights_only=True))
    with torch.inference_mode():
        return net(torch.from_numpy(image)).numpy()


def with_onnxruntime(model: str, image: np.ndarray, threads: int) -> np.ndarray:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    return session.run(None, {"images": image})[0]


if __name__ == "__main__":
    library, model, image, threads = sys.argv[1:]
    run = {"convlet": with_convlet, "torch": with_torch, "onnxruntime": with_onnxruntime}[library]
    print(run(model, np.load(image), int(threads))[0].tolist())
