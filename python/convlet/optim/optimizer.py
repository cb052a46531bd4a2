"""What all optimizers share: checked settings, state by parameter, steps on plain arrays."""

from __future__ import annotations

import math
import reprlib
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, SupportsFloat, overload

import numpy as np
from numpy.typing import NDArray

from .._arrays import Array, Numbers, Operand, aligned, as_float32, as_operand, integer, real
from .._core import DeviceArray, on_device, to_device
from .schedules import Schedule

__all__ = ["Number", "Optimizer"]


class Number:
    """A setting that is a finite number in ``low..high``, checked whenever it is assigned."""

    def __init__(self, low: float = -math.inf, high: float = math.inf) -> None:
        self.low, self.high = low, high

    def __set_name__(self, owner: type[Optimizer], name: str) -> None:
        self.name = name

    @overload
    def __get__(self, instance: None, owner: type[Optimizer]) -> Number: ...
    @overload
    def __get__(self, instance: Optimizer, owner: type[Optimizer]) -> float: ...
    def __get__(self, instance: Optimizer | None, owner: type[Optimizer]) -> float | Number:
        return self if instance is None else float(instance.__dict__[self.name])

    def __set__(self, instance: Optimizer, value: SupportsFloat) -> None:
        instance.__dict__[self.name] = real(type(instance).__name__, self.name, value, self.low, self.high)


