"""DLPack both ways: who holds the memory, who gives it back, and what is refused.

The emulated device has the CPU's memory, so that NumPy, PyTorch and made-up libraries can share it.
"""

from __future__ import annotations

import gc
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from bad_input import Bad, assert_refused
from convlet import cuda, optim
from convlet import functional as f
from dlpack_capsules import (
    BFLOAT,
    BOOL,
    CPU,
    CUDA,
    FLOAT,
    READ_ONLY,
    Lender,
    OldLender,
    flags_of,
    name_of,
    read_only,
    tensor_of,
)
from tolerances import assert_same_bits

pytestmark = pytest.mark.usefixtures("emulated")

KINDS = ["float32", "int64", "uint8"]


def numbers(*shape: int, kind: str = "float32") -> NDArray[Any]:
    return (np.arange(np.prod(shape, dtype=int)) % 200).reshape(shape).astype(kind)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape", [(), (3,), (2, 3), (2, 0), (1, 1, 5)])
def test_numpy_and_convlet_share_memory_both_ways(kind: str, shape: tuple[int, ...]):
    array = cuda.array(numbers(*shape, kind=kind))
    theirs = np.from_dlpack(array)
    assert_same_bits(theirs, numbers(*shape, kind=kind))
    mine = cuda.from_dlpack(numbers(*shape, kind=kind))
    assert_same_bits(mine.to_numpy(), numbers(*shape, kind=kind))
    host = numbers(4, kind=kind)
    shared = cuda.from_dlpack(host)
    host[2] = 77
    assert shared.to_numpy()[2] == 77
    there_and_back = cuda.from_dlpack(np.from_dlpack(shared))
    host[3] = 78
    assert there_and_back.to_numpy()[3] == 78


def test_torch_and_convlet_share_memory_both_ways():
    torch = pytest.importorskip("torch")
    array = cuda.array(numbers(2, 3))
    tensor = torch.from_dlpack(array)
    tensor[1, 1] = 77
    assert array.to_numpy()[1, 1] == 77
    shared = cuda.from_dlpack(tensor)
    tensor[0, 0] = 78
    assert shared.to_numpy()[0, 0] == 78
    turned = cuda.from_dlpack(tensor.T)
    assert_same_bits(turned.to_numpy(), np.ascontiguousarray(array.to_numpy().T))


def test_jax_and_convlet_share_memory_both_ways():
    jax = pytest.importorskip("jax")
    array = cuda.array(numbers(2, 3))
    theirs = jax.dlpack.from_dlpack(array)
    assert_same_bits(np.asarray(theirs), numbers(2, 3))
    assert_same_bits(cuda.from_dlpack(jax.numpy.arange(5.0)).to_numpy(), numbers(5))


def test_memory_that_was_lent_outlives_its_array():
    held = cuda.allocated_bytes()
    array = cuda.array(numbers(100))
    theirs = np.from_dlpack(array[50:])
    del array
    gc.collect()
    assert cuda.allocated_bytes() == held + 400
    assert_same_bits(theirs, numbers(100)[50:])
    del theirs
    gc.collect()
    assert cuda.allocated_bytes() == held


@pytest.mark.parametrize("max_version", [None, (0, 8), (1, 0), (1, 1), (2, 0)])
def test_a_capsule_that_nobody_uses_gives_its_memory_back(max_version: tuple[int, int] | None):
    held = cuda.allocated_bytes()
    array = cuda.array(numbers(2, 3))
    capsule = array.__dlpack__(max_version=max_version)
    versioned = max_version is not None and max_version[0] >= 1
    assert name_of(capsule) == ("dltensor_versioned" if versioned else "dltensor")
    tensor = tensor_of(capsule)
    assert (tensor.ndim, tensor.shape[0], tensor.shape[1]) == (2, 2, 3)
    assert (tensor.strides[0], tensor.strides[1]) == (3, 1)
    assert (tensor.dtype.code, tensor.dtype.bits, tensor.dtype.lanes) == (FLOAT, 32, 1)
    assert (tensor.device.type, tensor.device.id) == array.__dlpack_device__() == (CPU, 0)
    del array
    assert cuda.allocated_bytes() == held + 24
    del capsule, tensor
    gc.collect()
    assert cuda.allocated_bytes() == held


def test_a_copy_is_lent_where_one_is_asked_for():
    array = cuda.array(numbers(3))
    capsule = array.__dlpack__(max_version=(1, 0), copy=True)
    assert flags_of(capsule) == 2
    shared = array.__dlpack__(max_version=(1, 0), copy=False)
    assert flags_of(shared) == 0
    assert tensor_of(shared).data != tensor_of(capsule).data
    assert tensor_of(array.__dlpack__(dl_device=(CPU, 0))).data == tensor_of(shared).data
    if np.lib.NumpyVersion(np.__version__) >= "2.1.0":
        copied = np.from_dlpack(array, copy=True)
        copied[0] = 5
        assert array.to_numpy()[0] == 0


