"""What the figures were measured on: processor, cores, memory, system, versions.

out     plain values for JSON and one line for people; no name or path of the machine
"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from importlib import metadata
from pathlib import Path
from typing import Any

PACKAGES = ("polars", "pyarrow", "numpy", "numba", "duckdb", "confluent-kafka")


def describe() -> dict[str, Any]:
    """Return what is worth knowing beside a figure."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {
        "processor": _processor(),
        "cores": cores,
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "java": _java(),
        "packages": {name: found for name in PACKAGES if (found := version_of(name))},
        "load_1_min": round(os.getloadavg()[0], 2),
    }


def line(machine: dict[str, Any]) -> str:
    """Return it as a sentence."""
    packages = ", ".join(f"{name} {version}" for name, version in machine["packages"].items())
    java = f", Java {machine['java']}" if machine["java"] else ""
    return (
        f"{machine['cores']} cores of {machine['processor']}, {machine['memory_gib']} GiB,"
        f" {machine['system']}, Python {machine['python']}, {packages}{java};"
        f" load {machine['load_1_min']} at the start"
    )


def version_of(package: str) -> str | None:
    """Return the installed version of a package of this environment."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for text in cpuinfo.read_text().splitlines():
            if text.startswith("model name"):
                return " ".join(text.split(":", 1)[1].split())
    return platform.processor() or platform.machine()


def _java() -> str | None:
    program = shutil.which("java")
    if program is None:
        return None
    done = subprocess.run((program, "-version"), capture_output=True, text=True, check=False)
    words = done.stderr.split('"')
    return words[1] if len(words) > 1 else None
