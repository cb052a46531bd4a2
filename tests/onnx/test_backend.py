"""ONNX's own tests of its operators, run against convlet by ONNX's own runner."""

from __future__ import annotations

import re
import unittest
import warnings
from typing import Any

import numpy as np
import pytest

pytest.importorskip("onnx.checker", reason="needs onnx")

import onnx
from onnx.backend.test import BackendTest
from onnx.backend.test.loader import load_model_tests
from onnx.backend.test.runner import BackendIsNotSupposedToImplementIt

from convlet.onnx import Backend, UnsupportedError
from convlet.onnx.operators import OPERATORS

pytestmark = pytest.mark.slow  # onnx computes the expected results of all its operators first

KINDS = ("node", "pytorch-converted", "pytorch-operator", "simple")  # "real" are models to download

THREE_AXES = "of rank 3 or 4, got rank 5"
NO_MATRICES = "of rank 2, got rank [134]"
OTHER_TYPE = "of type float32, got "
TRAINING = "dropout in training mode"

OUT_OF_SCOPE = {
    "test_averagepool_3d_default": THREE_AXES,
    "test_averagepool_3d_dilations_large_count_include_pad_is_0_ceil_mode_is_False": THREE_AXES,
    "test_averagepool_3d_dilations_large_count_include_pad_is_0_ceil_mode_is_True": THREE_AXES,
    "test_averagepool_3d_dilations_large_count_include_pad_is_1_ceil_mode_is_False": THREE_AXES,
    "test_averagepool_3d_dilations_large_count_include_pad_is_1_ceil_mode_is_True": THREE_AXES,
    "test_averagepool_3d_dilations_small": THREE_AXES,
    "test_maxpool_3d_default": THREE_AXES,
    "test_maxpool_3d_dilations": THREE_AXES,
    "test_maxpool_3d_dilations_use_ref_impl": THREE_AXES,
    "test_maxpool_3d_dilations_use_ref_impl_large": THREE_AXES,
    "test_AvgPool3d": THREE_AXES,
    "test_AvgPool3d_stride": THREE_AXES,
    "test_AvgPool3d_stride1_pad0_gpu_input": THREE_AXES,
    "test_Conv3d": THREE_AXES,
    "test_Conv3d_dilated": THREE_AXES,
    "test_Conv3d_dilated_strided": THREE_AXES,
    "test_Conv3d_groups": THREE_AXES,
    "test_Conv3d_no_bias": THREE_AXES,
    "test_Conv3d_stride": THREE_AXES,
    "test_Conv3d_stride_padding": THREE_AXES,
    "test_MaxPool3d": THREE_AXES,
    "test_MaxPool3d_stride": THREE_AXES,
    "test_MaxPool3d_stride_padding": THREE_AXES,
    "test_matmul_1d_1d": NO_MATRICES,
    "test_matmul_1d_3d": NO_MATRICES,
    "test_matmul_3d": NO_MATRICES,
    "test_matmul_4d": NO_MATRICES,
    "test_matmul_4d_1d": NO_MATRICES,
    "test_matmul_bcast": NO_MATRICES,
    "test_clip_default_int8_inbounds_expanded": OTHER_TYPE + "int8",
    **{
        f"test_{operator}_{dtype}": OTHER_TYPE + dtype
        for operator in ("div", "sub")
        for dtype in ("int8", "int16", "uint8", "uint16", "uint32", "uint64")
    },
    "test_div_int32_trunc": OTHER_TYPE + "int32",
    "test_identity_opt": OTHER_TYPE + "optional",
    "test_identity_sequence": OTHER_TYPE + "sequence",
    "test_maxpool_2d_uint8": OTHER_TYPE + "uint8",
    "test_training_dropout": TRAINING,
    "test_training_dropout_default": TRAINING,
    "test_training_dropout_default_mask": TRAINING,
    "test_training_dropout_mask": TRAINING,
}
"""Valid tests of the operators that convlet refuses, and what its refusal says."""


class Strict(Backend):
    """For the runner a test of what a backend does not implement has passed; here it has not."""

    prepared = 0

    @classmethod
    def prepare(cls, model: Any, device: str = "CPU", **kwargs: Any) -> Any:
        cls.prepared += 1
        try:
            return super().prepare(model, device, **kwargs)
        except BackendIsNotSupposedToImplementIt as error:
            raise AssertionError(f"expected the model to be supported: {error}") from error


def model_of(case: Any) -> Any:
    return case.model if case.model is not None else onnx.load(f"{case.model_dir}/model.onnx")


def is_ours(model: Any) -> bool:
    """Whether a model is made of the operators that convlet has."""
    found = {node.op_type for node in model.graph.node} - {"Constant"}
    return bool(found) and found <= set(OPERATORS)


@pytest.fixture(scope="module")
def cases() -> dict[str, Any]:
    """ONNX's tests of convlet's operators, by name."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # expected results that divide by zero
        found = [case for kind in KINDS for case in load_model_tests(kind=kind)]
    return {case.name: case for case in found if is_ours(model_of(case))}


def test_every_operator_has_a_test_that_is_run(cases: dict[str, Any]) -> None:
    run = {
        node.op_type
        for name, case in cases.items()
        if name not in OUT_OF_SCOPE
        for node in model_of(case).graph.node
    }
    assert run - {"Constant"} == set(OPERATORS)


def test_onnx_runner_passes_every_test_in_scope(cases: dict[str, Any]) -> None:
    names = [name for name in cases if name not in OUT_OF_SCOPE]
    assert len(names) > 150
    runner = BackendTest(Strict, __name__)
    for name in names:
        runner.include(f"^{re.escape(name)}_cpu$")
    result = unittest.TestResult()
    Strict.prepared = 0
    runner.test_suite.run(result)
    assert not result.errors + result.failures, "\n".join(text for _, text in result.errors + result.failures)
    assert Strict.prepared == result.testsRun - len(result.skipped) == len(names)


@pytest.mark.parametrize("name", OUT_OF_SCOPE)
def test_what_is_out_of_scope_is_refused_by_name(name: str, cases: dict[str, Any]) -> None:
    if name not in cases:
        pytest.skip(f"onnx {onnx.__version__} has no such test")
    model, reason = model_of(cases[name]), OUT_OF_SCOPE[name]
    operator = model.graph.node[0].op_type
    if reason == TRAINING:  # which an input asks for, so it shows when the model runs
        inputs = [np.zeros((3, 4, 5), np.float32), np.float32(0.5), np.array(True)]
        with pytest.raises(UnsupportedError, match=f"^{operator} node of .*{reason}"):
            Backend.prepare(model).run(inputs)
        return
    assert not Backend.is_compatible(model)
    with pytest.raises(BackendIsNotSupposedToImplementIt, match=f"{operator} node of .*{reason}"):
        Backend.prepare(model)
