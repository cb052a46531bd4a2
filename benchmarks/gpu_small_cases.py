"""Every kernel of the GPU once, on small cases: the work that gpu_check.sh gives compute-sanitizer."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from convlet import _core, cuda, nn
from cuda_runs import cuda_run
from engine_run import ADAM, SGD
from networks import LENET, NETWORKS, random_network
from op_calls import CALLS


def main() -> int:
    if reason := _core.cuda_status():
        raise SystemExit(f"gpu_small_cases: {reason}")
    rng = np.random.default_rng(0)
    for call in CALLS:
        arrays = call.arrays(rng, 3)
        call.run(**{name: cuda.array(array) for name, array in arrays.items()})
    for network in (*NETWORKS, *map(random_network, range(4))):
        images, labels = network.data(5)
        for optimizer in (SGD | {"momentum": 0.9}, ADAM):
            run = cuda_run(network.make(), network.input_shape, optimizer=optimizer)
            run.train(images, labels, 2, 0.01)
            run.engine.evaluate(run.parameters, images, labels, run.loss)
            run.engine.forward(run.parameters, images[:1])
    net: nn.Sequential = LENET.make()
    net(cuda.as_device(LENET.data(3)[0]))
    cuda.synchronize()
    print("every kernel ran")
    return 0


if __name__ == "__main__":
    sys.exit(main())
