"""What every layer can do, and what a layer that is a single op, or one with a weight, can do besides."""

from __future__ import annotations

import math
import reprlib
from abc import ABC, abstractmethod
from collections.abc import Hashable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, overload

from .._arrays import Array, Numbers, Operand, Padding, Pair, Sides, as_float32, flag
from .._core import DeviceArray
from .initialize import check_seed, generator, initialize
from .parameters import ParameterDict, Slot, parameters_lock, write

if TYPE_CHECKING:
    from typing_extensions import Self

    from .initialize import Seed

__all__ = ["Keys", "Layer", "Op", "Weighted", "join", "padding_of", "shown"]

LARGEST_COUNT = 2**59  # float32 numbers whose bytes still have a signed 64-bit count, with room to add a few


class Keys(NamedTuple):
    """What :meth:`Layer.load_state_dict` left alone: its own keys, and those of the dict."""

    missing_keys: list[str]
    unexpected_keys: list[str]


class Layer(ABC):
    """A function on arrays with parameters of its own, or none.

    The settings of a layer are its attributes, and are fixed once it is made.
    """

    changes: ClassVar[int] = 0
    """How often what is not a parameter, a mode or a buffer, has changed in any layer."""
    _training = True

    @abstractmethod
    def __call__(self, x: Numbers) -> Array:
        """The layer's output."""

    @abstractmethod
    def ops(self) -> dict[str, Op]:
        """The single ops that the layer consists of, by name in the order of their work."""

    def parameters(self) -> ParameterDict:
        """The parameters by name, weight before bias, layer after layer.

        The arrays are the parameters themselves: what is written into them, also by assigning to an item of
        this dict, is seen by the next call. They stay so until the layer is put into a :class:`Sequential`,
        which moves them to a buffer of its own; arrays handed out before are read-only from then on.
        """
        named = ((name, op) for name, op in self.ops().items() if isinstance(op, Weighted))
        return ParameterDict((join(name, key), op.slot[key]) for name, op in named for key in op.slot.shapes)

    def buffers(self) -> dict[str, Array]:
        """The fixed numbers by name: those that :meth:`state_dict` holds and training leaves alone."""
        return {
            join(name, key): array for name, op in self.ops().items() for key, array in op.buffers().items()
        }

    @property
    def training(self) -> bool:
        """Whether training drops what :class:`Dropout` drops: True at first, as in PyTorch."""
        return self._training

    def train(self, mode: bool = True) -> Self:
        """Let training drop, or not, in all layers within, and return the layer.

        A call is inference in either mode.

        Raises:
            TypeError: a mode that is no bool.
        """
        self._training = flag("train", "mode", mode)
        Layer.changes += 1
        return self

    def eval(self) -> Self:
        """``train(False)``: from here on nothing is dropped in training either."""
        return self.train(False)

    @property
    def parameter_count(self) -> int:
        """How many numbers the parameters are; none of them is drawn for the answer."""
        return sum(op.slot.size for op in self.ops().values() if isinstance(op, Weighted))

    def initialize(self, scheme: str = "pytorch", seed: Seed = None) -> Self:
        """Draw all parameters anew, in layer order, the weight before the bias, and return the layer.

        Args:
            scheme: ``pytorch``, ``d2l``, ``xavier_uniform``, ``xavier_normal``, ``kaiming_uniform`` or
                ``kaiming_normal``; :mod:`convlet.nn.initialize` has their formulas.
            seed: an int for the same numbers every time, a NumPy ``Generator`` to draw them from, or
                ``None`` for others every time.

        Raises:
            TypeError: a seed that is none of these.
            ValueError: an unknown scheme, or a negative seed.
        """
        rng = generator("initialize", seed)
        with parameters_lock():
            for op in self.ops().values():
                if isinstance(op, Weighted):
                    initialize(scheme, rng, op.weight, op.bias)
        return self

    def state_dict(self) -> dict[str, Array]:
        """Copies of the parameters and buffers by name, which later training leaves alone.

        While another thread calls :meth:`load_state_dict` or :meth:`initialize` they are all from before it
        or all from after it; while another thread trains they may be of several steps.
        """
        with parameters_lock():
            return {name: array.copy() for name, array in self._state().items()}

    def _state(self) -> dict[str, Array]:
        """Parameters and buffers by name, layer after layer."""
        arrays: dict[str, Array] = {}
        for name, op in self.ops().items():
            if isinstance(op, Weighted):
                arrays |= {join(name, key): op.slot[key] for key in op.slot.shapes}
            arrays |= {join(name, key): array for key, array in op.buffers().items()}
        return arrays

    def load_state_dict(self, state: Mapping[str, Numbers], strict: bool = True) -> Keys:
        """Write arrays into parameters and buffers by name, all of them or, if anything is wrong, none.

        Args:
            state: arrays of any library by name. Names that all begin with ``net.``, as in the book's
                class, are taken without it.
            strict: whether the names must be exactly those of :meth:`state_dict`.

        Returns:
            The names that are missing in ``state``, and those that only it has.

        Raises:
            TypeError: ``state`` is no mapping, or holds what is no array of real numbers, or ``strict`` is no
                bool.
            ValueError: a shape that does not fit or, if strict, a missing or unexpected name; all of them
                are told at once.
        """
        op = "load_state_dict"
        if not isinstance(state, Mapping):
            raise TypeError(f"{op}: expected a dict of arrays by name, got {type(state).__name__}")
        strict = flag(op, "strict", strict)
        own = self._state()
        if state and all(str(key).startswith("net.") for key in state) and not set(state) & set(own):
            state = {key.removeprefix("net."): array for key, array in state.items()}
        arrays = {name: as_float32(op, name, state[name]) for name in own if name in state}
        keys = Keys(
            [name for name in own if name not in state], [str(key) for key in state if key not in own]
        )
        problems = [
            f"expected {name} of shape {own[name].shape}, got {array.shape}"
            for name, array in arrays.items()
            if array.shape != own[name].shape
        ]
        owners = {join(name, key): op for name, op in self.ops().items() for key in op.buffers()}
        if not problems:
            found = (
                owners[name].buffer_problem(name.split(".")[-1], arrays[name])
                for name in owners
                if name in arrays
            )
            problems = [problem for problem in found if problem]
        if strict and keys.missing_keys:
            problems.append(f"missing {', '.join(keys.missing_keys)}")
        if strict and keys.unexpected_keys:
            problems.append(f"unexpected {', '.join(keys.unexpected_keys)}")
        if problems:
            raise ValueError(f"{op}: {'; '.join(problems)}")
        with parameters_lock():
            for name, array in arrays.items():
                if name in owners:
                    owners[name].set_buffer(name.split(".")[-1], array)
                else:
                    write(op, name, own[name], array)
        return keys

    def extra_repr(self) -> str:
        """The settings as the layer's representation shows them."""
        return ""

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.extra_repr()})"

    def __setattr__(self, name: str, value: object) -> None:
        if name in self.__dict__ and not name.startswith("_"):
            raise AttributeError(
                f"{type(self).__name__}: {name} is fixed once the layer is made; "
                f"make another layer instead of assigning {reprlib.repr(value)}"
            )
        super().__setattr__(name, value)


