"""`__cuda_array_interface__` of made-up libraries, whose memory is convlet's own, on any device."""

from __future__ import annotations

import gc
from typing import Any

import numpy as np
import pytest

from bad_input import Bad, assert_refused
from convlet import _core, cuda
from convlet import functional as f
from tolerances import assert_same_bits

pytestmark = pytest.mark.usefixtures("device")

OP = "from_cuda_array_interface"


def address_of(array: cuda.DeviceArray) -> int:
    if not cuda.device_info()["emulated"]:
        return int(array.__cuda_array_interface__["data"][0])
    return int(np.from_dlpack(array).__array_interface__["data"][0])


class Lender:
    """An array of another library that lies in the memory of one of ours."""

    def __init__(self, array: cuda.DeviceArray, **fields: Any) -> None:
        self.array = array
        typestr = {"float32": "<f4", "int64": "<i8", "uint8": "|u1"}[str(array.dtype)]
        self.__cuda_array_interface__ = {
            "version": 3,
            "shape": array.shape,
            "typestr": typestr,
            "data": (address_of(array), False),
            "strides": None,
            "stream": None,
        } | fields


@pytest.mark.parametrize("kind", ["float32", "int64", "uint8"])
def test_memory_is_shared_and_held(kind: str):
    host = np.arange(12).reshape(3, 4).astype(kind)
    held = cuda.allocated_bytes()
    array = cuda.as_device(Lender(cuda.array(host)))
    gc.collect()
    assert cuda.allocated_bytes() == held + host.nbytes
    assert_same_bits(array.to_numpy(), host)
    assert array.writable
    row = array[1]
    del array
    gc.collect()
    assert_same_bits(row.to_numpy(), host[1])
    del row
    gc.collect()
    assert cuda.allocated_bytes() == held


def test_strides_are_in_bytes_and_gaps_are_closed():
    host = np.arange(12, dtype=np.float32).reshape(3, 4)
    lent = cuda.array(host)
    turned = Lender(lent, shape=(4, 3), strides=(4, 16))
    assert_same_bits(cuda.as_device(turned).to_numpy(), np.ascontiguousarray(host.T))
    plain = cuda.as_device(Lender(lent, strides=(16, 4)))
    assert address_of(plain) == address_of(lent)
    backwards = Lender(lent, shape=(12,), strides=(-4,), data=(address_of(lent) + 44, False))
    assert_same_bits(cuda.as_device(backwards).to_numpy(), host.ravel()[::-1].copy())


def test_a_read_only_array_stays_so():
    lent = cuda.array([1.0, 2.0])
    array = cuda.as_device(Lender(lent, data=(address_of(lent), True)))
    assert not array.writable
    assert f.relu(array).to_numpy().tolist() == [1, 2]


def test_an_empty_array_has_no_address():
    array = cuda.as_device(Lender(cuda.array(np.zeros((0, 3))), data=(0, False)))
    assert array.shape == (0, 3)


@pytest.mark.parametrize("stream", [None, 1, 2])
def test_streams_are_waited_for(stream: int | None):
    lent = cuda.array([1.0, 2.0])
    assert cuda.as_device(Lender(lent, stream=stream)).to_numpy().tolist() == [1, 2]


def refused(**fields: Any) -> Any:
    return lambda: _core.from_cuda_array_interface(Lender(cuda.array([1.0, 2.0]), **fields))


HOST = np.ones(2, np.float32)
BAD = [
    Bad("no interface", OP, lambda: _core.from_cuda_array_interface([1]), TypeError, "an array with", "list"),
    Bad("float64", OP, refused(typestr="<f8"), TypeError, "float32, int64 or uint8", "'<f8'"),
    Bad("big-endian", OP, refused(typestr=">f4"), TypeError, "float32, int64 or uint8", "'>f4'"),
    Bad("a mask", OP, refused(mask=HOST), TypeError, "without a mask", "Lender"),
    Bad("stream 0", OP, refused(stream=0), ValueError, "stream -1, 1, 2 or a handle", "0"),
    Bad("a word", OP, refused(stream="0"), TypeError, "stream to be an integer", "'0'"),
    Bad("odd strides", OP, refused(strides=(6,)), ValueError, "whole numbers of elements", "(6,)"),
    Bad("too many strides", OP, refused(strides=(8, 4)), ValueError, "a stride for each axis", "(8, 4)"),
    Bad("of the CPU", OP, refused(data=(HOST.ctypes.data, False)), TypeError, "on cuda:", "in other memory"),
]


@pytest.mark.parametrize("bad", BAD, ids=str)
def test_refusals_name_what_was_expected_and_what_came(bad: Bad):
    assert_refused(bad)
