"""The border: what users hand in becomes what the compiled module takes, or an error that says why not.

Checked in the order type, rank, shape, layout; a wrong type is a ``TypeError``, a wrong value a
``ValueError``, and the message names the op, what was expected and what came. The compiled module checks most
ranks and shapes.
"""

from __future__ import annotations

import math
import operator
import reprlib
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import (
    Any,
    Final,
    Literal,
    NamedTuple,
    NoReturn,
    Protocol,
    SupportsFloat,
    SupportsIndex,
    TypeAlias,
    TypeVar,
    overload,
)

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ._core import DeviceArray, find_bad_target, to_device

T = TypeVar("T")

Array: TypeAlias = NDArray[np.float32]
Operand: TypeAlias = Array | DeviceArray
"""What an op takes: all its arrays are NumPy's, or all lie on the device, where its results lie too."""
Images: TypeAlias = NDArray[np.uint8] | NDArray[np.float32]
Labels: TypeAlias = NDArray[np.int64]
Pair: TypeAlias = tuple[int, int]
Sides: TypeAlias = tuple[int, int, int, int]


class SupportsDLPack(Protocol):
    """An array of another library that can lend its memory: https://dmlc.github.io/dlpack."""

    def __dlpack__(self, *, stream: Any = None) -> Any: ...
    def __dlpack_device__(self) -> tuple[Any, int]: ...


Numbers: TypeAlias = ArrayLike | SupportsDLPack
"""Whatever becomes an array of real numbers: arrays of any library, nested lists, scalars."""
Size: TypeAlias = SupportsIndex | Sequence[SupportsIndex]
"""An int, or a pair (rows, columns)."""
Padding: TypeAlias = SupportsIndex | Sequence[SupportsIndex] | Literal["same", "valid"]
"""An int, a pair (rows, columns), four sides (top, bottom, left, right), ``"same"`` or ``"valid"``."""

LARGEST: Final = 2**31 - 1
"""The largest size of a kernel, stride, padding, dilation or layer; the product of any two fits in int64."""
_IMAGE_TYPES: Final = (np.dtype(np.float32), np.dtype(np.uint8))
_LONG: Final = 2**128
ALIGNMENT_BYTES: Final = 64  # a cache line, and the widest vector


def as_array(op: str, name: str, x: Numbers) -> NDArray[Any]:
    """``x`` as an ndarray of any type, without a copy where its owner allows it."""
    if type(x) is np.ndarray:
        return x
    if is_masked(x):
        raise TypeError(f"{op}: expected an array without a mask for {name}, got a masked array")
    if isinstance(x, str | bytes) or x is None:
        raise TypeError(f"{op}: expected real numbers for {name}, got {type(x).__name__}")
    try:
        if hasattr(x, "__dlpack__") and not hasattr(x, "__array__"):
            return np.from_dlpack(x)  # type: ignore[arg-type]  # NumPy's protocol has more optional arguments
        return np.asarray(x)
    except (OverflowError, ValueError) as error:
        raise ValueError(f"{op}: expected an array for {name}, got {type(x).__name__}: {error}") from error
    except (TypeError, RuntimeError, BufferError) as error:
        if hasattr(x, "__cuda_array_interface__") and not isinstance(x, DeviceArray):
            raise TypeError(
                f"{op}: expected an array on the CPU or a DeviceArray, as convlet.cuda.as_device(x) makes "
                f"without a copy, for {name}, got {type(x).__name__}"
            ) from error
        raise TypeError(f"{op}: expected an array for {name}, got {type(x).__name__}: {error}") from error


def is_masked(x: object) -> bool:
    """Whether ``x`` is an array with a mask, which nobody here would look at."""
    masked = sys.modules.get("numpy.ma")  # not loaded for the question's sake
    return masked is not None and isinstance(x, masked.MaskedArray)


