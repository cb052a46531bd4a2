"""The trainer."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import asdict
from typing import Any, SupportsFloat

import numpy as np
from numpy.typing import NDArray

from .. import _core
from .._arrays import Array, Images, Labels, choice, flag, integer
from .._device import resolve_device
from .._settings import MOST_THREADS
from ..augment import Augment
from ..checkpoint import Checkpoint
from ..distributed import nccl, team_of
from ..history import History, Row
from ..nn import CrossEntropyLoss, Dropout, Sequential
from ..nn.engines import Engine, machine_of
from ..optim import Optimizer
from .callback import Callback, StopTraining, callbacks_of, running, tell_epoch
from .case import Case, Data, cases_of
from .epoch import Epoch, Progress, epoch_order
from .together import check_equal_runs, check_equal_weights, follow_first

__all__ = ["PRECISIONS", "Trainer"]

PRECISIONS = ("float32", "bf16")
_POINTS = 5  # running figures that the history keeps of each epoch, as many as the book draws


class Trainer:
    """Trains a classifier.

    Args:
        net: updated in place.
        optimizer: keeps its state from one :meth:`fit` to the next.
        loss: what is minimised.
        device: ``"cpu"``, ``"cuda"``, or ``"auto"`` for the GPU where one can be used. The net's parameters
            stay in the computer's memory, true after every epoch; images and labels are copied to the GPU
            once, at the beginning of :meth:`fit`. In a team ``"auto"`` is the CPU; with ``"cuda"`` the
            processes of a host take its GPUs in turn.
        threads: of the CPU; ``None`` for the library's default. The result does not depend on them.
        communicator: of mpi4py, or a :class:`convlet.distributed.Team`, for several processes that train one
            net together. Each makes the same calls with the same data and settings, starts from the weights
            of rank 0, and ends with the same net and the same figures.
        precision: ``"float32"``, or ``"bf16"`` for faster steps on a CPU with AMX: products of values rounded
            to bf16 (8 significant bits), with float32 sums, in convolutions and dense layers, forward and
            backward, the tests after each epoch included. Parameters, activations, losses, updates and the
            weight gradients of dense layers stay float32, as do convolutions with strides or groups, and
            ``net(x)``. The same bits for any number of threads.

    Raises:
        TypeError: an argument of another type.
        ValueError: an unknown device or precision, a number of threads out of 1..1024, or ``"bf16"`` where
            there is none.
        RuntimeError: ``device="cuda"`` where it cannot be used; the message says why.
    """

    history: History
    """The figures of the last run, a row an epoch."""

    def __init__(
        self,
        net: Sequential,
        optimizer: Optimizer,
        loss: CrossEntropyLoss,
        device: str = "auto",
        threads: int | None = None,
        communicator: object = None,
        precision: str = "float32",
    ) -> None:
        kinds = {
            "net": (net, Sequential),
            "optimizer": (optimizer, Optimizer),
            "loss": (loss, CrossEntropyLoss),
        }
        for name, (value, kind) in kinds.items():
            if not isinstance(value, kind):
                raise TypeError(
                    f"Trainer: expected {name} of type {kind.__name__}, got {type(value).__name__}"
                )
        self.net, self.optimizer, self.loss = net, optimizer, loss
        self.threads = 0 if threads is None else integer("Trainer", "threads", threads, high=MOST_THREADS)
        self.team = team_of(communicator)
        self.precision = choice("Trainer", "precision", precision, PRECISIONS)
        if device == "auto" and (self.team.size > 1 or self.precision == "bf16"):
            device = "cpu"
        self.device = resolve_device(device)
        self._on_gpus = self.team.size > 1 and self.device == "cuda"
        if self._on_gpus and self.team.exact:
            raise ValueError("Trainer: expected device 'cpu' for a team with exact=True, got 'cuda'")
        if self.precision == "bf16" and self.device == "cuda":
            raise ValueError("Trainer: expected device 'cpu' for precision 'bf16', got 'cuda'")
        if self.precision == "bf16" and not _core.has_bf16():
            raise ValueError("Trainer: expected a CPU with AMX, on Linux, for precision 'bf16', got another")
        self.history = History()
        self._epoch = Epoch(0, optimizer.steps_done)

    def fit(
        self,
        train: Data,
        validation: Data | SupportsFloat | None = None,
        epochs: int = 10,
        batch_size: int = 256,
        seed: int = 0,
        shuffle: bool = True,
        *,
        augment: Augment | None = None,
        resume: Checkpoint | None = None,
        on_epoch: Callable[[Row], object] | None = None,
        on_progress: Callable[[Progress], object] | None = None,
        callbacks: Sequence[Callback] = (),
    ) -> History:
        """Train on every image once an epoch, and test after each epoch.

        Args:
            train: a data set, or ``(images, labels)``: uint8 or floating-point images as the net takes them,
                and an integer label for each.
            validation: what to test with; or a share of ``train``, as 0.1, that is set apart for it, from
                each class alike and at random from ``seed`` (:func:`convlet.datasets.stratified_split`).
            epochs: how many in all; a resumed run makes those that are missing.
            batch_size: images a step; the last batch of an epoch may be smaller.
            seed: of the order of the images, :func:`convlet.trainer.epoch_order`, of what :class:`nn.Dropout`
                drops and of the augmentation.
            shuffle: whether the images have an order of their own in each epoch, or always the given one.
            augment: what is done at random to the images that are trained on; those that are tested with stay
                as they are.
            resume: where another run stopped. The net, the optimizer and the history go on from there, to
                the same bits as if the run had never stopped. In a team that of rank 0 counts, and the team
                may be of another size than before.
            on_epoch: called with each new row; it may call :meth:`checkpoint`.
            on_progress: called about every 50 ms between two steps.
            callbacks: called after these two, in their order; see :mod:`convlet.callbacks`. A callback, or
                one of these two, ends the run by raising ``convlet.callbacks.StopTraining``.

        Returns:
            The history, which is also :attr:`history`.

        Raises:
            KeyboardInterrupt: within 0.2 s of Ctrl-C. The net is that of the last whole step, and
                :meth:`checkpoint` tells how to go on. The same holds for whatever a callback raises.
            TypeError: an argument of another type.
            ValueError: an argument out of range, images and labels that do not fit each other or the net, or
                a checkpoint of a run with other settings.
            RuntimeError: another thread, or a call of :meth:`fit` around this one, is training the net or a
                layer of it.
        """
        with self.team.guarded(), ExitStack() as meanwhile:
            share = self.team.threads()
            self.team.check_same("fit", {"device": self.device})
            if self._on_gpus:
                nccl.take_gpu(self.team)
            with self.team.agreeing():
                epochs = integer("fit", "epochs", epochs)
                batch_size = integer("fit", "batch_size", batch_size)
                seed, shuffle = integer("fit", "seed", seed, 0, 2**64 - 1), flag("fit", "shuffle", shuffle)
                if resume is not None and not isinstance(resume, Checkpoint):
                    raise TypeError(f"fit: expected resume of type Checkpoint, got {type(resume).__name__}")
                if augment is not None and not isinstance(augment, Augment):
                    raise TypeError(f"fit: expected augment of type Augment, got {type(augment).__name__}")
                told = callbacks_of(callbacks, on_epoch, on_progress)
                case, test = cases_of(train, validation, self.net, self.loss, seed)
                meanwhile.enter_context(self.net.structure.slots.trained_alone("fit"))
                shape = case.images.shape[1:]
                if augment is not None and len(shape) != 3:
                    raise ValueError(f"fit: expected images (N, C, H, W) to augment, got (N, {shape[0]})")
                engine = self._engine(shape, share)
                settings = self._settings(case, batch_size, seed, shuffle, augment)
                self._start(settings, resume if self.team.rank == 0 else None)
                ways = nccl.facts(self.team) if self._on_gpus else {}
            means = {"epochs": epochs, "device": self.device, **ways}
            check_equal_runs(self.team, self.net, case, test, {**settings, **means})
            tested_with = {"validation_images": 0 if test is None else len(test.labels)}
            machine = {**machine_of(engine), **self.team.config()}
            self.history.config = {**settings, **tested_with, **means, **machine}
            checkpoint = follow_first(self.team, self.checkpoint)
            if checkpoint is not None:
                self._start(settings, checkpoint)
            chance = seed, None if augment is None else augment.spec()
            started = time.perf_counter() - self.history.total_seconds
            try:
                with running(self, told), self._connected(engine):
                    while len(self.history) < epochs:
                        row = self._run_epoch(engine, case, test, epochs, chance, told)
                        self.history.append(row)  # the epoch is over, wherever an interrupt comes
                        self.history.total_seconds = time.perf_counter() - started
                        with self.team.agreeing():
                            tell_epoch(told, row, self)
            except StopTraining:
                pass
            finally:
                self.history.total_seconds = time.perf_counter() - started
            return self.history

    def checkpoint(self) -> Checkpoint:
        """A copy of all that :meth:`fit` needs to go on from here, ``fit(..., resume=trainer.checkpoint())``.

        It may be taken after :meth:`fit`, whether that ended or was interrupted, and in ``on_epoch``.
        """
        epoch, history = self._epoch, self.history
        if epoch.number != len(history):  # it is over, and the next has not begun
            epoch = Epoch(len(history), self.optimizer.steps_done)
        return Checkpoint(
            weights=self.net.state_dict(),
            optimizer=self.optimizer.state_dict(),
            epoch=epoch.number,
            totals=epoch.totals.copy(),
            seconds=epoch.seconds,
            history=History(history, history.config, history.total_seconds, history.within),
        )

    def _engine(self, shape: tuple[int, ...], share: int) -> Engine:
        plan = self.net.plan(shape)
        if self.device == "cuda":
            return _core.CudaEngine(plan)
        return _core.Engine(plan, self.threads or share, self.precision)

    def _connected(self, engine: Engine) -> AbstractContextManager[None]:
        if self._on_gpus and isinstance(engine, _core.CudaEngine):
            return nccl.connected(self.team, engine)
        return nullcontext()

    def _run_epoch(
        self,
        engine: Engine,
        case: Case,
        test: Case | None,
        epochs: int,
        chance: tuple[int, dict[str, Any] | None],
        callbacks: Sequence[Callback],
    ) -> Row:
        """What is left of an epoch, and its test."""
        config, count, number = self.history.config, len(case.labels), len(self.history)
        steps = -(-count // config["batch_size"])
        if self._epoch.number != number:
            self._epoch = Epoch(number, self.optimizer.steps_done)
        order = epoch_order(count, config["seed"], number) if config["shuffle"] else np.arange(count)
        first, stop = number * steps + int(self._epoch.totals[0]), (number + 1) * steps
        rates = self.optimizer.learning_rates(first, stop - first, epochs * steps, steps)
        work = case.images, case.labels, order[self._epoch.images :], config["batch_size"], rates
        with self.net.flat_parameters() as parameters:
            with self.team.agreeing():
                self._train(engine, parameters, case, work, chance, callbacks)
            check_equal_weights(self.team, parameters, number + 1)
            tested = test and self._test(engine, parameters, test)
        return self._epoch.row(case, tested)

    def _train(
        self,
        engine: Engine,
        parameters: Array,
        case: Case,
        work: tuple[Images, Labels, Labels, int, NDArray[np.float64]],
        chance: tuple[int, dict[str, Any] | None],
        callbacks: Sequence[Callback],
    ) -> None:
        """What is left of the epoch, in one call of the engine.

        Args:
            engine: that computes.
            parameters: updated in place.
            case: what is trained on.
            work: images, labels, what is left of the order, batch size, learning rates.
            chance: the seed and the augmentation.
            callbacks: told now and then how far it is.
        """
        epoch, within, count = self._epoch, self.history.within, len(case.labels)
        if epoch.images == count:  # the run had stopped between the last step and the test
            return
        started = time.perf_counter() - epoch.seconds

        def tick() -> None:
            self.team.check_interrupt()
            epoch.seconds = time.perf_counter() - started
            progress = epoch.progress(case)
            done = epoch.number + progress.images / count
            last = max(epoch.number, within[-1][0] if within else 0.0)
            if progress.images < count and int(_POINTS * done) > int(_POINTS * last):
                within.append((done, progress.train_loss, progress.train_accuracy))
            for callback in callbacks:
                callback.on_progress(progress, self)

        state, optimizer = self.optimizer.state_arrays(parameters.size), self.optimizer.spec()
        try:
            team = self.team if self.team.size > 1 else None
            run = parameters, state, *work, optimizer, self.loss.spec(), epoch.totals, tick
            engine.train(*run, *chance, team)
        finally:
            epoch.seconds = time.perf_counter() - started
            self.optimizer.steps_done = epoch.steps_before + int(epoch.totals[0])

    def _test(self, engine: Engine, parameters: Array, test: Case) -> tuple[float, float]:
        part = slice(None) if self.team.exact else self.team.part(len(test.labels))
        with self.team.agreeing():
            found = engine.evaluate(parameters, test.images[part], test.labels[part], self.loss.spec())
        sums = np.array(found)
        if not self.team.exact:
            self.team.allreduce(sums)
        loss, correct = sums.tolist()
        return loss / test.loss_divisor, correct / (len(test.labels) * test.counted_share)

    def _settings(
        self, case: Case, batch_size: int, seed: int, shuffle: bool, augment: Augment | None
    ) -> dict[str, Any]:
        """What the bits of a run depend on, as JSON gives it back."""
        optimizer, schedule = self.optimizer.state_dict(), self.optimizer.schedule
        settings = {
            "images": case.images.shape,
            "batch_size": batch_size,
            "seed": seed,
            "shuffle": shuffle,
            "optimizer": {"kind": optimizer["kind"], **optimizer["settings"]},
            "schedule": getattr(schedule, "__qualname__", None) or (schedule and repr(schedule)),
            "loss": repr(self.loss),
            "dropout": self._drops() or None,
            "augment": augment and asdict(augment),
            "precision": None if self.precision == "float32" else self.precision,
        }
        return dict(json.loads(json.dumps(settings)))

    def _drops(self) -> dict[str, float]:
        """The share that each layer drops, of those that do."""
        ops = self.net.ops().items()
        return {name: op.p for name, op in ops if isinstance(op, Dropout) and op.training}

    def _start(self, settings: dict[str, Any], resume: Checkpoint | None) -> None:
        """A new run, or another one from where it stopped."""
        if resume is None:
            self.history, self._epoch = History(), Epoch(0, self.optimizer.steps_done)
            return
        history = resume.history
        for name, value in settings.items():
            if history.config.get(name) != value:
                raise ValueError(f"fit: the run to resume had {name} {history.config.get(name)}, got {value}")
        steps, images = resume.totals[:2].tolist()
        if not 0 <= images <= settings["images"][0] or steps != -(-images // settings["batch_size"]):
            raise ValueError(f"fit: the run to resume made {steps:g} steps with {images:g} images")
        self.net.load_state_dict(resume.weights)
        self.optimizer.load_state_dict(resume.optimizer)
        totals = resume.totals.copy()
        self._epoch = Epoch(resume.epoch, self.optimizer.steps_done - int(steps), totals, resume.seconds)
        self.history = History(history, history.config, history.total_seconds, history.within)
