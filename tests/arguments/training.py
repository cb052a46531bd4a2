"""`convlet.optim`, the trainer and what goes with it: schedules, callbacks, augmentation."""

from __future__ import annotations

import tempfile
from functools import partial
from typing import Any

import numpy as np

from arguments.arrays import InPlace, Reals
from arguments.functions import ones
from arguments.kinds import Betas, Flag, Instance, Integer, Names, Number, Path, Share, Word
from arguments.layers import IMAGES, LABELS, net
from arguments.subject import Subject
from convlet import Augment, Trainer, callbacks, find_learning_rate, nn, optim
from convlet.distributed import Team

LATE = frozenset({"a zero byte"})  # told when the file is made
SCHEDULE = Instance(optim.Cosine(), optional=True)
OWN = ones(2, 3)
SGD, ADAM = optim.SGD(0.1, momentum=0.9), optim.Adam()
NET = net()
TRAINER = Trainer(NET, optim.SGD(0.1), nn.CrossEntropyLoss(), device="cpu", threads=1)
DATA = (IMAGES.right, LABELS.right)
FILE = f"{tempfile.gettempdir()}/convlet-survey.csv"


def _optimizers() -> list[Subject]:
    rest = {"weight_decay": Number(0.1), "schedule": SCHEDULE}
    adam = {"lr": Number(0.1), "betas": Betas((0.9, 0.99)), "eps": Number(1e-8), **rest}
    sgd = {"lr": Number(0.1), "momentum": Number(0.9), "dampening": Number(0.0, low=float("-inf")), **rest}
    found = [
        Subject("SGD", optim.SGD, {**sgd, "nesterov": Flag(False)}),
        Subject("Adam", optim.Adam, adam),
        Subject("AdamW", optim.AdamW, adam),
        Subject("StepDecay", optim.StepDecay, {"step_size": Integer(2), "gamma": Number(0.1)}),
        Subject("Cosine", optim.Cosine, {"floor": Number(0.1, high=1)}),
        Subject("LinearWarmup", optim.LinearWarmup, {"steps": Integer(2), "after": Instance(optim.Cosine())}),
    ]
    for optimizer in (SGD, ADAM):
        name = type(optimizer).__name__
        for setting in ("lr", "weight_decay"):
            found.append(
                Subject(
                    name,
                    lambda value, optimizer=optimizer, setting=setting: setattr(optimizer, setting, value),
                    {"value": Number(0.1)},
                    {"value": (setting,)},
                    about=(optimizer,),
                )
            )
        found += _steps(optimizer)
    return found


def _steps(optimizer: optim.Optimizer) -> list[Subject]:
    """One step on two arrays, of which the second is wrong: the first must not have moved."""
    name = type(optimizer).__name__
    first = ones(4)

    def step(parameter: Any, gradient: Any, lr: Any) -> None:
        optimizer.step({"first": first, "own": parameter}, {"first": np.zeros(4), "own": gradient}, lr)

    arrays = {"parameter": InPlace(OWN), "gradient": Reals(OWN + 1), "lr": Number(0.1, optional=True)}
    words = {"parameter": ("own",), "gradient": ("own",)}
    arrays_of = {"first": first, "own": OWN}
    both = {
        "parameters": Instance(arrays_of),
        "gradients": Instance({name: 0 * array for name, array in arrays_of.items()}),
    }
    long = {"high": 2**62}
    rates = {
        "first": Integer(0, low=0, high=10),
        "count": Integer(2, low=0, high=10),
        "total_steps": Integer(10, low=2, **long),
        "steps_per_epoch": Integer(5, optional=True, **long),
    }
    return [
        Subject(f"{name}.step", step, arrays, words, about=(optimizer, first)),
        Subject(
            f"{name}.step", optimizer.step, both, {"parameters": ("unexpected",)}, about=(optimizer, first)
        ),
        Subject(
            f"{name}.learning_rates",
            optimizer.learning_rates,
            rates,
            {"total_steps": ("first", "count")},
            about=(optimizer,),
        ),
        Subject(
            f"{name}.load_state_dict",
            lambda **entries: optimizer.load_state_dict({**optimizer.state_dict(), **entries}),
            {
                "kind": Word(name.lower()),
                "settings": Instance(optimizer.state_dict()["settings"]),
                "steps_done": Integer(0, low=0, high=2**62),
                "state": Reals(np.zeros((optimizer.buffers, 10), np.float32), free=(1,)),
            },
            about=(optimizer,),
        ),
        Subject(
            f"{name}.load_state_dict",
            optimizer.load_state_dict,
            {"state": Instance(optimizer.state_dict())},
            {"state": ("expected", "dict")},
            about=(optimizer,),
        ),
    ]


