"""``convlet train``: the article's run, from data to weights, figures and curves."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import click

from .. import _core, nn, plots, recipes
from .._device import resolve_device
from .._files import check_folder
from ..callbacks import PlateauDoctor
from ..checkpoint import Checkpoint, SavedNet, describe, load_checkpoint, save_checkpoint, save_net
from ..datasets import DIGITS, NAMES, Dataset
from ..distributed import BACKENDS, Team
from ..history import History, Row
from ..models import load_model
from ..trainer import PRECISIONS, Trainer
from . import options
from .data import background, data, load
from .failures import tell, told
from .folders import new_folder
from .model import described, image_shape, made, model
from .progress import Output, display
from .run_folder import CHECKPOINT, RunFolder
from .settings import IMAGE_SIZE, Settings, resolve, resolve_again
from .together import together

__all__ = ["train"]

_SMALLEST = 12  # side of an image that leaves LeNet's second pooling something


@click.command()
@data
@options.data_dir
@click.option("--recipe", type=click.Choice(list(recipes.RECIPES)), help="A published run's settings.")
@click.option("--epochs", metavar="N", type=options.POSITIVE, help="Passes over the training images.")
@click.option("--batch-size", metavar="N", type=options.POSITIVE, help="Images a step.")
@click.option("--lr", metavar="X", type=float, callback=options.finite, help="Learning rate.")
@model
@options.device
@options.threads
@click.option("--precision", type=click.Choice(PRECISIONS), help="Of products; bf16 needs a CPU with AMX.")
@click.option("--seed", metavar="N", type=click.IntRange(0, 2**64 - 1), help="Of the weights and the order.")
@click.option("--train-size", metavar="N", type=options.POSITIVE, help="Train on the first N images only.")
@click.option(
    "--image-size",
    metavar="HxW",
    callback=options.extent,
    help="What the pictures of a folder are stretched to; by default 28.",
)
@click.option("--colour/--gray", "colour", default=None, help="How the pictures of a folder are read.")
@click.option(
    "--augment",
    metavar="CHANGES",
    callback=options.augment,
    help="What is done at random to every image, as shift=2,rotation=10,flip,erase=8.",
)
@click.option("--out", metavar="DIR", type=click.Path(path_type=Path), help="Where the files go.")
@click.option("--resume", is_flag=True, help="Go on with the run in --out where it stopped.")
@click.option("--distributed", is_flag=True, help="Train with all processes that mpiexec has started.")
@click.option("--exact", is_flag=True, help="With --distributed: the bits of one process.")
@click.option(
    "--backend",
    type=click.Choice(BACKENDS),
    help="With --distributed on GPUs: what adds their gradients up; by default NCCL.",
)
def train(distributed: bool, exact: bool, backend: str | None, **given: Any) -> None:
    """Train the article's LeNet, or another net.

    Keeps its weights, figures and curves. Without options it follows the recipe d2l (10 epochs, batches of
    256, learning rate 0.9, seed 0) on the built-in digits, into runs/<time>-<data>. Folders of pictures,
    which mostly hold few, have the recipe modern: ReLU, maximum pooling, Adam.
    """
    if exact and not distributed:
        raise click.UsageError("--exact needs --distributed: one process is exact by itself")
    if backend and not distributed:
        raise click.UsageError("--backend needs --distributed: one process has nothing to add up")
    command = "convlet train --distributed" if distributed else None
    with together(command, exact, backend or "nccl") as team:
        _train(team, **given)


def _train(
    team: Team, device: str, threads: int | None, out: Path | None, resume: bool, **given: Any
) -> None:
    first = team.rank == 0  # it alone reads a checkpoint, writes files and shows how far the run is
    checkpoint: Checkpoint | None = None

    def settled() -> bytes:
        nonlocal checkpoint
        if out is None:
            raise click.UsageError("--resume needs --out, the folder of the run to go on with")
        checkpoint = load_checkpoint(out / CHECKPOINT)
        again = resolve_again(given, checkpoint, out / CHECKPOINT)
        return json.dumps([asdict(again), described(checkpoint)]).encode()

    values, notes = json.loads(team.from_first(settled)) if resume else (asdict(resolve(given)), {})
    settings = Settings(**values)
    share = team.threads()
    threads = threads or share or None
    with team.agreeing():
        if team.size == 1 or device != "auto":  # which is the CPU in a team
            device = resolve_device(device)
        _check_image(settings)
        folder = out or new_folder(Path(settings.data).name)
        source = None if settings.model is None or resume else load_model(settings.model)
        image = image_shape(source, notes, settings)
        train_set = load(settings.data, True, settings.data_dir, image, settings.train_size)
        test_set = load(settings.data, False, settings.data_dir, image)
        if first:
            check_folder(folder)
        net = made(source, notes, train_set, settings)
        optimizer = recipes.get(settings.recipe).optimizer(settings.lr)
        trainer = Trainer(net, optimizer, nn.CrossEntropyLoss(), device, threads, team, settings.precision)
        looks = {
            "data": settings.data,
            "background": background(train_set.images),
            "prepare": "digit" if settings.data in DIGITS else "resize",
        }
        saved = SavedNet(net, train_set.images.shape[1:], train_set.classes, looks)
    fit = partial(
        trainer.fit,
        train_set,
        test_set,
        settings.epochs,
        settings.batch_size,
        settings.seed,
        augment=settings.changes,
    )
    if not first:
        fit()
        return
    output = Output()
    output.say(
        f"{_title(settings)}, {net.parameter_count:,} parameters; "
        f"{train_set.name}, {len(train_set):,} images to train on and {len(test_set):,} to test with; "
        f"{_machine(trainer, threads, team)}"
    )
    _fit(trainer, fit, train_set, settings, RunFolder(folder), checkpoint, saved, output)
    output.check()


def _title(settings: Settings) -> str:
    return "LeNet" if settings.model is None else Path(settings.model).name


def _machine(trainer: Trainer, threads: int | None, team: Team) -> str:
    if trainer.device == "cuda":
        together = f", {team.size} ranks, {team.backend}" if team.size > 1 else ""
        return f"cuda, {_core.cuda_info()['name']}{together}"
    bf16 = " with bf16" if trainer.precision == "bf16" else ""
    used = f"{threads or _core.get_threads()} threads"
    return f"cpu, {used if team.size == 1 else f'{team.size} ranks, {used} each'}, {_core.isa()}{bf16}"


def _check_image(settings: Settings) -> None:
    """Bad usage is told before anything is loaded."""
    if settings.data in NAMES and settings.image != (1, *IMAGE_SIZE):
        raise click.UsageError(
            f"--image-size and --colour are for folders of pictures, not for {settings.data}"
        )
    if min(settings.image_size) < _SMALLEST:
        raise click.UsageError(f"--image-size: LeNet takes images of at least {_SMALLEST}x{_SMALLEST}")


def _fit(
    trainer: Trainer,
    fit: Callable[..., History],
    train_set: Dataset,
    settings: Settings,
    files: RunFolder,
    checkpoint: Checkpoint | None,
    saved: SavedNet,
    output: Output,
) -> None:
    """Train, with a checkpoint after every epoch and where Ctrl-C stops the run, and write what came out."""
    notes = {**describe(saved), **settings.note()}

    def state() -> Checkpoint:
        now = trainer.checkpoint()
        now.notes = notes
        return now

    try:
        with display(settings.epochs, len(train_set), output) as shown:

            def on_epoch(row: Row) -> None:
                files.save(state())
                shown.on_epoch(row)

            fit(
                resume=checkpoint,
                on_epoch=on_epoch,
                on_progress=shown.on_progress,
                callbacks=[PlateauDoctor(train_set, lambda text: click.echo(text, err=True))],
            )
        _finish(files, state(), saved, settings, output)
    except KeyboardInterrupt:
        if trainer.history.config:  # else it had not begun, and there is nothing new to keep
            _interrupted(files, state())
        raise


def _interrupted(files: RunFolder, checkpoint: Checkpoint) -> None:
    """Keep how far the run has come, and say how to go on."""
    try:
        files.keep(lambda folder: save_checkpoint(folder / CHECKPOINT, checkpoint))
        failure = files.failure
    except OSError as error:
        failure = error
    if failure is not None:
        tell(failure)
    if (files.path / CHECKPOINT).exists():
        click.echo(f"interrupted; to go on: convlet train --resume --out {files.path}", err=True)


def _finish(
    files: RunFolder, checkpoint: Checkpoint, saved: SavedNet, settings: Settings, output: Output
) -> None:
    """Write what the run has come to.

    Raises:
        OSError: it could not be written into the folder of the run; the message says where it is.
    """
    history = checkpoint.history
    told_in_full = History(history, {**asdict(settings), **history.config}, history.total_seconds)
    names = ["weights.safetensors", "history.json", CHECKPOINT]

    def write(folder: Path) -> None:
        save_net(folder / names[0], saved)
        told_in_full.save(folder / names[1])
        if folder != files.path or not files.up_to_date:
            save_checkpoint(folder / names[2], checkpoint)

    files.keep(write)
    try:
        plots.curves(history, files.path / "curves.png")
        names.append("curves.png")
    except (ImportError, OSError) as error:
        output.say(f"no curves.png: {told(error)}")
    output.say(f"{history.total_seconds:.1f} s; {', '.join(names)} in {files.path}")
    files.check("the run")