@pytest.mark.parametrize("lender", [Lender, OldLender])
def test_what_was_borrowed_is_given_back_once(lender: type[Lender]):
    host = numbers(2, 3)
    theirs = lender(host)
    array = cuda.from_dlpack(theirs)
    view = array[1]
    host[1, 2] = 77
    assert_same_bits(view.to_numpy(), host[1])
    del array
    gc.collect()
    assert theirs.deleted == 0
    assert f.relu(view).to_numpy()[2] == 77
    del view
    gc.collect()
    assert theirs.deleted == 1


def test_a_lender_is_asked_for_a_versioned_capsule_and_for_no_stream_of_the_cpu():
    theirs = Lender(numbers(2))
    del theirs.asked
    cuda.from_dlpack(theirs)
    assert theirs.asked == {"max_version": (1, 0)}


def test_what_was_borrowed_and_lent_on_is_held_by_both():
    theirs = Lender(numbers(4))
    numpys = np.from_dlpack(cuda.from_dlpack(theirs))
    gc.collect()
    assert theirs.deleted == 0
    assert_same_bits(numpys, numbers(4))
    del numpys
    gc.collect()
    assert theirs.deleted == 1


def test_a_lender_without_a_deleter_and_one_without_strides():
    assert_same_bits(cuda.from_dlpack(Lender(numbers(2, 3), deleter=False)).to_numpy(), numbers(2, 3))
    assert_same_bits(cuda.from_dlpack(Lender(numbers(2, 3), strides=False)).to_numpy(), numbers(2, 3))
    offset = Lender(numbers(6), byte_offset=8, strides=False)
    offset.shape[0] = 4
    assert_same_bits(cuda.from_dlpack(offset).to_numpy(), numbers(6)[2:])


LAYOUTS = {
    "transposed": lambda a: a.T,
    "every second": lambda a: a[::2, ::2],
    "backwards": lambda a: a[::-1, ::-1],
    "a column": lambda a: a[:, 1],
    "repeated": lambda a: np.broadcast_to(a[:, None], (a.shape[0], 3, a.shape[1])),
    "one row": lambda a: a.T[1:2],
    "empty": lambda a: a[::2, :0],
}


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
@pytest.mark.parametrize("kind", KINDS)
def test_what_is_not_in_c_order_is_copied_and_given_back_at_once(layout: Any, kind: str):
    view = layout(numbers(4, 6, kind=kind))
    theirs = Lender(view)
    array = cuda.from_dlpack(theirs)
    assert_same_bits(array.to_numpy(), np.ascontiguousarray(view))
    contiguous = view.flags.c_contiguous and view.size > 0
    assert theirs.deleted == (0 if contiguous else 1)
    del array
    gc.collect()
    assert theirs.deleted == 1


def test_axes_of_one_row_may_have_any_stride():
    theirs = Lender(numbers(1, 3))
    theirs.steps[0] = 12345
    array = cuda.from_dlpack(theirs)
    assert theirs.deleted == 0
    assert_same_bits(array.to_numpy(), numbers(1, 3))


def test_numbers_between_their_addresses_are_copied():
    raw = np.zeros(4 * 6 + 1, np.uint8)
    view = raw[1:].view(np.float32)
    view[...] = numbers(6)
    theirs = Lender(view)
    assert_same_bits(cuda.from_dlpack(theirs).to_numpy(), numbers(6))
    assert theirs.deleted == 1
    with pytest.raises(ValueError, match="from_dlpack: expected numbers at multiples of their size"):
        cuda.from_dlpack(Lender(view[::2]))


def test_read_only_arrays_stay_so():
    array = cuda.from_dlpack(Lender(numbers(3), flags=READ_ONLY))
    assert not array.writable
    assert not array[1:].reshape(2, 1).writable
    assert array.copy().writable
    assert f.relu(array).writable
    with pytest.raises(TypeError, match=r"SGD\.step: expected parameter w to be a writable array"):
        optim.SGD(0.1).step({"w": array}, {"w": array.copy()})
    assert flags_of(array.__dlpack__(max_version=(1, 0))) == READ_ONLY
    with pytest.raises(BufferError, match=r"expected max_version of at least \(1, 0\) for a read-only array"):
        array.__dlpack__()
    if np.lib.NumpyVersion(np.__version__) >= "2.1.0":
        assert not np.from_dlpack(array).flags.writeable
        assert not cuda.from_dlpack(read_only(numbers(3))).writable


