from __future__ import annotations

import getpass
import json
import re
import socket
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import torch

from swarmformer import environment
from swarmformer.environment import code_revision, describe, device_name, resolve_device
from swarmformer.errors import SpecError
from tests.cards import pretend

ROOT = Path(__file__).parents[1]
CPU = torch.device("cpu")


def git(*arguments: str, cwd: Path) -> str:
    identity = ("-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false")
    return subprocess.run(
        ("git", *identity, *arguments), cwd=cwd, check=True, capture_output=True, text=True
    ).stdout.strip()


@pytest.fixture(autouse=True)
def git_is_asked_anew() -> Iterator[None]:
    """What one test found is not what the next one has."""
    environment._git_state.cache_clear()
    yield
    environment._git_state.cache_clear()


@pytest.fixture
def checkout(tmp_path, monkeypatch) -> Path:
    """A committed source tree that the package believes to be in."""
    root = tmp_path / "checkout"
    for name in ("swarmformer/__init__.py", "variants/a.yaml", "README.md"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("old\n")
    (root / ".gitignore").write_text("__pycache__/\n")
    git("init", "-q", cwd=root)
    git("add", ".", cwd=root)
    git("commit", "-q", "-m", "start", cwd=root)
    monkeypatch.setattr(environment, "_PACKAGE", root / "swarmformer")
    return root


def test_revision_of_a_clean_checkout(checkout):
    head = git("rev-parse", "HEAD", cwd=checkout)
    assert code_revision() == head[:12]
    assert describe(CPU)["git"] == {"revision": head, "dirty": False}


@pytest.mark.parametrize(
    ("changed", "dirty"),
    [
        ("swarmformer/__init__.py", True),
        ("swarmformer/components/new.py", True),
        ("experiments/new.py", True),
        ("variants/a.yaml", True),
        ("variants/new.yaml", True),
        ("README.md", False),
        ("runs/result.json", False),
        ("swarmformer/__pycache__/a.pyc", False),
    ],
)
def test_only_source_makes_dirty(changed, dirty, checkout):
    (checkout / changed).parent.mkdir(parents=True, exist_ok=True)
    (checkout / changed).write_text("new\n")
    assert code_revision().endswith("-dirty") == dirty
    assert describe(CPU)["git"]["dirty"] == dirty


def test_staged_and_deleted_source_is_dirty(checkout):
    (checkout / "variants/a.yaml").unlink()
    git("add", "-A", cwd=checkout)
    assert code_revision().endswith("-dirty")


def test_a_commit_made_meanwhile_is_not_what_runs(checkout):
    ran = git("rev-parse", "HEAD", cwd=checkout)
    assert describe(CPU)["git"] == {"revision": ran, "dirty": False}
    (checkout / "swarmformer/__init__.py").write_text("new\n")
    git("commit", "-qam", "more", cwd=checkout)
    assert git("rev-parse", "HEAD", cwd=checkout) != ran
    assert describe(CPU)["git"]["revision"] == ran and code_revision() == ran[:12]


def test_outside_a_checkout(tmp_path, monkeypatch):
    monkeypatch.setattr(environment, "_PACKAGE", tmp_path)
    assert code_revision() == "unknown"
    assert describe(CPU)["git"] is None


def test_installed_inside_someone_elses_checkout(checkout, monkeypatch):
    installed = checkout / ".venv/lib/swarmformer"
    installed.mkdir(parents=True)
    (installed / "__init__.py").write_text("")
    monkeypatch.setattr(environment, "_PACKAGE", installed)
    assert code_revision() == "unknown"


def test_git_variables_of_a_hook_do_not_mislead(checkout, tmp_path, monkeypatch):
    other = tmp_path / "other"
    other.mkdir()
    git("init", "-q", cwd=other)
    expected = code_revision()
    environment._git_state.cache_clear()
    monkeypatch.setenv("GIT_DIR", str(other / ".git"))
    monkeypatch.setenv("GIT_WORK_TREE", str(other))
    assert code_revision() == expected != "unknown"


def test_without_git(checkout, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert code_revision() == "unknown"


def test_description_is_json_and_tells_nobody(monkeypatch):
    text = json.dumps(describe(CPU), allow_nan=False)
    assert str(ROOT) not in text and str(Path.home()) not in text
    values = set(re.findall(r'"([^"]*)"', text))
    assert not values & {socket.gethostname(), getpass.getuser()}


def without_build(version: str) -> str:
    """A wheel of torch for CUDA is 2.11.0 to pip and 2.11.0+cu130 to itself."""
    return version.split("+")[0]


def test_description_of_this_machine():
    found = describe(CPU)
    assert without_build(found["packages"]["torch"]) == without_build(torch.__version__)
    assert found["machine"]["memory_bytes"] == psutil.virtual_memory().total
    assert 1 <= found["machine"]["usable_cores"] <= found["machine"]["logical_cores"]
    assert found["machine"]["cpu"]
    assert found["threads"]["intra_op"] == torch.get_num_threads()


def test_packages_are_the_dependencies():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    optional = project["optional-dependencies"]
    wanted = [*project["dependencies"], *optional["gpu"]]
    names = [re.match(r"[\w.-]+", requirement)[0] for requirement in wanted]
    assert sorted(environment.PACKAGES) == sorted(["swarmformer", *names])


def test_missing_package_is_null(monkeypatch):
    monkeypatch.setattr(environment, "PACKAGES", ("torch", "no-such-package-here"))
    found = describe(CPU)["packages"]
    assert found["no-such-package-here"] is None and list(found) == ["torch", "no-such-package-here"]


def test_device_name_on_cpu():
    assert re.fullmatch(rf"cpu: \S.* \({torch.get_num_threads()} threads\)", device_name(CPU))


@pytest.fixture
def cards(monkeypatch):
    """So many that CUDA can use; and that NVML knows of, which counts those of an old driver too."""

    def seem(count: int, known: int | None = None) -> None:
        pretend(monkeypatch, [("H100", (9, 0))] * count, known=known)

    return seem


@pytest.mark.parametrize(
    ("name", "count", "device"),
    [
        ("auto", 0, "cpu"),
        ("auto", 1, "cuda:0"),
        ("cpu", 2, "cpu"),
        ("cuda", 2, "cuda:0"),
        ("cuda:1", 2, "cuda:1"),
    ],
)
def test_resolve_device(name, count, device, cards):
    cards(count)
    assert resolve_device(name) == torch.device(device)


@pytest.mark.parametrize(
    ("name", "count", "message"),
    [
        ("cuda", 0, "device 'cuda'.*device=cpu"),
        ("cuda:1", 1, r"1 CUDA device\(s\)"),
        ("gpu", 1, "auto, cpu, cuda or cuda:N"),
        ("cuda:x", 1, "auto, cpu, cuda or cuda:N"),
        ("auto:0", 1, "auto, cpu, cuda or cuda:N"),
    ],
)
def test_device_that_cannot_be(name, count, message, cards):
    cards(count)
    with pytest.raises(SpecError, match=message):
        resolve_device(name)


@pytest.mark.parametrize(("driver", "words"), [("470.82.01", "has driver 470.82.01"), (None, "has no driver that")])
def test_a_driver_too_old_for_torch_leaves_the_cpu_and_is_named(driver, words, cards, monkeypatch, caplog):
    """The processes of a grid are told to ask NVML, which knows of the card all the same."""
    cards(0, known=1)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(environment, "_first_line", lambda *command: driver)
    assert resolve_device("auto") == CPU
    assert "although there is a GPU" in caplog.text and words in caplog.text
    with pytest.raises(SpecError, match=f"built for CUDA 13.0, and this machine {words}.*device=cpu"):
        resolve_device("cuda")


@pytest.mark.parametrize(
    ("named", "driver", "warns"),
    [(None, "570.1", True), ("0,1", "570.1", True), (None, None, False), ("", "570.1", False), ("-1", "570.1", False)],
)
def test_a_card_that_a_torch_without_cuda_cannot_use_is_told(named, driver, warns, cards, monkeypatch, caplog):
    cards(0)
    monkeypatch.setattr(torch.version, "cuda", None)
    monkeypatch.setattr(environment, "_first_line", lambda *command: driver)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", named or "")
    if named is None:
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    assert resolve_device("auto") == CPU
    assert ("built without CUDA" in caplog.text) is warns


@pytest.mark.parametrize(
    ("capability", "built", "runs"),
    [
        ((8, 6), "sm_80", True),
        ((8, 0), "sm_86", False),
        ((9, 0), "sm_80", False),
        ((9, 0), "compute_80", True),
        ((7, 0), "sm_75 compute_75", False),
        ((9, 0), "sm_90a", True),
        ((12, 1), "sm_120", True),
        ((12, 0), "compute_90a", False),
        ((10, 3), "sm_100f", True),
        ((12, 0), "sm_100f compute_100f", False),
        ((6, 1), "", True),
    ],
)
def test_a_card_that_torch_has_no_kernels_for_is_refused(capability, built, runs, monkeypatch):
    """By NVIDIA's rules of compatibility; what a torch was built for that does not tell, nobody knows."""
    pretend(monkeypatch, [("Card", capability)], archs=built.split())
    if runs:
        assert resolve_device("cuda") == resolve_device("auto") == torch.device("cuda", 0)
        return
    assert resolve_device("auto") == CPU
    words = f"Card has compute capability {capability[0]}.{capability[1]}, .*install one.*CUDA_VISIBLE_DEVICES"
    with pytest.raises(SpecError, match=words):
        resolve_device("cuda")


def test_auto_is_the_first_card_that_has_kernels(monkeypatch):
    pretend(monkeypatch, [("GTX 1080", (6, 1)), ("RTX 3090", (8, 6))], archs=["sm_80"])
    assert resolve_device("auto") == torch.device("cuda", 1)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_cuda_device():
    found = describe(torch.device("cuda", 0))["device"]
    assert found["name"] == f"cuda: {torch.cuda.get_device_name(0)}" and found["memory_bytes"] > 2**30
