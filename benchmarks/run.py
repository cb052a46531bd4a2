"""Runs the benchmark suites, each cell of which first proves that all contenders compute the same.

    python benchmarks/run.py [--suite ops|train|bf16|infer|scale|cold] [--against numpy,torch,...]
                             [--out FILE]

ops    every convolution of shapes.toml, LeNet's other layers, and a look for cliffs between batch sizes
train  whole training loops: the article's LeNet, wider ones, nets of ReLU and max pooling
bf16   the same with bf16 products, against float32 and PyTorch's autocast; on CPUs with AMX
infer  LeNet on 10,000 images and on one
scale  convlet alone: threads, batch sizes, small work
cold   processes: import, first prediction, the whole run from the command line; peak memory

--threads counts those of each contender; the convolutions run on one and on two, as shapes.toml says. A
rival takes part if it is installed. Without --suite all suites run, and --out FILE.json becomes
FILE-ops.json and so on. Progress goes to standard error, the report to standard output as Markdown.
"""

from __future__ import annotations

import sys

import cold
import infer
import ops
import scale
import suite
import train

ALL_CELLS = "*"
SUITES: dict[str, suite.Suite] = {
    "ops": ops.cells,
    "train": train.cells,
    "bf16": train.cells_in_bf16,
    "infer": infer.cells,
    "scale": scale.cells,
    "cold": cold.cells,
}


def main() -> int:
    parser = suite.parser(__doc__)
    parser.add_argument("--suite", choices=SUITES, help="only this one")
    arguments = parser.parse_args()
    if arguments.suite:
        return suite.run(arguments.suite, SUITES[arguments.suite], arguments)
    if arguments.cells != ALL_CELLS:
        parser.error("--cells needs --suite")
    out, status = arguments.out, 0
    for name, cells in SUITES.items():
        if out:
            arguments.out = out.with_stem(f"{out.stem}-{name}")
        status |= suite.run(name, cells, arguments)
        print()
    return status


if __name__ == "__main__":
    sys.exit(main())
