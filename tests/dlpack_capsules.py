"""Made-up libraries that lend arrays by DLPack: every field at will, every call of the deleter counted.

The structs are those of https://dmlc.github.io/dlpack/latest/c_api.html.
"""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np
from numpy.typing import NDArray

CPU, CUDA = 1, 2
INT, UINT, FLOAT, BFLOAT, COMPLEX, BOOL = 0, 1, 2, 4, 5, 6
READ_ONLY = 1


class Device(ctypes.Structure):
    _fields_ = (("type", ctypes.c_int32), ("id", ctypes.c_int32))


class DataType(ctypes.Structure):
    _fields_ = (("code", ctypes.c_uint8), ("bits", ctypes.c_uint8), ("lanes", ctypes.c_uint16))


class Tensor(ctypes.Structure):
    _fields_ = (
        ("data", ctypes.c_void_p),
        ("device", Device),
        ("ndim", ctypes.c_int32),
        ("dtype", DataType),
        ("shape", ctypes.POINTER(ctypes.c_int64)),
        ("strides", ctypes.POINTER(ctypes.c_int64)),
        ("byte_offset", ctypes.c_uint64),
    )


class Managed(ctypes.Structure):
    _fields_ = (("tensor", Tensor), ("context", ctypes.c_void_p), ("deleter", ctypes.c_void_p))


class ManagedVersioned(ctypes.Structure):
    _fields_ = (
        ("major", ctypes.c_uint32),
        ("minor", ctypes.c_uint32),
        ("context", ctypes.c_void_p),
        ("deleter", ctypes.c_void_p),
        ("flags", ctypes.c_uint64),
        ("tensor", Tensor),
    )


_Deleter = ctypes.PYFUNCTYPE(None, ctypes.c_void_p)
_Destructor = ctypes.PYFUNCTYPE(None, ctypes.c_void_p)
_new = ctypes.pythonapi.PyCapsule_New
_new.restype, _new.argtypes = ctypes.py_object, (ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p)
_is_valid = ctypes.pythonapi.PyCapsule_IsValid
_is_valid.restype, _is_valid.argtypes = ctypes.c_int, (ctypes.c_void_p, ctypes.c_char_p)
_pointer = ctypes.pythonapi.PyCapsule_GetPointer
_pointer.restype, _pointer.argtypes = ctypes.c_void_p, (ctypes.py_object, ctypes.c_char_p)
_name = ctypes.pythonapi.PyCapsule_GetName
_name.restype, _name.argtypes = ctypes.c_char_p, (ctypes.py_object,)


def name_of(capsule: Any) -> str:
    return bytes(_name(capsule)).decode()


def tensor_of(capsule: Any) -> Tensor:
    """What a capsule that nobody has used holds."""
    name = name_of(capsule)
    kind = ManagedVersioned if name == "dltensor_versioned" else Managed
    return kind.from_address(_pointer(capsule, name.encode())).tensor


def flags_of(capsule: Any) -> int:
    address = _pointer(capsule, b"dltensor_versioned")
    return int(ManagedVersioned.from_address(address).flags)


class Lender:
    """An array of the CPU with a protocol of its own.

    Its capsule is versioned from `major` 1 on; `said` is where it says that it lies, and `fields` overwrite
    those of the tensor. `deleted` counts the calls of its deleter.
    """

    def __init__(
        self,
        array: NDArray[Any],
        major: int = 1,
        said: tuple[int, int] = (CPU, 0),
        flags: int = 0,
        dtype: tuple[int, int, int] | None = None,
        deleter: bool = True,
        destructor: bool = True,
        strides: bool = True,
        **fields: Any,
    ) -> None:
        self.array, self.said, self.deleted, self.asked = array, said, 0, {}
        kinds = {"f": FLOAT, "i": INT, "u": UINT, "c": COMPLEX, "b": BOOL}
        self.shape = (ctypes.c_int64 * max(array.ndim, 1))(*array.shape)
        self.steps = (ctypes.c_int64 * max(array.ndim, 1))(*(s // array.itemsize for s in array.strides))
        code = dtype or (kinds[array.dtype.kind], 8 * array.itemsize, 1)
        self.managed: Any = ManagedVersioned() if major else Managed()
        tensor = self.managed.tensor
        tensor.data, tensor.ndim = array.__array_interface__["data"][0], array.ndim
        tensor.device, tensor.dtype = Device(*said), DataType(*code)
        tensor.shape = ctypes.cast(self.shape, ctypes.POINTER(ctypes.c_int64))
        if strides:
            tensor.strides = ctypes.cast(self.steps, ctypes.POINTER(ctypes.c_int64))
        for field, value in fields.items():
            setattr(tensor, field, value)
        if major:
            self.managed.major, self.managed.flags = major, flags
        self.name = b"dltensor_versioned" if major else b"dltensor"
        self._deleter, self._destructor = _Deleter(self._delete), _Destructor(self._drop)
        self._dropped = ctypes.cast(self._destructor, ctypes.c_void_p) if destructor else None
        if deleter:
            self.managed.deleter = ctypes.cast(self._deleter, ctypes.c_void_p)

    def _delete(self, address: int) -> None:
        assert address == ctypes.addressof(self.managed)
        self.deleted += 1

    def _drop(self, capsule: int) -> None:
        if _is_valid(capsule, self.name):
            self.deleted += 1

    def __dlpack_device__(self) -> tuple[int, int]:
        return self.said

    def __dlpack__(self, **asked: Any) -> Any:
        self.asked = asked
        self.capsule_name = self.name  # kept: a capsule does not copy its name
        return _new(ctypes.addressof(self.managed), self.name, self._dropped)


class OldLender(Lender):
    """A library of the time before versions, whose method takes a stream alone."""

    def __init__(self, array: NDArray[Any], **options: Any) -> None:
        super().__init__(array, major=0, **options)

    def __dlpack__(self, stream: object = None) -> Any:
        return super().__dlpack__(stream=stream)


def read_only(array: NDArray[Any]) -> NDArray[Any]:
    frozen: NDArray[Any] = np.array(array)
    frozen.flags.writeable = False
    return frozen
