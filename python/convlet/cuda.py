"""Arrays on the GPU, which the functions of :mod:`convlet.functional` take as they take NumPy's.

>>> from convlet import cuda, functional
>>> x = cuda.array(images)  # a copy on the device
>>> y = functional.conv2d(x, cuda.array(kernels))  # stays there
>>> y.to_numpy()

All arrays of a call lie on the device, and its results do too. Calls are queued and return at once; what
brings numbers back to the CPU waits for them: ``to_numpy()``, ``item()``, and the check of labels in
:func:`~convlet.functional.cross_entropy`. Nothing is copied from or to the device unless it is asked for, and
no type is converted there.

CuPy, PyTorch and JAX share arrays with convlet, both ways and without copies, by DLPack
(``torch.from_dlpack(y)``, ``cuda.from_dlpack(tensor)``) or ``__cuda_array_interface__``
(``cupy.asarray(y)``). Each side makes its work wait for what the other has queued. The memory stays until
both sides are done with it; who lets go of it last waits for the device.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from . import _core
from ._arrays import Numbers, as_array, as_float32, as_images, as_integers
from ._core import DeviceArray

__all__ = [
    "DeviceArray",
    "allocated_bytes",
    "array",
    "as_device",
    "device_info",
    "from_dlpack",
    "is_available",
    "status",
    "synchronize",
]

_GPU_DEVICES: Final = (2, 13)  # DLPack's kDLCUDA and kDLCUDAManaged


def is_available() -> bool:
    """Whether this process can use a device; :func:`status` says why not."""
    return not status()


def status() -> str:
    """Why no device can be used, in one line, or ``""``: for instance no GPU, or a forked process."""
    return _core.cuda_status()


def device_info() -> dict[str, Any]:
    """The device in use.

    Returns:
        ``name``, ``emulated``, ``ordinal``, ``compute_capability`` (major, minor), ``multiprocessors``,
        ``memory_bytes``, ``shared_bytes`` (of a block), ``driver_version`` and ``runtime_version`` (major,
        minor), ``build_architectures``.

    Raises:
        RuntimeError: no device can be used.
    """
    return _core.cuda_info()


def synchronize() -> None:
    """Wait until the device has done all that was queued.

    Raises:
        RuntimeError: no device can be used, or the work failed.
    """
    _core.cuda_synchronize()


def allocated_bytes() -> int:
    """The memory of all device arrays that anybody still holds, also a library that they were lent to."""
    return _core.cuda_allocated_bytes()


def array(x: Numbers) -> DeviceArray:
    """A new array on the device, always a copy.

    Args:
        x: numbers of any real type, an array on the CPU or on the device. float32, int64 and uint8 stay so;
            on the way from the CPU other floating-point numbers become float32 and other integers int64.

    Raises:
        TypeError: an array that is not of real numbers, or one on the device of another type.
        RuntimeError: no device can be used.
        MemoryError: the device has no more memory.
    """
    if isinstance(x, DeviceArray) or _lies_on_gpu(x):
        return as_device(x).copy()
    return _core.to_device(_converted("cuda.array", x))


def as_device(x: Numbers) -> DeviceArray:
    """``x`` on the device: itself, or without a copy the array of another library, or else as :func:`array`.

    Args:
        x: a :class:`DeviceArray`, an array on the device with ``__dlpack__`` or
            ``__cuda_array_interface__``, or whatever :func:`array` takes. What is not in C order is copied.

    Raises:
        TypeError: as :func:`array`, or an array of another type or on another device.
        RuntimeError: no device can be used.
        MemoryError: the device has no more memory.
    """
    if isinstance(x, DeviceArray):
        return x
    if not _lies_on_gpu(x):
        return _core.to_device(_converted("cuda.as_device", x))
    if hasattr(x, "__dlpack__"):
        return _core.from_dlpack(x)
    return _core.from_cuda_array_interface(x)


def from_dlpack(x: object) -> DeviceArray:
    """The memory of another library's array on the device, shared if it is in C order, else copied.

    On the emulated device, which has the CPU's memory, the arrays of NumPy are such arrays.

    Args:
        x: an array with ``__dlpack__`` and ``__dlpack_device__``, of float32, int64 or uint8.

    Raises:
        TypeError: no such array, one of another type, or one on another device.
        BufferError: an array that its library does not lend.
        RuntimeError: no device can be used.

    Source: https://dmlc.github.io/dlpack/latest/python_spec.html
    """
    return _core.from_dlpack(x)


def _lies_on_gpu(x: object) -> bool:
    """Whether another library's array says so."""
    if hasattr(x, "__dlpack_device__"):
        return int(x.__dlpack_device__()[0]) in _GPU_DEVICES
    return hasattr(x, "__cuda_array_interface__")


def _converted(op: str, x: Numbers) -> NDArray[Any]:
    host = as_array(op, "x", x)
    if host.dtype == np.uint8:
        return as_images(op, "x", host)
    return as_integers(op, "x", host) if host.dtype.kind in "iu" else as_float32(op, "x", host)
