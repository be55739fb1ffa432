"""What a result was made with: versions, source revision, machine, device.

Everything is a JSON value, and nothing tells who ran it or where: no host names, user names or paths.
"""

from __future__ import annotations

import logging
import os
import platform
import re
import subprocess
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

import psutil
import torch

from swarmformer.errors import SpecError

PACKAGES = (
    "swarmformer",
    "torch",
    "einops",
    "numpy",
    "safetensors",
    "huggingface-hub",
    "pydantic",
    "PyYAML",
    "rich",
    "filelock",
    "tokenizers",
    "datasets",
    "pyarrow",
    "scikit-learn",
    "scipy",
    "pyDOE3",
    "jinja2",
    "pandas",
    "matplotlib",
    "adjustText",
    "psutil",
    "sacred",
    "docopt-ng",
    "setuptools",
    "xformers",
)
"""This package, its dependencies and the optional packages that can change a number."""

SOURCE_FOLDERS = ("swarmformer", "experiments", "variants")
"""Folders whose content can change a result; edits elsewhere do not make a revision dirty."""

NOT_SOURCE = ("experiments/grids",)
"""A new grid file changes no result: what it asks for is in the run key."""

INSTALL = "https://pytorch.org/get-started/previous-versions"
"""Which torch is built for which CUDA, and so for which cards."""

logger = logging.getLogger("swarmformer")
_PACKAGE = Path(__file__).resolve().parent
_REDIRECTING = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX")
_GIT_TIMEOUT_S = 10.0


def resolve_device(name: str) -> torch.device:
    """``auto``, ``cpu``, ``cuda`` or ``cuda:N`` → a device with its index.

    ``auto`` is the first CUDA device that this torch has kernels for, else the CPU: with a warning where there are
    cards. From here on the process must not be forked, unless it was told ``cpu``.

    Raises:
        SpecError: another name, or a CUDA device that this machine does not have or this torch has no kernels for.
    """
    if name == "cpu":
        return torch.device("cpu")
    if name == "auto":
        return _first_device()
    match = re.fullmatch(r"cuda(?::(\d+))?", name)
    if match is None:
        raise SpecError(f"unknown device {name!r}. Use auto, cpu, cuda or cuda:N")
    index, count = int(match[1] or 0), count_gpus()
    if not count:
        raise SpecError(f"device {name!r}: {_why_no_cuda()}. Use device=cpu or device=auto")
    if index >= count:
        raise SpecError(f"device {name!r}: this machine has {count} CUDA device(s), cuda:0 to cuda:{count - 1}")
    if words := lacks_kernels(index):
        raise SpecError(f"device {name!r}: {words}, name other cards in CUDA_VISIBLE_DEVICES, or use the device cpu")
    return torch.device("cuda", index)


def _first_device() -> torch.device:
    lacking = [lacks_kernels(index) for index in range(count_gpus())]
    if "" in lacking:
        return torch.device("cuda", lacking.index(""))
    if lacking or _has_cards():
        words = "auto takes the CPU although there is a GPU: %s. Ask for the device cpu if that is meant"
        logger.warning(words, lacking[0] if lacking else _why_no_cuda())
    return torch.device("cpu")


def _has_cards() -> bool:
    """Asked where CUDA counts none: whether NVML counts any, and nobody has hidden them."""
    hidden = os.environ.get("CUDA_VISIBLE_DEVICES", "0").split(",")[0].strip() in ("", "-1")
    return not hidden and (torch.cuda.device_count() > 0 or _driver() is not None)


def _why_no_cuda() -> str:
    if torch.version.cuda is None:
        return f"this torch ({torch.__version__}) was built without CUDA ({INSTALL} has others)"
    driver = _driver()
    has = f"has driver {driver}" if driver else "has no driver that nvidia-smi knows of"
    return (
        f"torch finds no CUDA device that it can use: it was built for CUDA {torch.version.cuda}, and this machine "
        f"{has} (see nvidia-smi and CUDA_VISIBLE_DEVICES; too old a driver needs an update, or another torch)"
    )


def count_gpus() -> int:
    """CUDA devices, asked of CUDA itself: NVML, which ``torch.cuda.is_available`` asks under
    PYTORCH_NVML_BASED_CUDA_CHECK, counts what a driver has that may be too old for this torch. From here on the process
    must not be forked."""
    return torch._C._cuda_getDeviceCount() if torch.cuda.is_available() else 0


def lacks_kernels(index: int) -> str:
    """Why this torch cannot compute on a card, and what to install; nothing where it can. Initialises CUDA."""
    built = torch.cuda.get_arch_list() if torch.version.cuda else []
    if not built:
        return ""
    major, minor = torch.cuda.get_device_capability(index)
    if any(_runs_on(arch, major, minor) for arch in built):
        return ""
    return (
        f"{torch.cuda.get_device_name(index)} has compute capability {major}.{minor}, for which this torch "
        f"({torch.__version__}: {', '.join(built)}) has no kernels; install one that was built for it ({INSTALL})"
    )


