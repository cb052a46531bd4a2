"""``convlet info``: what a report of a bug or of a speed should begin with."""

from __future__ import annotations

import platform

import click

from .. import _core, _settings

__all__ = ["info"]

_VERSIONS = {
    "compute_capability": "compute capability",
    "runtime_version": "CUDA",
    "driver_version": "driver for CUDA",
}


@click.command()
def info() -> None:
    """Show what convlet finds on this machine.

    The versions, the CPU with its instruction sets and the one in use, the threads, the CUDA device or the
    reason why there is none, and the folders that data is looked for in.
    """
    import numpy as np

    from .. import __version__

    facts = {
        "convlet": __version__,
        "Python": f"{platform.python_version()}, NumPy {np.__version__}, {platform.platform(terse=True)}",
        "CPU": _core.cpu_name(),
        "instruction set": f"{_core.isa()} of {', '.join(_core.available_isas())}",
        "bf16": "by AMX" if _core.has_bf16() else "none: it needs a CPU with AMX, on Linux",
        "threads": str(_core.get_threads()),
        "CUDA device": _cuda_device(),
        "data folders": ", ".join(map(str, _settings.data_dirs())),
    }
    width = max(map(len, facts))
    for name, fact in facts.items():
        click.echo(f"{name:<{width}}  {fact}")


def _cuda_device() -> str:
    if reason := _core.cuda_status():
        return f"none: {reason}"
    device = _core.cuda_info()
    versions = (f"{title} {'.'.join(map(str, device[name]))}" for name, title in _VERSIONS.items())
    return (
        f"{device['name']}{' (emulated, for tests)' if device['emulated'] else ''}, "
        f"{device['memory_bytes'] >> 20} MiB, {', '.join(versions)}"
    )
