"""Faults planted in the kernels, one at a time, are noticed: by the emulated device, or by a wrong result."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import NamedTuple

import pytest

from compiler import ROOT
from device_library import CHECKED, DeviceLibrary, check

pytestmark = pytest.mark.slow

KERNELS = "cuda/kernels"


class Fault(NamedTuple):
    """A planted fault: what is written where, what is then compiled and run, and how that ends."""

    name: str
    file: str
    text: str
    mutated: str
    source: str
    noun: str
    caught: str  # "finding" of the emulated device, or "wrong" result


PRODUCT = "matrix_product.cuh"
FAULTS = [
    Fault(
        "product: no barrier before the next tile",
        PRODUCT,
        "    __syncthreads();  // the tile before has left the shared memory\n",
        "",
        "conv2d.cu",
        "conv2d",
        "finding",
    ),
    Fault(
        "product: no barrier after the piece",
        PRODUCT,
        "    n0_ = tile / tiles_down % tiles_across * T::kN;\n    __syncthreads();\n",
        "    n0_ = tile / tiles_down % tiles_across * T::kN;\n",
        "linear.cu",
        "linear",
        "finding",
    ),
    Fault(
        "product: no barrier after the part",
        PRODUCT,
        "      s_.part = part;\n    }\n    __syncthreads();\n",
        "      s_.part = part;\n    }\n",
        "linear.cu",
        "linear",
        "finding",
    ),
    Fault(
        "product: no barrier after the walk",
        PRODUCT,
        "s_.stride = digits_of(kDepth, part.middle, part.inner);\n    __syncthreads();\n",
        "s_.stride = digits_of(kDepth, part.middle, part.inner);\n",
        "linear.cu",
        "linear",
        "finding",
    ),
    Fault(
        "product: no barrier after the first steps",
        PRODUCT,
        "    list_steps(0);\n    __syncthreads();\n",
        "    list_steps(0);\n",
        "linear.cu",
        "linear",
        "finding",
    ),
    Fault(
        "product: no barrier between chunks",
        PRODUCT,
        "    __syncthreads();\n    return false;\n",
        "    return false;\n",
        "linear.cu",
        "linear",
        "finding",
    ),
    Fault(
        "product: no barrier between chunks with padding",
        PRODUCT,
        "return __syncthreads_or(padded) != 0;",
        "return padded;",
        "conv2d.cu",
        "conv2d",
        "finding",
    ),
    Fault(
        "product: padding noticed by its own thread only",
        PRODUCT,
        "return __syncthreads_or(padded) != 0;",
        "__syncthreads();\n      return padded;",
        "conv2d.cu",
        "conv2d",
        "finding",
    ),
    Fault(
        "product: rows read beyond the last",
        PRODUCT,
        "at.step < steps && at.output < rows_",
        "at.step < steps",
        "linear.cu",
        "linear",
        "finding",
    ),
    Fault(
        "product: columns read beyond the last",
        PRODUCT,
        "at.step >= steps || at.output >= columns_",
        "at.step >= steps",
        "linear.cu",
        "linear",
        "finding",
    ),
    Fault(
        "product: steps read beyond the last",
        PRODUCT,
        "at.step >= steps || at.output >= columns_",
        "at.output >= columns_",
        "linear.cu",
        "linear",
        "finding",
    ),
    Fault(
        "product: rows written beyond the last",
        PRODUCT,
        "if (m >= rows_ || count <= 0) return;",
        "if (count <= 0) return;",
        "linear.cu",
        "linear",
        "finding",
    ),
    Fault(
        "product: a step listed too many",
        PRODUCT,
        "if (threadIdx.x >= kDepth) return;",
        "if (threadIdx.x > kDepth) return;",
        "linear.cu",
        "linear",
        "finding",
    ),
    Fault(
        "product: an output of each thread unwritten",
        PRODUCT,
        "v < vectors; ++v",
        "v < vectors - 1; ++v",
        "linear.cu",
        "linear",
        "finding",
    ),
    Fault(
        "product: chunks filled up with zeros of the wrong sign",
        PRODUCT,
        "f.b[r] = -0.0f;",
        "f.b[r] = 0.0f;",
        "conv2d.cu",
        "conv2d",
        "wrong",
    ),
    Fault(
        "product: NaN taken for padding",
        PRODUCT,
        "if (value != value) value = __uint_as_float(kNan);",
        "",
        "conv2d.cu",
        "conv2d",
        "wrong",
    ),
    Fault(
        "conv2d: chains cut in another place",
        "conv2d.cu",
        "std::max<std::int64_t>(1, kChain / taps)",
        "std::max<std::int64_t>(1, kChain / taps - 1)",
        "conv2d.cu",
        "conv2d",
        "wrong",
    ),
    Fault(
        "conv2d: a slot read beyond its steps",
        "conv2d_gradient.cu",
        "part.count = rest < 0 ? 0 : rest < kChain ? rest : kChain;",
        "part.count = kChain;",
        "conv2d_gradient.cu",
        "conv2d",
        "finding",
    ),
    Fault(
        "sums: no barrier before the warps are added",
        "sums.cu",
        "  shared[threadIdx.x] = total;\n  __syncthreads();\n",
        "  shared[threadIdx.x] = total;\n",
        "sums.cu",
        "linear",
        "finding",
    ),
    Fault(
        "sums: channels read beyond the last",
        "sums.cu",
        "s < last && channel < channels; s += kWarps",
        "s < last; s += kWarps",
        "sums.cu",
        "linear",
        "finding",
    ),
    Fault(
        "sums: the last channel unwritten",
        "sums.cu",
        "if (warp != 0 || channel >= channels) return;",
        "if (warp != 0 || channel + 1 >= channels) return;",
        "sums.cu",
        "linear",
        "finding",
    ),
    Fault(
        "sums: positions read beyond the plane",
        "sums.cu",
        "static_cast<int>(min(kPositions, plane - begin))",
        "static_cast<int>(kPositions)",
        "sums.cu",
        "conv2d",
        "finding",
    ),
    Fault(
        "sums: the first channel unwritten",
        "sums.cu",
        "if (threadIdx.x == 0) sums[blockIdx.x] = total;",
        "if (threadIdx.x == 0 && blockIdx.x != 0) sums[blockIdx.x] = total;",
        "sums.cu",
        "conv2d",
        "finding",
    ),
    Fault(
        "sums: a slot forgotten",
        "sums.cu",
        "s < count; ++s",
        "s < count - 1; ++s",
        "sums.cu",
        "linear",
        "wrong",
    ),
    Fault(
        "reduce: no barrier before the warps are added",
        "reduce.cuh",
        "  if (threadIdx.x % kWarp == 0) shared[warp] = value;\n  __syncthreads();\n",
        "  if (threadIdx.x % kWarp == 0) shared[warp] = value;\n",
        "cross_entropy.cu",
        "cross_entropy",
        "finding",
    ),
    Fault(
        "reduce: a warp too many",
        "reduce.cuh",
        "i < warps; ++i",
        "i <= warps; ++i",
        "cross_entropy.cu",
        "cross_entropy",
        "finding",
    ),
    Fault(
        "reduce: a level of the tree forgotten",
        "reduce.cuh",
        "step > 0; step /= 2",
        "step > 1; step /= 2",
        "cross_entropy.cu",
        "cross_entropy",
        "wrong",
    ),
    Fault(
        "softmax: lanes read before all have written",
        "softmax.cuh",
        "items[lane()] = value(k + lane());\n      __syncwarp();\n",
        "items[lane()] = value(k + lane());\n",
        "softmax.cu",
        "softmax",
        "finding",
    ),
    Fault(
        "softmax: lanes write before all have read",
        "softmax.cuh",
        "      }\n      __syncwarp();\n",
        "      }\n",
        "softmax.cu",
        "softmax",
        "finding",
    ),
    Fault(
        "softmax: classes read beyond the last",
        "softmax.cuh",
        "if (k + lane() < last) items",
        "items",
        "softmax.cu",
        "softmax",
        "finding",
    ),
    Fault(
        "softmax: warps too far apart in shared memory",
        "softmax.cuh",
        "threadIdx.x / kWarp * kWarp)",
        "threadIdx.x / kWarp * 2 * kWarp)",
        "softmax.cu",
        "softmax",
        "finding",
    ),
    Fault(
        "softmax: the last class unwritten",
        "softmax.cu",
        "k < shape.classes; k += Walk::kLanes) {\n    const float shifted",
        "k + 1 < shape.classes; k += Walk::kLanes) {\n    const float shifted",
        "softmax.cu",
        "softmax",
        "finding",
    ),
    Fault(
        "cross_entropy: the right answer of one thread only",
        "cross_entropy.cu",
        "const int count = __syncthreads_count(right);",
        "const int count = right;",
        "cross_entropy.cu",
        "cross_entropy",
        "wrong",
    ),
    Fault(
        "cross_entropy: a row too many",
        "cross_entropy.cu",
        "row < loss.shape.outer * loss.shape.inner &&",
        "row <= loss.shape.outer * loss.shape.inner &&",
        "cross_entropy.cu",
        "cross_entropy",
        "finding",
    ),
    Fault(
        "cross_entropy: a loss unwritten",
        "cross_entropy.cu",
        "if (walk.lane() == 0) losses[row] = value;",
        "if (walk.lane() == 0 && row != 1) losses[row] = value;",
        "cross_entropy.cu",
        "cross_entropy",
        "finding",
    ),
    Fault(
        "pool2d: a window too many",
        "pool2d.cu",
        "static_cast<int>(last < end ? last : end)",
        "static_cast<int>(last)",
        "pool2d.cu",
        "pool2d",
        "finding",
    ),
    Fault(
        "activation: the last values unwritten",
        "activation.cu",
        "if (first + Width <= count) {\n    float value[Width];",
        "if (first + Width >= count) return;\n  if (first + Width <= count) {\n    float value[Width];",
        "activation.cu",
        "activation",
        "finding",
    ),
]


FEATURES, BACKWARD, TAIL, BATCH = (
    "lenet_features.cu",
    "lenet_features_backward.cu",
    "lenet_tail.cu",
    "batch.cu",
)
FAULTS += [
    Fault(
        "features: no barrier after the weights and the image",
        FEATURES,
        "shared[l.middle.at + i] = 0.0f;\n  __syncthreads();\n",
        "shared[l.middle.at + i] = 0.0f;\n",
        FEATURES,
        "lenet",
        "finding",
    ),
    Fault(
        "features: no barrier between the rounds",
        FEATURES,
        "      });\n  __syncthreads();\n",
        "      });\n",
        FEATURES,
        "lenet",
        "finding",
    ),
    Fault(
        "features: a channel too many",
        "lenet_round.cuh",
        "if (o + m >= r.channels || j + k >= r.width) continue;",
        "if (j + k >= r.width) continue;",
        FEATURES,
        "lenet",
        "finding",
    ),
    Fault(
        "features: a border unwritten",
        "lenet_round.cuh",
        "shared[to.at + i] = inside ? pixel((c * r.height_in + row) * r.width_in + column) : 0.0f;",
        "if (inside) shared[to.at + i] = pixel((c * r.height_in + row) * r.width_in + column);",
        FEATURES,
        "lenet",
        "finding",
    ),
    Fault(
        "backward: no barrier before the slopes",
        BACKWARD,
        "    __syncthreads();\n    backward_of_pooling(second,",
        "    backward_of_pooling(second,",
        BACKWARD,
        "lenet",
        "finding",
    ),
    Fault(
        "backward: no barrier before the second gradients",
        BACKWARD,
        "    __syncthreads();\n    second_gradients<K>(f, l, shared);\n",
        "    second_gradients<K>(f, l, shared);\n",
        BACKWARD,
        "lenet",
        "finding",
    ),
    Fault(
        "backward: no barrier after the second gradients",
        BACKWARD,
        "    second_gradients<K>(f, l, shared);\n    __syncthreads();\n",
        "    second_gradients<K>(f, l, shared);\n",
        BACKWARD,
        "lenet",
        "finding",
    ),
    Fault(
        "backward: no barrier before the image takes the parts' place",
        BACKWARD,
        "    __syncthreads();\n    load_image(",
        "    load_image(",
        BACKWARD,
        "lenet",
        "finding",
    ),
    Fault(
        "backward: no barrier before the first gradients",
        BACKWARD,
        "    __syncthreads();\n    first_gradients<K>(f, l, shared);\n",
        "    first_gradients<K>(f, l, shared);\n",
        BACKWARD,
        "lenet",
        "finding",
    ),
    Fault(
        "backward: no barrier before the sum of the groups",
        BACKWARD,
        "shared + l.sums + weights);\n  __syncthreads();\n",
        "shared + l.sums + weights);\n",
        BACKWARD,
        "lenet",
        "finding",
    ),
    Fault(
        "backward: no barrier before the slot",
        BACKWARD,
        "    first_gradients<K>(f, l, shared);\n    __syncthreads();\n",
        "    first_gradients<K>(f, l, shared);\n",
        BACKWARD,
        "lenet",
        "finding",
    ),
    Fault(
        "backward: a slot too far",
        BACKWARD,
        "slots[blockIdx.x * f.slot() + i]",
        "slots[(blockIdx.x + 1) * f.slot() + i]",
        BACKWARD,
        "lenet",
        "finding",
    ),
    Fault(
        "backward: a weight of the slot unwritten",
        BACKWARD,
        "i < static_cast<int>(f.slot()); i += blockDim.x) {\n    slots",
        "i + 1 < static_cast<int>(f.slot()); i += blockDim.x) {\n    slots",
        BACKWARD,
        "lenet",
        "finding",
    ),
    Fault(
        "tail: no barrier after the weights",
        TAIL,
        "  __syncthreads();\n  forward(t, images, parameters, weights, values, stride);\n\n",
        "  forward(t, images, parameters, weights, values, stride);\n\n",
        TAIL,
        "lenet",
        "finding",
    ),
    Fault(
        "tail: no barrier after a layer",
        TAIL,
        "    __syncthreads();\n    weights += d.outputs * odd(d.inputs);\n",
        "    weights += d.outputs * odd(d.inputs);\n",
        TAIL,
        "lenet",
        "finding",
    ),
    Fault(
        "tail: no barrier after the loss",
        TAIL,
        "  __syncthreads();\n  backward(t, before,",
        "  backward(t, before,",
        TAIL,
        "lenet",
        "finding",
    ),
    Fault(
        "tail: no barrier after a layer on the way back",
        TAIL,
        "    __syncthreads();\n    end = begin;\n",
        "    end = begin;\n",
        TAIL,
        "lenet",
        "finding",
    ),
    Fault(
        "tail: an image too many",
        TAIL,
        "static_cast<int>(min(std::int64_t{kImagesOfTail}, count - first))",
        "static_cast<int>(min(std::int64_t{kImagesOfTail}, count + 1 - first))",
        TAIL,
        "lenet",
        "finding",
    ),
    Fault(
        "tail: a loss unwritten",
        TAIL,
        "if (threadIdx.x % kWarp == 0) {\n      out.losses[n]",
        "if (threadIdx.x % kWarp == 0 && n != 1) {\n      out.losses[n]",
        TAIL,
        "lenet",
        "finding",
    ),
    Fault(
        "slots: no barrier before the shares are added",
        BATCH,
        "  shared[threadIdx.x] = sum;\n  __syncthreads();\n",
        "  shared[threadIdx.x] = sum;\n",
        BATCH,
        "lenet",
        "finding",
    ),
    Fault(
        "slots: a value too many",
        BATCH,
        "  if (i < values) {\n",
        "  if (i <= values) {\n",
        BATCH,
        "lenet",
        "finding",
    ),
    Fault(
        "slots: the last value unwritten",
        BATCH,
        "if (share > 0 || i >= values) return;",
        "if (share > 0 || i + 1 >= values) return;",
        BATCH,
        "lenet",
        "finding",
    ),
    Fault(
        "sums of a block: no barrier before a warp's sum is read",
        "reduce.cuh",
        "shared[warp] = value;\n  __syncthreads();\n",
        "shared[warp] = value;\n",
        BATCH,
        "lenet",
        "finding",
    ),
]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_planted_fault_is_noticed(fault: Fault, device_library: DeviceLibrary, tmp_path: Path) -> None:
    original = (ROOT / KERNELS / fault.file).read_text()
    assert original.count(fault.text) == 1, "the table no longer fits the file"
    mutated = tmp_path / KERNELS / fault.file
    mutated.parent.mkdir(parents=True)
    mutated.write_text(original.replace(fault.text, fault.mutated))
    source = mutated if fault.file == fault.source else ROOT / KERNELS / fault.source
    object_file = device_library.compile(source, tmp_path / "mutated.o", CHECKED, overlay=tmp_path)
    program = device_library.program("mutated", [object_file])

    outcome: subprocess.CompletedProcess[str] | None = None
    for order in ("ascending", "descending", "random"):
        outcome = check(program, order, fault.noun)
        if outcome.returncode != 0:
            break
    assert outcome is not None
    last = outcome.stdout.splitlines()[-1] if outcome.stdout else outcome.stderr
    assert outcome.returncode == 1, last
    assert last.startswith(f"{fault.caught}: "), last