def _runs_on(arch: str, major: int, minor: int) -> bool:
    """Machine code (``sm_XY``) runs on its major version from its minor on, PTX (``compute_XY``) on all that is later;
    what ends in a is for one version alone, and in f for its family."""
    match = re.fullmatch(r"(sm|compute)_(\d+)(\d)([af]?)", arch)
    if match is None:
        return False
    built, card = (int(match[2]), int(match[3])), (major, minor)
    if match[4] == "a":
        return built == card
    return built <= card and (built[0] == major or (match[1] == "compute" and not match[4]))


def _driver() -> str | None:
    return _first_line("nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader")


def use_threads(threads: int) -> None:
    """Have torch compute with so many threads from here on; 0 leaves its default."""
    if threads:
        torch.set_num_threads(threads)


def device_name(device: torch.device) -> str:
    """One line for tables: ``cpu: AMD EPYC (2 threads)`` or ``cuda: NVIDIA H100 80GB HBM3``."""
    if device.type == "cuda":
        return f"cuda: {torch.cuda.get_device_name(device)}"
    return f"cpu: {_cpu_model()} ({torch.get_num_threads()} threads)"


def code_revision() -> str:
    """Short hash of the checkout this package is in, with ``-dirty`` where its source differs.

    ``unknown`` where the package is not tracked by git (installed from a wheel) or git is missing.
    """
    state = _git_state()
    if state is None:
        return "unknown"
    return state["revision"][:12] + ("-dirty" if state["dirty"] else "")


def describe(device: torch.device) -> dict[str, Any]:
    """The content of ``environment.json``."""
    return {
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "platform": platform.platform(),
        "packages": {name: _version(name) for name in PACKAGES},
        "git": _git_state(),
        "machine": describe_machine(),
        "threads": {"intra_op": torch.get_num_threads(), "inter_op": torch.get_num_interop_threads()},
        "device": describe_device(device),
    }


def describe_machine() -> dict[str, Any]:
    """Processor, cores (in the machine, and open to this process), memory, load over 1, 5, 15 minutes."""
    return {
        "cpu": _cpu_model(),
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        "logical_cores": psutil.cpu_count(logical=True),
        "usable_cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None,
        "memory_bytes": psutil.virtual_memory().total,
        "load_average": list(psutil.getloadavg()),
    }


def describe_device(device: torch.device) -> dict[str, Any]:
    """The device, and what its fp32 matrix products and convolutions may run in."""
    if device.type != "cuda":
        return {"type": device.type, "name": device_name(device), "matmul_precision": matmul_precision(device)}
    properties = torch.cuda.get_device_properties(device)
    return {
        "type": device.type,
        "name": device_name(device),
        "memory_bytes": properties.total_memory,
        "compute_capability": f"{properties.major}.{properties.minor}",
        "driver": _driver(),
        "cuda": torch.version.cuda,
        "cudnn": torch.backends.cudnn.version(),
        "matmul_precision": matmul_precision(device),
        "convolution_precision": torch.backends.cudnn.conv.fp32_precision,  # type: ignore[attr-defined]
    }


def matmul_precision(device: torch.device) -> str:
    """What fp32 matrix products may run in: ``none`` and ``ieee`` mean fp32 itself; else tf32 or bf16."""
    backend = torch.backends.cuda if device.type == "cuda" else torch.backends.mkldnn
    return backend.matmul.fp32_precision  # type: ignore[attr-defined]


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _cpu_model() -> str:
    """Brand of the processor; the architecture where the system does not tell."""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        match = re.search(r"^model name\s*:\s*(.+)$", cpuinfo.read_text(), re.MULTILINE)
        brand = match[1].strip() if match else None
    elif platform.system() == "Darwin":
        brand = _first_line("sysctl", "-n", "machdep.cpu.brand_string")
    else:
        brand = platform.processor()
    return brand or platform.machine()


@cache
def _git_state() -> dict[str, Any] | None:
    """Of this package's checkout, asked once in a process: a commit made while it runs is not the code that runs."""
    # A virtual environment may lie inside another project's checkout: only a tracked file tells that
    # the revision is this package's own.
    if _git("ls-files", "--error-unmatch", "__init__.py", cwd=_PACKAGE) is None:
        return None
    root = _PACKAGE.parent
    revision = _git("rev-parse", "HEAD", cwd=root)
    places = (*SOURCE_FOLDERS, *(f":(exclude){folder}" for folder in NOT_SOURCE))
    changes = _git("status", "--porcelain", "--untracked-files=all", "--", *places, cwd=root)
    if revision is None or changes is None:
        return None
    return {"revision": revision, "dirty": changes != ""}


def _git(*arguments: str, cwd: Path) -> str | None:
    # A git hook sets variables that point to its own repository; and looking must not take the index
    # lock from someone who commits.
    environment = {key: value for key, value in os.environ.items() if key not in _REDIRECTING}
    return _output("git", *arguments, cwd=cwd, environment={**environment, "GIT_OPTIONAL_LOCKS": "0"})


def _first_line(*command: str) -> str | None:
    text = _output(*command)
    return text.splitlines()[0] if text else None


def _output(*command: str, cwd: Path | None = None, environment: dict[str, str] | None = None) -> str | None:
    """What a command prints, or None where it is missing, fails or hangs."""
    try:
        done = subprocess.run(
            command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=_GIT_TIMEOUT_S, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
