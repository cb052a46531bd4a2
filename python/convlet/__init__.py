"""Trains and runs LeNet-class convolutional networks from NumPy, at the limit of the machine.

>>> from convlet import Trainer, datasets, nn, optim
>>> net = nn.LeNet().initialize("d2l", seed=0)
>>> trainer = Trainer(net, optim.SGD(lr=0.9), nn.CrossEntropyLoss())
>>> history = trainer.fit(datasets.Digits(train=True), datasets.Digits(train=False))
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from . import _settings

_settings.apply()

from . import functional, nn, optim, reference  # noqa: E402  (the compiled module is set up before its first use)

if TYPE_CHECKING:
    from . import callbacks as callbacks
    from . import cuda as cuda
    from . import d2l as d2l
    from . import datasets as datasets
    from . import detect as detect
    from . import distributed as distributed
    from . import onnx as onnx
    from . import pictures as pictures
    from . import plots as plots
    from .augment import Augment as Augment
    from .estimator import LeNetClassifier as LeNetClassifier
    from .estimator import NetClassifier as NetClassifier
    from .history import History as History
    from .learning_rates import find_learning_rate as find_learning_rate
    from .sweeps import sweep as sweep
    from .trainer import Trainer as Trainer

    __version__: str

__all__ = [
    "Augment",
    "History",
    "LeNetClassifier",
    "NetClassifier",
    "Trainer",
    "callbacks",
    "cuda",
    "d2l",
    "datasets",
    "detect",
    "distributed",
    "find_learning_rate",
    "functional",
    "nn",
    "optim",
    "pictures",
    "plots",
    "reference",
    "sweep",
]

# What inference does not need is loaded when it is first asked for.
_LATER = {
    "Augment": "augment",
    "History": "history",
    "LeNetClassifier": "estimator",
    "NetClassifier": "estimator",
    "Trainer": "trainer",
    "callbacks": "callbacks",
    "cuda": "cuda",
    "d2l": "d2l",
    "datasets": "datasets",
    "detect": "detect",
    "distributed": "distributed",
    "find_learning_rate": "learning_rates",
    "onnx": "onnx",
    "pictures": "pictures",
    "plots": "plots",
    "sweep": "sweeps",
}


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        value: Any = version("convlet")
    elif name in _LATER:
        module = import_module(f".{_LATER[name]}", __name__)
        value = module if _LATER[name] == name else getattr(module, name)
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__, "__version__"])
