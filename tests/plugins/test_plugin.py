"""A plug-in package as a stranger would write it: built, installed, found, checked, trained; and broken ones."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from reports.study.build import study
from tests.processes import ROOT, Done, run_forked

EXAMPLE = ROOT / "examples" / "plugin"
BROKEN = {
    "local.no_module": ("broken_nowhere:Thing", "ModuleNotFoundError: No module named 'broken_nowhere'"),
    "local.wrong_base": ("broken_parts:NotALocal", "it must subclass swarmformer.contracts.local.Local"),
    "local.open_options": ("broken_parts:OpenOptions", "**more"),
    "local.rolling_shift": ("broken_parts:Shadow", "is also the name of"),
}
BROKEN_PARTS = '''
from swarmformer.contracts import Dims, Local


class NotALocal:
    pass


class OpenOptions(Local):
    """Takes anything."""

    def __init__(self, dims: Dims, **more) -> None:
        super().__init__()

    def forward(self, x_BND, mask_BN=None, norm=None):
        return x_BND

    def flops(self, B, N):
        return 0


class Shadow(Local):
    """Wants the name of a built-in."""

    def __init__(self, dims: Dims) -> None:
        super().__init__()

    forward, flops = OpenOptions.forward, OpenOptions.flops
'''


BROKEN_FILES = {
    "base.yaml": "description: mine\n",
    "typo.yaml": "base: bse\n",
    "with-minus.yaml": "base: base\n",
    "mean_field.yaml": "base: base\n",
    "factors.yaml": "windowed: {description: mine, patch: {}}\nhalf: {patch: {}}\n",
    "grids/demo.yaml": "description: mine\n",
}
FAULTS = (
    "variant 'base' of broken-parts 1.0 (broken_parts_folder) is also the name of one of built-in",
    "unknown variant 'bse'. Did you mean 'base'",
    "'+' and '-' add and take out factors",
    "variant 'mean_field' of broken-parts 1.0 (broken_parts_folder) is also the name of one of swarmformer-mean-field",
    "factor 'windowed' of broken-parts 1.0 (broken_parts_folder) is also the name of one of built-in",
    "half: a factor has exactly a description and a patch",
    "grid 'demo' of broken-parts 1.0 (broken_parts_folder) is also the name of one of built-in",
    "CANNOT BE READ: broken-parts 1.0 (broken_nowhere.variants): broken_nowhere.variants is no folder",
)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of installed packages with the example in it, built into a wheel first."""
    scratch = tmp_path_factory.mktemp("plugin")
    source = shutil.copytree(EXAMPLE, scratch / "source", ignore=shutil.ignore_patterns("__pycache__", ".pytest_cache"))
    offline = ["--no-deps", "--no-build-isolation", "--no-index", "--disable-pip-version-check", "--quiet"]
    build = [sys.executable, "-m", "pip", "wheel", *offline, "--wheel-dir", str(scratch / "dist"), str(source)]
    subprocess.run(build, check=True, timeout=120)
    (wheel,) = (scratch / "dist").glob("*.whl")
    install = [sys.executable, "-m", "pip", "install", *offline, "--target", str(scratch / "site"), str(wheel)]
    subprocess.run(install, check=True, timeout=120)
    return scratch / "site"


def run(site: Path, *command: str, folder: Path = ROOT) -> Done:
    """Python with the installed plug-ins and this checkout."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(site), str(ROOT)])}
    return run_forked("python", *command, cwd=folder, env=environment)


def swarmformer(site: Path, *words: str) -> Done:
    return run(site, "-m", "swarmformer.cli", *words)


def test_it_is_listed_with_its_package_and_its_options(site: Path) -> None:
    done = swarmformer(site, "components", "cluster")
    assert done.returncode == 0, done.stderr
    block = done.stdout.partition("cluster.mean_field")[2]
    assert "swarmformer-mean-field 0.1.0 (swarmformer_mean_field:MeanField)" in block
    assert "without attention" in block and "dropout" in block


def test_a_variant_uses_it(site: Path) -> None:
    done = swarmformer(site, "show", "mean_field")
    assert done.returncode == 0, done.stderr
    assert "mean_field" in done.stdout and "swarmformer-mean-field" in done.stdout


def test_its_factor_and_its_grid_are_found_by_name(site: Path, tmp_path: Path) -> None:
    done = swarmformer(site, "variants")
    assert done.returncode == 0, done.stderr
    origin = r"  \[swarmformer-mean-field 0\.1\.0 \(swarmformer_mean_field\.variants\)\]"
    assert len(re.findall(rf"^mean_field +\w.*{origin}$", done.stdout, re.MULTILINE)) == 3, "variant, factor, grid"
    assert "CANNOT BE" not in done.stdout
    shown = swarmformer(site, "show", "base+layer_norm+mean_field")
    assert shown.returncode == 0 and "cluster.mean_field" in shown.stdout
    plan = run(site, "-m", "experiments.grid", "plan", "mean_field", "--runs", str(tmp_path))
    assert plan.returncode == 0, plan.stderr
    assert "2 arms × 3 seeds = 6 cells" in plan.stdout


GRID = """
base: base
arms: [{name: base, variant: base}, {name: mine, variant: mean_field}]
seeds: [0, 1]
primary: {metric: accuracy, margin: 1.0}
model: {dims: {d_model: 16, seq_len: 32}}
data:
  task: {name: listops, num_train: 40, num_validation: 10, num_test: 40, min_length: 6, max_length: 32, max_depth: 3}