def _trainer() -> list[Subject]:
    about = (TRAINER, NET)
    parts = {
        "net": Instance(NET),
        "optimizer": Instance(optim.SGD(0.1)),
        "loss": Instance(nn.CrossEntropyLoss()),
        "device": Word("cpu"),
        "threads": Integer(1, optional=True, high=1024),
        "communicator": Instance(None, optional=True),
    }
    fit = {
        "train": Instance(DATA),
        "validation": Instance(DATA, optional=True),
        "epochs": Integer(1),
        "batch_size": Integer(2),
        "seed": Integer(0, low=0, high=2**64 - 1),
        "shuffle": Flag(True),
        "augment": Instance(Augment(shift=1), optional=True),
        "resume": Instance(None, optional=True),
        "on_epoch": Instance(print, optional=True),
        "on_progress": Instance(lambda progress: None, optional=True),
        "callbacks": Instance([callbacks.Callback()]),
    }
    search = {
        "net": Instance(NET),
        "optimizer": Instance(optim.SGD(0.1)),
        "loss": Instance(nn.CrossEntropyLoss()),
        "data": Instance(DATA),
        "low": Number(1e-3, high=1),
        "high": Number(1.0, low=1e-3),
        "steps": Integer(5, low=3),
        "seed": Integer(0, low=0, high=2**64 - 1),
        "batch_size": Integer(2),
    }
    return [
        Subject("Trainer", Trainer, parts, voices=("Team",)),
        Subject(
            "fit",
            TRAINER.fit,
            {**fit, "on_epoch": Instance(None, optional=True)},
            {"callbacks": ("callback",)},
            {"callbacks": frozenset({"a list"}), "validation": frozenset({"a fraction"})},
            about,
        ),
        Subject(
            "fit",
            lambda x, y: TRAINER.fit((x, y), epochs=1),
            {"x": IMAGES, "y": LABELS},
            {"x": ("train",), "y": ("label",)},
            about=about,
        ),
        Subject(
            "fit",
            lambda x, y: TRAINER.fit(DATA, (x, y), epochs=1),
            {"x": IMAGES, "y": LABELS},
            {"x": ("validation",), "y": ("label",)},
            about=about,
        ),
        Subject(
            "fit",
            lambda share: TRAINER.fit((np.repeat(DATA[0], 4, 0), np.repeat(DATA[1], 4)), share, epochs=1),
            {"share": Share(0.5)},
            {"share": ("validation",)},
            {"share": frozenset({"None"})},
            about,
        ),
        Subject(
            "find_learning_rate",
            find_learning_rate,
            search,
            {"data": ("train",)},
            about=about,
            voices=("fit",),
        ),
    ]


def _others() -> list[Subject]:
    figure = {"monitor": Word("test_loss"), "min_delta": Number(0.0)}
    return [
        Subject(
            "Augment",
            Augment,
            {
                "shift": Integer(1, low=0, high=2**15),
                "flip": Flag(),
                "rotation": Number(1.0, high=180),
                "erase": Integer(1, low=0, high=2**15),
            },
        ),
        Subject(
            "EarlyStopping",
            callbacks.EarlyStopping,
            {**figure, "patience": Integer(3), "restore_best": Flag()},
        ),
        Subject(
            "BestCheckpoint",
            callbacks.BestCheckpoint,
            {"path": Path(FILE), **figure, "classes": Names(("a", "b"), optional=True)},
            accepts={"path": LATE, "classes": frozenset({"too few"})},
        ),
        Subject("CSVLogger", callbacks.CSVLogger, {"path": Path(FILE)}, accepts={"path": LATE}),
        Subject("PlateauDoctor", partial(callbacks.PlateauDoctor, DATA), {"tell": Instance(print)}),
        Subject("Team", Team, {"communicator": Instance(_nobody()), "exact": Flag()}),
    ]


def _nobody() -> object:
    from convlet.distributed.communicator import Nobody

    return Nobody()


SUBJECTS = [*_optimizers(), *_trainer(), *_others()]