REFUSED = {
    "float64": (numbers(2, kind="float64"), {}, "float32, int64 or uint8, got float64"),
    "float16": (numbers(2, kind="float16"), {}, "float32, int64 or uint8, got float16"),
    "int32": (numbers(2, kind="int32"), {}, "float32, int64 or uint8, got int32"),
    "complex": (numbers(2, kind="complex64"), {}, "float32, int64 or uint8, got complex64"),
    "boolean": (numbers(2, kind="bool"), {"dtype": (BOOL, 8, 1)}, "float32, int64 or uint8, got bool"),
    "bfloat16": (numbers(2), {"dtype": (BFLOAT, 16, 1)}, "float32, int64 or uint8, got bfloat16"),
    "unknown": (numbers(2), {"dtype": (99, 8, 1)}, "float32, int64 or uint8, got type 99 of 8"),
    "vectors": (
        numbers(2),
        {"dtype": (FLOAT, 32, 4)},
        "float32, int64 or uint8, got float32 in vectors of 4",
    ),
    "on a GPU": (numbers(2), {"said": (CUDA, 1)}, "an array on the CPU, got Lender on cuda:1"),
    "on another device": (
        numbers(2),
        {"said": (8, 2)},
        r"an array on the CPU, got Lender on device \(8, 2\)",
    ),
}


@pytest.mark.parametrize("array, options, message", REFUSED.values(), ids=REFUSED)
@pytest.mark.parametrize("major", [0, 1])
def test_what_is_refused_goes_back_untouched(array: Any, options: Any, message: str, major: int):
    theirs = Lender(array, major=major, **options)
    with pytest.raises(TypeError, match=rf"^from_dlpack: expected {message}") as caught:
        cuda.from_dlpack(theirs)
    del caught
    gc.collect()
    assert theirs.deleted == (0 if "said" in options else 1)  # it was not even asked
    assert theirs.asked == ({} if "said" in options else {"max_version": (1, 0)})


def test_a_tensor_on_another_device_than_its_library_says():
    theirs = Lender(numbers(2))
    theirs.managed.tensor.device.type = CUDA
    with pytest.raises(TypeError, match=r"from_dlpack: expected an array on the CPU, got .*Lender on cuda:0"):
        cuda.from_dlpack(theirs)
    gc.collect()
    assert theirs.deleted == 1


def test_a_version_of_the_future_is_refused_and_given_back():
    theirs = Lender(numbers(2), major=2)
    with pytest.raises(BufferError, match="from_dlpack: expected DLPack version 1, got 2"):
        cuda.from_dlpack(theirs)
    gc.collect()
    assert theirs.deleted == 1


def test_a_capsule_is_used_once():
    """Handed out again after its use, it is an array that is gone."""

    class Stale:
        def __init__(self) -> None:
            self.capsule = np.ones(2, np.float32).__dlpack__()

        def __dlpack__(self, **_: Any) -> Any:
            return self.capsule

        def __dlpack_device__(self) -> tuple[int, int]:
            return CPU, 0

    stale = Stale()
    cuda.from_dlpack(stale)
    assert name_of(stale.capsule) == "used_dltensor"
    with pytest.raises(TypeError, match=r"from_dlpack: expected .*Stale.* to give an unused capsule"):
        cuda.from_dlpack(stale)
    for wrong in (None, 5, object(), cuda.array([1.0])):
        stale.capsule = wrong
        with pytest.raises(TypeError, match=r"from_dlpack: expected .*Stale.* to give an unused capsule"):
            cuda.from_dlpack(stale)


class Failing:
    """A library whose methods fail, or answer nonsense."""

    def __init__(self, device: Any = (CPU, 0), error: Exception | None = None) -> None:
        self.device, self.error = device, error

    def __dlpack_device__(self) -> Any:
        return self.device

    def __dlpack__(self, **_: Any) -> Any:
        assert self.error is not None
        raise self.error


@pytest.mark.parametrize("error", [BufferError("no"), RuntimeError("no"), KeyError("no")])
def test_the_errors_of_a_library_come_through(error: Exception):
    with pytest.raises(type(error), match="no"):
        cuda.from_dlpack(Failing(error=error))


def array() -> cuda.DeviceArray:
    return cuda.array(numbers(2))


TO, FROM = "DeviceArray.__dlpack__", "from_dlpack"
BAD = [
    Bad("a word", FROM, lambda: cuda.from_dlpack(Failing("cpu")), TypeError, "(type, number)", "cpu"),
    Bad("one number", FROM, lambda: cuda.from_dlpack(Failing((1,))), TypeError, "(type, number)", "(1,)"),
    Bad("a stream", TO, lambda: array().__dlpack__(stream=1), ValueError, "stream None", "1"),
    Bad("a version", TO, lambda: array().__dlpack__(max_version=1), TypeError, "(major, minor)", "1"),
    Bad("a number", TO, lambda: array().__dlpack__(copy=1), TypeError, "True, False or None", "1"),
    Bad("device", TO, lambda: array().__dlpack__(dl_device="cpu"), TypeError, "(type, number)", "cpu"),
    Bad("a GPU", TO, lambda: array().__dlpack__(dl_device=(CUDA, 0)), BufferError, "the CPU", "cuda:0"),
]


@pytest.mark.parametrize("bad", BAD, ids=str)
def test_refusals_name_what_was_expected_and_what_came(bad: Bad):
    assert_refused(bad)


def test_the_emulated_device_has_no_cuda_array_interface():
    assert not hasattr(array(), "__cuda_array_interface__")