train: {max_steps: 2, batch_size: 8}
floors: false
"""


def test_a_grid_holds_its_arm_against_one_without_it_and_tells_of_a_changed_source(site: Path, tmp_path: Path) -> None:
    site = shutil.copytree(site, tmp_path / "site")
    (tmp_path / "own.yaml").write_text(GRID)
    grid = ["-m", "experiments.grid", "run", str(tmp_path / "own.yaml"), "--runs", str(tmp_path), "--device", "cpu"]
    done = run(site, *grid)
    assert done.returncode == 0, done.stderr
    (seen,) = study([tmp_path / "own"]).grids
    contrast = seen.contrast("difference", "mine", "base")
    assert contrast is not None and contrast.n == 2 and seen.others == ()
    source = site / "swarmformer_mean_field" / "__init__.py"
    source.write_text(source.read_text().replace("self.own(n_BCD) + ", "self.own(n_BCD) - "))
    again = run(site, *grid)
    assert again.returncode == 0, again.stderr
    told = [line for line in again.stderr.splitlines() if "is not what it was when these ran" in line]
    assert len(told) == 1 and "mine-s0" in told[0] and "base-s0" not in told[0] and "VERSION" in told[0]


def test_its_own_tests_run_the_kit(site: Path) -> None:
    done = run(site, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests", folder=site.parent / "source")
    assert done.returncode == 0, done.stdout
    assert "passed" in done.stdout


def test_the_shell_checks_it(site: Path) -> None:
    done = swarmformer(site, "check", "cluster.mean_field")
    assert done.returncode == 0, done.stdout + done.stderr
    last = done.stdout.rstrip().splitlines()[-1]
    assert "0 failed" in last and "did not apply" in last


@pytest.fixture(scope="module")
def broken(site: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same folder with a second package all of whose components are at fault."""
    folder = shutil.copytree(site, tmp_path_factory.mktemp("broken") / "site")
    (folder / "broken_parts.py").write_text(BROKEN_PARTS)
    info = folder / "broken_parts-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: broken-parts\nVersion: 1.0\n")
    points = "\n".join(f"{name} = {target}" for name, (target, _) in BROKEN.items())
    folders = "one = broken_parts_folder\ntwo = broken_nowhere.variants"
    (info / "entry_points.txt").write_text(
        f"[swarmformer.components]\n{points}\n[swarmformer.variants]\n{folders}\n"
    )
    for path, text in BROKEN_FILES.items():
        (folder / "broken_parts_folder" / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / "broken_parts_folder" / path).write_text(text)
    return folder


def test_broken_plugins_are_listed_with_their_faults_and_break_nothing_else(broken: Path) -> None:
    done = swarmformer(broken, "components", "local")
    assert done.returncode == 0, done.stderr
    for target, fault in BROKEN.values():
        block = done.stdout.partition(f"broken-parts 1.0 ({target})")[2].partition("[")[0]
        assert "CANNOT BE USED" in block and fault in block, (target, done.stdout)
    assert "local.windowed_attention" in done.stdout


def test_broken_folders_are_listed_with_their_faults_and_break_nothing_else(broken: Path, tmp_path: Path) -> None:
    done = swarmformer(broken, "variants")
    assert done.returncode == 0, done.stderr
    for fault in FAULTS:
        assert fault in done.stdout, (fault, done.stdout)
    assert swarmformer(broken, "show", "base+windowed").returncode == 0
    taken = swarmformer(broken, "show", "mean_field")
    assert taken.returncode == 1, "neither of two wins"
    assert "swarmformer-mean-field 0.1.0" in taken.stderr and "broken-parts 1.0" in taken.stderr
    plan = run(broken, "-m", "experiments.grid", "plan", "demo", "--runs", str(tmp_path))
    assert plan.returncode == 0, plan.stderr


def test_a_broken_plugin_fails_when_it_is_asked_for(broken: Path) -> None:
    code = "import swarmformer; swarmformer.build_model('base', local='wrong_base')"
    done = run(broken, "-c", code)
    assert done.returncode != 0
    assert "local.wrong_base from broken-parts 1.0" in done.stderr and "must subclass" in done.stderr
    check = swarmformer(broken, "check", "local.open_options")
    assert check.returncode != 0