class Optimizer(ABC):
    """Updates parameters in place from their gradients.

    What it remembers of each parameter, its state, begins at zero at its first step and then belongs to those
    parameters: use one optimizer for one net. The engine and :meth:`step` share it, so a net may be trained
    by both in turn.

    Args:
        lr: the learning rate, from 0.
        schedule: what multiplies it at each step of a run, see :mod:`convlet.optim.schedules`; or 1.

    Attributes:
        steps_done: how many steps it has made.
    """

    kind: ClassVar[str]
    """The rule's name in the engine."""
    settings: ClassVar[tuple[str, ...]]
    """The names of the constructor's arguments that the state keeps."""

    lr = Number(low=0.0)

    def __init__(self, lr: SupportsFloat, schedule: Schedule | None) -> None:
        if schedule is not None and not callable(schedule):
            raise TypeError(f"{type(self).__name__}: expected schedule to be a function, got {schedule!r}")
        self.lr = lr
        self.schedule = schedule
        self.steps_done = 0
        self._state: Operand | None = None
        self._shapes: dict[str, tuple[int, ...]] = {}

    @property
    @abstractmethod
    def buffers(self) -> int:
        """k, how many numbers it remembers for each parameter."""

    @abstractmethod
    def rule(self) -> dict[str, Any]:
        """The settings but the learning rate as the engine takes them, checked against each other."""

    @abstractmethod
    def _update(self, parameter: Operand, gradient: Operand, state: list[Operand], lr: float) -> None:
        """One step for one array; ``state`` is k arrays of its shape."""

    def spec(self) -> dict[str, Any]:
        """The optimizer as plain data, for the engine; ``step`` counts the steps done."""
        return {"kind": self.kind, **self.rule(), "step": self.steps_done}

    def step(
        self,
        parameters: Mapping[str, Operand],
        gradients: Mapping[str, Numbers],
        lr: SupportsFloat | None = None,
    ) -> None:
        """Update every parameter in place.

        Nothing is updated if any argument is wrong.

        Args:
            parameters: writable float32 arrays in C order by name; the same names and shapes at every step.
                All of them lie on the CPU, or all on the device, where the optimizer's state then lies too.
            gradients: an array of the same shape for each of them, at the same place.
            lr: the learning rate of this step, or the optimizer's own if there is none. An optimizer with a
                schedule needs it, since only its caller knows how long the run is, see
                :meth:`learning_rates`.

        Raises:
            TypeError: a parameter that cannot be updated in place, or a gradient that is not of real numbers.
            ValueError: names or shapes that do not fit, or no ``lr`` where there is a schedule.
        """
        op = f"{type(self).__name__}.step"
        if lr is None and self.schedule is not None:
            raise ValueError(
                f"{op}: expected lr for an optimizer with a schedule, as learning_rates() gives, got None"
            )
        rate = self.lr if lr is None else real(op, "lr", lr, low=0.0)
        self.rule()
        for name, parameter in parameters.items():
            _check_parameter(op, name, parameter)
        checked = {name: as_operand(op, name, gradient) for name, gradient in gradients.items()}
        shapes = {name: parameter.shape for name, parameter in parameters.items()}
        given = {name: gradient.shape for name, gradient in checked.items()}
        _check_shapes(op, "gradients", shapes, given)
        state = self._bind(op, shapes, _all_on_device(op, parameters, checked))
        start = 0
        for name, shape in self._shapes.items():
            stop = start + math.prod(shape)
            own: list[Operand] = [state[k][start:stop].reshape(shape) for k in range(len(state))]
            self._update(parameters[name], checked[name], own, rate)
            start = stop
        self.steps_done += 1

    def learning_rates(
        self, first: int, count: int, total_steps: int, steps_per_epoch: int | None = None
    ) -> NDArray[np.float64]:
        """The learning rate, ``lr * schedule``, of ``count`` steps from step ``first`` on, counted from 0.

        Args:
            first: the first step.
            count: how many steps.
            total_steps: the length of the whole run.
            steps_per_epoch: the length of an epoch, for schedules that count them.

        Raises:
            ValueError: a factor of the schedule that is negative or not finite.
        """
        op = f"{type(self).__name__}.learning_rates"
        if self.schedule is None:
            return np.full(count, self.lr)
        steps = range(first, first + count)
        factors = [self.schedule(step, total_steps, steps_per_epoch) for step in steps]
        return self.lr * np.array([real(op, "the schedule's factor", factor, low=0.0) for factor in factors])

    def state_arrays(self, count: int) -> Array:
        """The live state of ``count`` parameters in the order of the net's buffer, (k, count), at first 0.

        It lies on the CPU from then on, until the next step on the device.

        Raises:
            ValueError: the optimizer has worked on another number of parameters.
        """
        op = type(self).__name__
        if not isinstance(self._state, np.ndarray):
            kept = self._state
            self._state = aligned((self.buffers, count) if kept is None else kept.shape)
            self._state[...] = 0 if kept is None else kept.to_numpy()
        if self._state.shape != (self.buffers, count):
            raise ValueError(
                f"{op}: expected state of shape {(self.buffers, count)}, got {self._state.shape}; "
                "an optimizer stays with the parameters, and the kind of momentum, that it began with"
            )
        return self._state

    def state_dict(self) -> dict[str, Any]:
        """A copy of everything that its next step depends on but the schedule.

        ``{"kind": str, "settings": {name: number}, "steps_done": int, "state": float32 (k, P)}``, with P = 0
        before the first step.
        """
        state = np.empty((self.buffers, 0), np.float32) if self._state is None else _copied(self._state)
        settings = {name: getattr(self, name) for name in self.settings}
        return {
            "kind": type(self).__name__.lower(),
            "settings": settings,
            "steps_done": self.steps_done,
            "state": state,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on where another optimizer's :meth:`state_dict` was taken, with its settings, or change nothing.

        Raises:
            TypeError: an entry of another type.
            ValueError: the state of another kind of optimizer, or an entry that is missing or out of range.
        """
        op = f"{type(self).__name__}.load_state_dict"
        expected = {"kind", "settings", "steps_done", "state"}
        kind = type(self).__name__.lower()
        for found in (state, state.get("settings", {}) if isinstance(state, Mapping) else {}):
            if not isinstance(found, Mapping):
                raise TypeError(f"{op}: expected a state_dict(), got {reprlib.repr(found)}")
        if state.get("kind", kind) != kind:
            raise ValueError(f"{op}: expected the state of kind {kind!r}, got {reprlib.repr(state['kind'])}")
        if set(state) != expected or set(state["settings"]) != set(self.settings):
            raise ValueError(
                f"{op}: expected {', '.join(sorted(expected))}, and settings {', '.join(self.settings)}"
            )
        other = type(self)(**state["settings"])
        steps = integer(op, "steps_done", state["steps_done"], low=0, high=2**62)
        numbers = as_float32(op, "state", state["state"])
        if numbers.ndim != 2 or len(numbers) != other.buffers:
            raise ValueError(f"{op}: expected state of shape ({other.buffers}, P), got {numbers.shape}")
        for name in self.settings:
            setattr(self, name, getattr(other, name))
        self.steps_done, self._shapes, self._state = steps, {}, None
        if numbers.shape[1]:
            self.state_arrays(numbers.shape[1])[...] = numbers

    def _device_state(self, count: int) -> DeviceArray:
        """As :meth:`state_arrays`, on the device from now on."""
        if not isinstance(self._state, DeviceArray) or self._state.shape != (self.buffers, count):
            self._state = to_device(self.state_arrays(count))
        return self._state

    def _bind(self, op: str, shapes: dict[str, tuple[int, ...]], device: bool) -> Operand:
        """The state for parameters of these shapes, in the order in which they first came, beside them."""
        if self._shapes:
            _check_shapes(op, "parameters", self._shapes, shapes)
        count = sum(math.prod(shape) for shape in shapes.values())
        state = self._device_state(count) if device else self.state_arrays(count)
        self._shapes = self._shapes or shapes
        return state

    def __repr__(self) -> str:
        shown = {name: getattr(self, name) for name in self.settings}
        if self.schedule is not None:
            shown["schedule"] = self.schedule
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in shown.items())})"


def _copied(array: Operand) -> Array:
    return array.to_numpy() if isinstance(array, DeviceArray) else array.copy()


def _all_on_device(op: str, parameters: Mapping[str, Operand], gradients: Mapping[str, Operand]) -> bool:
    """Whether the arrays of a step lie on the device, all of them; ``TypeError`` if only some do."""
    arrays = {f"parameter {name}": array for name, array in parameters.items()}
    arrays |= {f"gradient {name}": array for name, array in gradients.items()}
    return any(isinstance(array, DeviceArray) for array in arrays.values()) and on_device(op, **arrays)


def _check_parameter(op: str, name: str, parameter: object) -> None:
    if isinstance(parameter, DeviceArray):
        as_operand(op, f"parameter {name}", parameter)
        if not parameter.writable:
            raise TypeError(f"{op}: expected parameter {name} to be a writable array, got a read-only one")
        return
    if not isinstance(parameter, np.ndarray) or parameter.dtype != np.float32:
        found = parameter.dtype if isinstance(parameter, np.ndarray) else type(parameter).__name__
        raise TypeError(f"{op}: expected parameter {name} to be a float32 array, got {found}")
    flags = parameter.flags
    if not (flags.c_contiguous and flags.writeable and flags.aligned):
        raise TypeError(f"{op}: expected parameter {name} to be a writable array in C order, got another")


def _check_shapes(
    op: str, what: str, expected: Mapping[str, tuple[int, ...]], given: Mapping[str, tuple[int, ...]]
) -> None:
    """The same names with the same shapes, in whatever order."""
    problems = [f"missing {name}" for name in expected if name not in given]
    problems += [f"unexpected {name}" for name in given if name not in expected]
    problems += [
        f"expected {name} of shape {shape}, got {given[name]}"
        for name, shape in expected.items()
        if name in given and given[name] != shape
    ]
    if problems:
        raise ValueError(f"{op}: {what}: {'; '.join(problems)}")
