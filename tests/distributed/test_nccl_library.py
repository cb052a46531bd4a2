"""NCCL itself, where its package is installed: a machine without GPUs can load it, but not use it."""

from __future__ import annotations

import subprocess
from importlib.util import find_spec
from pathlib import Path

import pytest

from compiler import ROOT, compiler
from convlet import _core
from convlet.distributed.nccl import find_library

CHECK = """
#include "nccl.h"
#include <type_traits>
#include "cuda/nccl_api.h"
namespace own = convlet::cuda::nccl;
static_assert(sizeof(own::ncclUniqueId) == sizeof(ncclUniqueId));
static_assert(sizeof(own::ncclResult_t) == sizeof(ncclResult_t));
static_assert(sizeof(own::ncclDataType_t) == sizeof(ncclDataType_t));
static_assert(sizeof(own::ncclRedOp_t) == sizeof(ncclRedOp_t));
static_assert(int(own::ncclSuccess) == ncclSuccess && int(own::ncclInProgress) == ncclInProgress);
static_assert(int(own::ncclFloat32) == ncclFloat32 && int(own::ncclSum) == ncclSum);

// The same parameters, but for the names of types.
template <class T> struct own_of { using type = T; };
template <> struct own_of<ncclComm_t> { using type = own::ncclComm_t; };
template <> struct own_of<ncclComm_t*> { using type = own::ncclComm_t*; };
template <> struct own_of<ncclUniqueId> { using type = own::ncclUniqueId; };
template <> struct own_of<ncclUniqueId*> { using type = own::ncclUniqueId*; };
template <> struct own_of<ncclResult_t> { using type = own::ncclResult_t; };
template <> struct own_of<ncclResult_t*> { using type = own::ncclResult_t*; };
template <> struct own_of<ncclDataType_t> { using type = own::ncclDataType_t; };
template <> struct own_of<ncclRedOp_t> { using type = own::ncclRedOp_t; };
template <class R, class... A>
auto own_type(R (*)(A...)) -> typename own_of<R>::type (*)(typename own_of<A>::type...);
template <class T, class Own> constexpr bool same = std::is_same_v<T, Own>;
#define SAME(name) static_assert(same<decltype(own_type(&nccl##name)), decltype(own::Api::name)>, #name)
SAME(GetVersion);
SAME(GetErrorString);
SAME(GetLastError);
SAME(GetUniqueId);
SAME(CommInitRank);
SAME(CommGetAsyncError);
SAME(CommDestroy);
SAME(AllReduce);
"""


@pytest.fixture(scope="module")
def package() -> Path:
    """The folder of the package."""
    try:
        spec = find_spec("nvidia.nccl")
    except ModuleNotFoundError:
        spec = None
    if spec is None:
        pytest.skip('needs NCCL: pip install "convlet[nccl]"')
    return Path(next(iter(spec.submodule_search_locations or ())))


def test_our_declarations_are_nccls(package: Path, tmp_path: Path) -> None:
    source = tmp_path / "check.cpp"
    source.write_text(CHECK)
    (tmp_path / "cuda_fp16.h").write_text("")
    folders = [package / "include", tmp_path, ROOT / "cuda/emulated/include", ROOT]
    command = [compiler(), "-std=c++17", "-fsyntax-only", *(f"-I{folder}" for folder in folders), str(source)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_the_library_of_the_package_loads_and_makes_an_id(
    package: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CONVLET_NCCL", raising=False)
    if "without CUDA" in _core.cuda_status():
        pytest.skip(_core.cuda_status())
    library = find_library()
    assert Path(library) == package / "lib/libnccl.so.2"
    assert _core.nccl_version(library) >= 21300
    ids = {_core.nccl_unique_id(library) for _ in range(2)}
    assert len(ids) == 2
    assert {len(one) for one in ids} == {128}
