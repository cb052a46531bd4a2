"""CuPy, PyTorch and JAX on a real GPU: arrays go both ways without copies, in the order of the work."""

from __future__ import annotations

import gc
from typing import Any

import numpy as np
import pytest

from convlet import cuda
from convlet import functional as f
from tolerances import assert_same_bits

pytestmark = pytest.mark.usefixtures("hardware")

NUMBERS = np.arange(24, dtype=np.float32).reshape(4, 6)


@pytest.fixture
def cupy() -> Any:
    library = pytest.importorskip("cupy")
    if not library.cuda.is_available():
        pytest.skip("CuPy sees no GPU")
    return library


@pytest.fixture
def torch() -> Any:
    library = pytest.importorskip("torch")
    if not library.cuda.is_available():
        pytest.skip("PyTorch sees no GPU")
    return library


@pytest.fixture
def jax() -> Any:
    library = pytest.importorskip("jax")
    if library.default_backend() != "gpu":
        pytest.skip("JAX sees no GPU")
    return library


def test_the_interface_of_a_gpu_is_complete():
    array = cuda.array(NUMBERS)
    interface = array.__cuda_array_interface__
    assert interface["version"] == 3
    assert interface["shape"] == (4, 6)
    assert interface["typestr"] == "<f4"
    assert interface["data"][1] is False
    assert interface["strides"] is None
    assert interface["stream"] > 0
    assert array.__dlpack_device__() == (2, cuda.device_info()["ordinal"])
    for stream in (None, -1, 1, 2):
        assert array.__dlpack__(stream=stream) is not None
    with pytest.raises(ValueError, match=r"DeviceArray\.__dlpack__: expected stream"):
        array.__dlpack__(stream=0)


def test_numpy_gets_a_copy_by_dlpack_where_it_asks_for_the_cpu():
    if np.lib.NumpyVersion(np.__version__) < "2.1.0":
        pytest.skip("this NumPy asks for no device")
    array = cuda.array(NUMBERS)
    assert_same_bits(np.from_dlpack(array, device="cpu"), NUMBERS)
    with pytest.raises(BufferError, match="copy=False"):
        array.__dlpack__(dl_device=(1, 0), copy=False)


def test_cupy(cupy: Any):
    array = cuda.array(NUMBERS)
    for theirs in (cupy.asarray(array), cupy.from_dlpack(array)):
        theirs += 1
    assert_same_bits(array.to_numpy(), NUMBERS + 2)
    shared = cupy.asarray(NUMBERS)
    for mine in (cuda.as_device(shared), cuda.from_dlpack(shared)):
        assert mine.__cuda_array_interface__["data"][0] == shared.data.ptr
        assert_same_bits(f.relu(mine).to_numpy(), NUMBERS)
    assert_same_bits(cuda.as_device(shared.T).to_numpy(), np.ascontiguousarray(NUMBERS.T))


def test_cupy_streams_are_waited_for(cupy: Any):
    """Work that is still queued on another stream is done before either side reads."""
    with cupy.cuda.Stream(non_blocking=True):
        slow = cupy.zeros((2000, 2000), cupy.float32)
        for _ in range(20):
            slow = slow @ slow + 1
        expected = slow
        mine = cuda.from_dlpack(slow)
        result = f.relu(mine)
        back = cupy.from_dlpack(result) + 1
    cupy.cuda.Device().synchronize()
    assert_same_bits(result.to_numpy(), np.maximum(cupy.asnumpy(expected), 0))
    assert_same_bits(cupy.asnumpy(back), result.to_numpy() + 1)


def test_torch(torch: Any):
    array = cuda.array(NUMBERS)
    tensor = torch.from_dlpack(array)
    assert tensor.is_cuda
    tensor += 1
    assert_same_bits(array.to_numpy(), NUMBERS + 1)
    theirs = torch.tensor(NUMBERS, device="cuda")
    mine = cuda.as_device(theirs)
    assert mine.__cuda_array_interface__["data"][0] == theirs.data_ptr()
    assert_same_bits(mine.to_numpy(), NUMBERS)
    assert_same_bits(cuda.as_device(theirs.T).to_numpy(), np.ascontiguousarray(NUMBERS.T))
    with pytest.raises(
        TypeError, match=r"relu: expected an array on the CPU or a DeviceArray, as convlet\.cuda"
    ):
        f.relu(theirs)
    with pytest.raises(TypeError, match="from_dlpack: expected float32, int64 or uint8, got float64"):
        cuda.as_device(theirs.double())


def test_torch_memory_is_not_reused_while_it_is_in_use(torch: Any):
    """The memory of a tensor that goes while convlet's work on it is queued serves no other tensor yet."""
    expected = np.full((512, 1024), 2, np.float32)
    results = []
    for _ in range(20):
        theirs = torch.full((512, 1024), 2.0, device="cuda")
        mine = cuda.from_dlpack(theirs)
        del theirs
        results.append(f.relu(mine))
        del mine
        torch.full((512, 1024), 3.0, device="cuda")
    for result in results:
        assert_same_bits(result.to_numpy(), expected)


def test_memory_that_torch_still_reads_is_not_reused(torch: Any):
    expected = float(np.full(2**20, 2.0).sum())
    sums = []
    with torch.cuda.stream(torch.cuda.Stream()):
        for _ in range(20):
            tensor = torch.from_dlpack(f.relu(cuda.array(np.full(2**20, 2, np.float32))))
            sums.append(tensor.sum())
            del tensor
            gc.collect()
            cuda.array(np.full(2**20, 3, np.float32))
    torch.cuda.synchronize()
    assert [float(each) for each in sums] == [expected] * 20


def test_jax(jax: Any):
    array = cuda.array(NUMBERS)
    assert_same_bits(np.asarray(jax.dlpack.from_dlpack(array)), NUMBERS)
    theirs = jax.numpy.asarray(NUMBERS)
    mine = cuda.from_dlpack(theirs)
    assert_same_bits(f.relu(mine).to_numpy(), NUMBERS)