def as_float32(op: str, name: str, x: Numbers) -> Array:
    """``x`` as float32 in C order: itself if it already is, else a converted copy."""
    array = as_array(op, name, x)
    if array.dtype.kind not in "fiu":
        raise TypeError(f"{op}: expected real numbers for {name}, got dtype {array.dtype}")
    return _in_c_order(array, np.float32)


def as_operand(op: str, name: str, x: Numbers) -> Operand:
    """``x`` itself if it lies on the device, where nothing is converted, else as float32 in C order."""
    return _on_device(op, name, x, "float32") if isinstance(x, DeviceArray) else as_float32(op, name, x)


@overload
def as_images(  # type: ignore[overload-overlap]
    op: str, name: str, x: DeviceArray
) -> DeviceArray: ...
@overload
def as_images(op: str, name: str, x: Numbers) -> Images: ...
def as_images(op: str, name: str, x: Numbers | DeviceArray) -> Images | DeviceArray:
    """Images as uint8, left for the engine to scale, or float32; in C order, copied only if need be."""
    if isinstance(x, DeviceArray):
        return _on_device(op, name, x, "uint8" if x.dtype == "uint8" else "float32")
    array = as_array(op, name, x)
    if array.dtype in _IMAGE_TYPES and array.flags.c_contiguous and array.flags.aligned:
        return array  # a single image is done in microseconds, so this path is kept short
    if array.dtype == np.uint8:
        return _in_c_order(array, np.uint8)
    if array.dtype.kind != "f":
        raise TypeError(f"{op}: expected uint8 or floating-point numbers for {name}, got dtype {array.dtype}")
    return _in_c_order(array, np.float32)


def as_integers(op: str, name: str, x: Numbers) -> Labels:
    """``x`` as int64 in C order; what is too large for it stays too large for any use of it."""
    array = as_array(op, name, x)
    if array.dtype.kind not in "iu":
        raise TypeError(f"{op}: expected integer {name}, got dtype {array.dtype}")
    if array.dtype == np.uint64:
        array = np.minimum(array, np.uint64(2**63 - 1))
    return _in_c_order(array, np.int64)


def as_labels(op: str, name: str, x: Numbers) -> Labels | DeviceArray:
    """``x`` itself if it lies on the device, else as int64 in C order."""
    return _on_device(op, name, x, "int64") if isinstance(x, DeviceArray) else as_integers(op, name, x)


def _on_device(op: str, name: str, x: DeviceArray, dtype: str) -> DeviceArray:
    if x.dtype != dtype:
        raise TypeError(f"{op}: expected {dtype} for {name} on the device, got {x.dtype}")
    return x


def beside(x: Numbers, array: Array) -> Operand:
    """``array`` where ``x`` lies: itself, or a copy on the device."""
    return to_device(array) if isinstance(x, DeviceArray) else array


def check_labels(op: str, labels: Labels | DeviceArray, classes: int, ignore_index: int) -> None:
    """Every label is below ``classes`` or equal to ``ignore_index``; else a ``ValueError`` with the first."""
    if isinstance(labels, DeviceArray):
        first = find_bad_target(labels, classes, ignore_index)
        if first < 0:
            return
        value = labels.reshape(-1)[first].item()
    else:
        if labels.size == 0 or (labels.min() >= 0 and labels.max() < classes):
            return
        wrong = ((labels < 0) | (labels >= classes)) & (labels != ignore_index)
        if not wrong.any():
            return
        first = int(np.argmax(wrong))
        value = labels.reshape(-1)[first]
    where = tuple(int(i) for i in np.unravel_index(first, labels.shape))
    place = f" at position {where[0] if len(where) == 1 else where}" if where else ""
    raise ValueError(f"{op}: expected labels in 0..{classes - 1}, got {value}{place}")


def any_counts(labels: Labels | DeviceArray, ignore_index: int) -> bool:
    """Whether any label is not the one to ignore."""
    if isinstance(labels, DeviceArray):
        return find_bad_target(labels, 0, ignore_index) >= 0
    return bool(np.any(labels != ignore_index))


