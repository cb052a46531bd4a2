"""Arrays on the device: what they are, what becomes one, views of them, and what they refuse."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from bad_input import Bad, assert_refused
from convlet import cuda
from convlet import functional as f
from tolerances import assert_same_bits

pytestmark = pytest.mark.usefixtures("device")

KINDS = ["float32", "int64", "uint8"]


def numbers(shape: tuple[int, ...], kind: str = "float32") -> NDArray[Any]:
    return (np.arange(np.prod(shape, dtype=int)) % 200).reshape(shape).astype(kind)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape", [(), (0,), (5,), (2, 3), (2, 0, 3), (3, 1, 4, 5)])
def test_an_array_goes_there_and_back(kind: str, shape: tuple[int, ...]):
    host = numbers(shape, kind)
    array = cuda.array(host)
    assert array.shape == shape
    assert array.dtype == np.dtype(kind)
    assert (array.ndim, array.size, array.nbytes) == (host.ndim, host.size, host.nbytes)
    assert array.writable
    assert array.device.startswith("cuda:")
    assert repr(array) == f"DeviceArray(shape={shape}, dtype={kind}, device='{array.device}')"
    assert_same_bits(array.to_numpy(), host)


@pytest.mark.parametrize(
    "given, kind",
    [
        ("f2", "float32"), ("f8", "float32"), (">f4", "float32"), ("i1", "int64"), ("i4", "int64"),
        ("u2", "int64"), (">i8", "int64"), ("u8", "int64"), ("u1", "uint8"),
    ],
)  # fmt: skip
def test_other_types_are_converted_on_the_way(given: str, kind: str):
    host = numbers((3, 4)).astype(given)
    assert_same_bits(cuda.array(host).to_numpy(), host.astype(kind))
    assert_same_bits(cuda.as_device(host.T).to_numpy(), np.ascontiguousarray(host.T).astype(kind))


def test_lists_and_numbers_become_arrays():
    assert cuda.array([[1.5, 2], [3, 4]]).to_numpy().tolist() == [[1.5, 2], [3, 4]]
    assert cuda.array([1, 2]).dtype == np.int64
    assert cuda.array(3.5).item() == 3.5
    assert float(cuda.array(7)) == 7.0


def test_views_share_memory_and_copies_do_not():
    array = cuda.array(numbers((4, 6)))
    before = cuda.allocated_bytes()
    views = [array.reshape(6, 4), array.reshape((2, -1)), array[1], array[1:3], array[-1], array[:0]]
    assert cuda.allocated_bytes() == before
    assert [view.shape for view in views] == [(6, 4), (2, 12), (6,), (2, 6), (6,), (0, 6)]
    host = array.to_numpy()
    for view, expected in zip(views[2:], (host[1], host[1:3], host[-1], host[:0]), strict=True):
        assert_same_bits(view.to_numpy(), expected)
    copied = array.copy()
    assert cuda.allocated_bytes() == before + array.nbytes
    assert_same_bits(copied.to_numpy(), host)
    del array, copied
    assert_same_bits(views[3].to_numpy(), host[1:3])  # the memory stays with its views


def test_an_array_is_a_sequence_of_its_rows():
    array = cuda.array(numbers((3, 2)))
    assert len(array) == 3
    assert [row.to_numpy().tolist() for row in array] == [[0, 1], [2, 3], [4, 5]]


@pytest.mark.parametrize("shape", [(3, 4), (12,), (2, 2, 3), (-1, 6), (2, -1, 2), (1, 12, 1)])
def test_reshape_is_numpys(shape: tuple[int, ...]):
    host = numbers((4, 3))
    assert_same_bits(cuda.array(host).reshape(*shape).to_numpy(), host.reshape(shape))
    assert_same_bits(cuda.array(host).reshape(list(shape)).to_numpy(), host.reshape(shape))


def test_an_empty_array_and_a_number_take_other_shapes():
    assert cuda.array(numbers((0, 3))).reshape(3, 0).shape == (3, 0)
    assert cuda.array(numbers((1, 1))).reshape(()).shape == ()
    assert cuda.array(2.0).reshape(1, 1).shape == (1, 1)


@pytest.mark.parametrize("use", [np.asarray, np.array, lambda a: np.add(a, 1), lambda a: np.ones(2) + a])
def test_numpy_gets_no_copy_that_nobody_asked_for(use: Any):
    with pytest.raises(TypeError):
        use(cuda.array([1.0, 2.0]))


def test_a_refused_copy_says_how_to_ask_for_it():
    with pytest.raises(TypeError, match=r"DeviceArray: expected an explicit copy .* by to_numpy\(\)"):
        np.asarray(cuda.array([1.0, 2.0]))
    with pytest.raises(TypeError, match="pickle"):
        copy.deepcopy(cuda.array([1.0]))


def test_as_device_leaves_alone_what_is_there():
    array = cuda.array([1.0])
    assert cuda.as_device(array) is array
    assert cuda.array(array) is not array


def test_other_modules_refuse_device_arrays_in_one_line():
    from convlet import nn

    x, got = cuda.array(numbers((1, 1, 28, 28))), "expected an array for x, got DeviceArray: .*to_numpy"
    with pytest.raises(TypeError, match=f"^loss_and_gradients: {got}"):
        nn.LeNet().loss_and_gradients(x, [0])
    with pytest.raises(TypeError, match=r"^load_state_dict: .*to_numpy"):
        nn.Linear(2, 1, bias=False).load_state_dict({"weight": cuda.array(numbers((1, 2)))})


def array(*shape: int) -> cuda.DeviceArray:
    return cuda.array(numbers(shape))


TYPE, VALUE = TypeError, ValueError
BAD = [
    Bad("complex", "cuda.array", lambda: cuda.array(1j), TYPE, "real numbers for x", "complex"),
    Bad("boolean", "cuda.array", lambda: cuda.array([True]), TYPE, "real numbers for x", "bool"),
    Bad("a word", "cuda.array", lambda: cuda.array("x"), TYPE, "real numbers for x", "str"),
    Bad("ragged", "cuda.as_device", lambda: cuda.as_device([[1], [2, 3]]), VALUE, "an array for x", "list"),
    Bad("too few", "DeviceArray.reshape", lambda: array(2, 3).reshape(5), VALUE, "(2, 3)", "(5,)"),
    Bad("no divisor", "DeviceArray.reshape", lambda: array(2, 3).reshape(4, -1), VALUE, "(2, 3)", "(4, -1)"),
    Bad("of none", "DeviceArray.reshape", lambda: array(0, 3).reshape(0, -1), VALUE, "(0, 3)", "(0, -1)"),
    Bad("two unknown", "DeviceArray.reshape", lambda: array(6).reshape(-1, -1), VALUE, "at most one", "-1"),
    Bad("negative", "DeviceArray.reshape", lambda: array(6).reshape(-2, -3), VALUE, "at least 0", "-2"),
    Bad("floats", "DeviceArray.reshape", lambda: array(6).reshape(2.0, 3), TYPE, "integers", "2.0"),
    Bad("of many", "DeviceArray.item", lambda: array(2).item(), VALUE, "one number", "(2,)"),
    Bad("steps", "DeviceArray", lambda: array(6)[::2], VALUE, "step 1", "slice"),
    Bad("two axes", "DeviceArray", lambda: array(2, 3)[0, 1], TYPE, "the first axis", "(0, 1)"),
    Bad("a boolean", "DeviceArray", lambda: array(2)[True], TYPE, "an integer or a slice", "True"),
    Bad("into a number", "DeviceArray", lambda: array()[0], TYPE, "no index", "0"),
    Bad("of a number", "DeviceArray", lambda: len(array()), TYPE, "one axis", "()"),
    Bad("a list", "from_dlpack", lambda: cuda.from_dlpack([1.0]), TYPE, "__dlpack__", "list"),
]


@pytest.mark.parametrize("bad", BAD, ids=str)
def test_refusals_name_what_was_expected_and_what_came(bad: Bad):
    assert_refused(bad)


@pytest.mark.parametrize("index", [3, -4, 2**40])
def test_an_index_outside_is_an_index_error(index: int):
    with pytest.raises(IndexError, match=rf"DeviceArray: expected an index in -3\.\.2, got {index}"):
        array(3)[index]


def test_there_is_no_constructor():
    with pytest.raises(TypeError, match=r"DeviceArray: expected convlet\.cuda\.array.* to make one"):
        cuda.DeviceArray()


def test_more_memory_than_there_is_is_a_memory_error():
    """And nothing is lost: the next array finds its place."""
    held = cuda.allocated_bytes()
    with pytest.raises(MemoryError, match="the GPU is out of memory: asked for"):
        f.linear(array(70000, 1), array(2**21, 1))  # 587 GB of results
    assert cuda.allocated_bytes() == held
    assert array(3).to_numpy().tolist() == [0, 1, 2]


def test_the_device_describes_itself():
    info = cuda.device_info()
    assert set(info) == {
        "name", "emulated", "ordinal", "compute_capability", "multiprocessors", "driver_version",
        "runtime_version", "bus_id", "memory_bytes", "shared_bytes", "build_architectures",
    }  # fmt: skip
    assert info["memory_bytes"] > 0
    assert info["build_architectures"]
    assert len(info["compute_capability"]) == 2
    assert cuda.is_available()
    cuda.synchronize()