class Op(Layer):
    """A layer that is one op of :mod:`convlet.functional`."""

    kind: ClassVar[str]
    """The op's name in :mod:`convlet.functional`."""

    def ops(self) -> dict[str, Op]:
        """The layer itself, under no name."""
        return {"": self}

    @overload
    def __call__(self, x: DeviceArray) -> DeviceArray: ...  # type: ignore[overload-overlap]
    @overload
    def __call__(self, x: Numbers) -> Array: ...
    def __call__(self, x: Numbers) -> Operand:
        """The output of :meth:`forward`; where x lies on the device, the parameters are copied to it."""
        return self.forward(x)

    @abstractmethod
    def forward(self, x: Numbers) -> Operand:
        """The output of a single op, where x lies."""

    @abstractmethod
    def backward(self, dy: Array, x: Array, y: Array) -> tuple[Array, dict[str, Array]]:
        """From the gradient of the output y of input x: that of x, and those of the parameters by name."""

    def buffers(self) -> dict[str, Array]:
        """None."""
        return {}

    def buffer_problem(self, name: str, array: Array) -> str | None:
        """What is wrong with new values of a buffer, if anything is."""
        return None

    def set_buffer(self, name: str, array: Array) -> None:
        """Take new values of a buffer."""
        raise ValueError(f"{type(self).__name__}: expected no buffer, got {name}")

    def spec(self) -> dict[str, Any]:
        """The layer as plain data, for files."""
        return {"kind": self.kind}

    def planned(self) -> dict[str, Any]:
        """The layer as plain data, for the engine."""
        return self.spec()

    def variant(self) -> Hashable:
        """What :meth:`planned` hangs on besides the layer itself."""
        return None