def _in_c_order(array: NDArray[Any], dtype: type[Any]) -> NDArray[Any]:
    result = np.asarray(array, dtype, order="C")
    return result if result.flags.aligned else result.copy()


def aligned(shape: tuple[int, ...]) -> Array:
    """Uninitialised float32 memory that begins on a cache line."""
    size_bytes = 4 * math.prod(shape)
    raw = np.empty(size_bytes + ALIGNMENT_BYTES, np.uint8)
    start = -raw.__array_interface__["data"][0] % ALIGNMENT_BYTES
    return raw[start : start + size_bytes].view(np.float32).reshape(shape)


def integer(op: str, name: str, value: SupportsIndex, low: int = 1, high: int = LARGEST) -> int:
    """An int in ``low..high``; floats and booleans are no integers, not even 2.0 and True."""
    if isinstance(value, bool | np.bool_):
        _refuse(op, name, "an integer", value)
    try:
        number = operator.index(value)
    except TypeError:
        _refuse(op, name, "an integer", value)
    return int(_within(op, name, number, low, high))


def axis(op: str, name: str, value: SupportsIndex, ndim: int) -> int:
    """One of an array's axes, counted from 0; negative values count from the end."""
    number = integer(op, name, value, low=-LARGEST)
    if ndim == 0:
        raise ValueError(
            f"{op}: expected an array of at least one dimension, got a single number of shape ()"
        )
    if not -ndim <= number < ndim:
        raise ValueError(f"{op}: expected {name} in {-ndim}..{ndim - 1}, got {number}")
    return number % ndim


def pair(op: str, name: str, value: Size, low: int = 1) -> Pair:
    """An int for both directions, or (rows, columns)."""
    numbers = _integers(op, name, "an integer or a pair (rows, columns)", value, low)
    if len(numbers) > 2:
        raise ValueError(
            f"{op}: expected {name} to be an integer or a pair (rows, columns), got {_short(value)}"
        )
    return numbers[0], numbers[-1]


def sides(op: str, padding: Padding, kernel: Pair, stride: Pair, dilation: Pair) -> Sides:
    """The padding at (top, bottom, left, right).

    ``"same"`` keeps the size: (kernel - 1) * dilation in all, the odd one at the bottom or right, and only
    with stride 1. ``"valid"`` is none.
    """
    if isinstance(padding, str):
        if choice(op, "padding", padding, ("same", "valid")) == "valid":
            return 0, 0, 0, 0
        if stride != (1, 1):
            raise ValueError(f"{op}: expected stride 1 with padding='same', got {stride}")
        rows, columns = ((kernel[i] - 1) * dilation[i] for i in (0, 1))
        return rows // 2, rows - rows // 2, columns // 2, columns - columns // 2
    expected = "an integer, a pair (rows, columns), four sides (top, bottom, left, right), 'same' or 'valid'"
    numbers = _integers(op, "padding", expected, padding, low=0)
    if len(numbers) == 4:
        return numbers[0], numbers[1], numbers[2], numbers[3]
    if len(numbers) > 2:
        raise ValueError(f"{op}: expected padding to be {expected}, got {_short(padding)}")
    return numbers[0], numbers[0], numbers[-1], numbers[-1]


class Window(NamedTuple):
    """How a kernel slides over an image."""

    kernel: Pair
    stride: Pair
    padding: Sides
    dilation: Pair


def window(op: str, kernel_size: Size, stride: Size | None, padding: Padding, dilation: Size) -> Window:
    """The four options of every sliding op; a stride of ``None`` is the kernel's size."""
    kernel = pair(op, "kernel_size", kernel_size)
    steps = kernel if stride is None else pair(op, "stride", stride)
    spread = pair(op, "dilation", dilation)
    return Window(kernel, steps, sides(op, padding, kernel, steps, spread), spread)


