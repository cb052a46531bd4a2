"""``convlet info``: what a report of a bug or of a speed should begin with."""

from __future__ import annotations

import platform

import click

from .. import _core, _settings

__all__ = ["info"]


@click.command()
def info() -> None:
    """Show what convlet finds on this machine.

    The versions, the CPU with its instruction sets and the one in use, the threads, the CUDA device or the
    reason why there is none, and the folders that data is looked for in.
    """
    import numpy as np

    from .. import __version__

    reason = _core.cuda_status()
    facts = {
        "convlet": __version__,
        "Python": f"{platform.python_version()}, NumPy {np.__version__}, {platform.platform(terse=True)}",
        "CPU": _core.cpu_name(),
        "instruction set": f"{_core.isa()} of {', '.join(_core.available_isas())}",
        "threads": str(_core.get_threads()),
        "CUDA device": f"none: {reason}" if reason else _core.cuda_device(),
        "data folders": ", ".join(map(str, _settings.data_dirs())),
    }
    width = max(map(len, facts))
    for name, fact in facts.items():
        click.echo(f"{name:<{width}}  {fact}")