class Weighted(Op):
    """An op with a weight and, unless it was made without, a bias."""

    def __init__(self, weight_shape: tuple[int, ...], bias: bool, seed: int | None) -> None:
        """The parameters are drawn by PyTorch's defaults from ``seed``, when they are first needed."""
        name = type(self).__name__
        if math.prod(weight_shape) > LARGEST_COUNT:
            raise ValueError(
                f"{name}: expected a weight of at most {LARGEST_COUNT} numbers, got the shape {weight_shape}"
            )
        self.seed = None if seed is None else check_seed(name, seed)
        shapes = {"weight": weight_shape, "bias": weight_shape[:1]}
        self.slot = Slot(shapes if bias else {"weight": weight_shape}, self._draw)

    def _draw(self, views: dict[str, Array]) -> None:
        initialize("pytorch", generator(type(self).__name__, self.seed), views["weight"], views.get("bias"))

    @property
    def weight(self) -> Array:
        """The live array; assigning to it writes into it."""
        return self.slot["weight"]

    @weight.setter
    def weight(self, value: Numbers) -> None:
        write(type(self).__name__, "weight", self.weight, value)

    @property
    def bias(self) -> Array | None:
        """The live array, or ``None`` in a layer without; assigning to it writes into it."""
        return self.slot["bias"] if "bias" in self.slot.shapes else None

    @bias.setter
    def bias(self, value: Numbers) -> None:
        if self.bias is None:
            raise ValueError(f"{type(self).__name__}: expected no bias in a layer with bias=False, got one")
        write(type(self).__name__, "bias", self.bias, value)

    @abstractmethod
    def arguments(self) -> dict[str, Any]:
        """What makes another layer like this one."""

    def __reduce__(self) -> tuple[Any, ...]:
        return _copied, (type(self), self.arguments(), self.state_dict())


def _copied(layer: type[Weighted], arguments: dict[str, Any], state: dict[str, Array]) -> Weighted:
    """A layer with parameters of its own and the same values, for ``copy`` and ``pickle``."""
    copy = layer(**arguments)
    copy.load_state_dict(state)
    return copy


def join(*names: str) -> str:
    """Names from the outermost layer in, as one: ``1.0.weight``."""
    return ".".join(name for name in names if name)


def padding_of(given: Padding, sides: Sides) -> str | Pair | Sides:
    """A layer's ``padding``: the word that was given, a pair as PyTorch has it, or else four sides."""
    if isinstance(given, str):
        return given
    top, bottom, left, right = sides
    return (top, left) if (top, left) == (bottom, right) else sides


def shown(**sizes: object) -> str:
    """Sizes as PyTorch's pooling layers show them, two equal ones as one."""
    short = {
        name: size[0] if isinstance(size, tuple) and len(set(size)) == 1 else size
        for name, size in sizes.items()
    }
    return ", ".join(f"{name}={size}" for name, size in short.items())