def real(op: str, name: str, value: SupportsFloat, low: float = -math.inf, high: float = math.inf) -> float:
    """A finite float in ``low..high``; text, dates, booleans and arrays of one number are no numbers."""
    if isinstance(value, np.ndarray | np.generic):
        if value.ndim or value.dtype.kind not in "fiu":
            _refuse(op, name, "a real number", value)
    elif isinstance(value, bool) or not hasattr(value, "__float__"):
        _refuse(op, name, "a real number", value)
    try:
        number = float(value)
    except OverflowError:
        raise ValueError(f"{op}: expected {name} to be finite as float64, got {_short(value)}") from None
    except (TypeError, ValueError):
        _refuse(op, name, "a real number", value)
    if not math.isfinite(number):
        raise ValueError(f"{op}: expected {name} to be finite, got {number}")
    return _within(op, name, number, low, high)


def flag(op: str, name: str, value: bool) -> bool:
    """A bool."""
    if not isinstance(value, bool | np.bool_):
        _refuse(op, name, "True or False", value)
    return bool(value)


def function(op: str, name: str, value: Callable[..., T]) -> Callable[..., T]:
    """Something that can be called; a class is none, though it can."""
    if not callable(value) or isinstance(value, type):
        _refuse(op, name, "a function", value)
    return value


def mapping(op: str, name: str, value: Mapping[str, T]) -> Mapping[str, T]:
    """Values by name."""
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        _refuse(op, name, "a dict with names for keys", value)
    return value


def texts(op: str, name: str, value: Mapping[str, str]) -> dict[str, str]:
    """Text by name."""
    if not all(isinstance(text, str) for text in mapping(op, name, value).values()):
        _refuse(op, name, "a dict of text by name", value)
    return dict(value)


def words(op: str, name: str, value: Sequence[str]) -> tuple[str, ...]:
    """Some strings; a single one is not taken for its letters."""
    if isinstance(value, str | bytes | Mapping) or not isinstance(value, Iterable):
        _refuse(op, name, "a sequence of strings", value)
    found = tuple(value)
    if not all(isinstance(word, str) for word in found):
        _refuse(op, name, "a sequence of strings", found)
    return found


def choice(op: str, name: str, value: str, choices: Sequence[str]) -> str:
    """One of the words in ``choices``."""
    if not isinstance(value, str):
        _refuse(op, name, f"one of {', '.join(choices)}", value)
    if value not in choices:
        raise ValueError(f"{op}: expected {name} to be one of {', '.join(choices)}, got {_short(value)}")
    return value


def _integers(op: str, name: str, expected: str, value: Any, low: int) -> list[int]:
    if isinstance(value, tuple | list) or (isinstance(value, np.ndarray) and value.ndim == 1):
        if len(value) < 2:
            raise ValueError(f"{op}: expected {name} to be {expected}, got {_short(value)}")
        return [integer(op, name, number, low) for number in value]
    try:
        return [integer(op, name, value, low)]
    except TypeError:
        _refuse(op, name, expected, value)


def _within(op: str, name: str, number: float, low: float, high: float) -> float:
    if number < low:
        raise ValueError(f"{op}: expected {name} of at least {low:g}, got {_short(number)}")
    if number > high:
        raise ValueError(f"{op}: expected {name} of at most {high:.10g}, got {_short(number)}")
    return number


def _refuse(op: str, name: str, expected: str, value: object) -> NoReturn:
    raise TypeError(f"{op}: expected {name} to be {expected}, got {_short(value)}")


def _short(value: object) -> str:
    """The value in one line of some words, whatever it is."""
    if isinstance(value, int) and abs(value) >= _LONG:  # Python does not write numbers of 5000 digits
        return f"an integer of {value.bit_length()} bits"
    return " ".join(reprlib.repr(value).split())
