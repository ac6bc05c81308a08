"""What is released: `python -m build` makes a wheel that, in an environment of its own, brings a cluster up.

Dependencies are those of this environment; with SAMPAN_TEST_INDEX=1 they are fetched as a user's pip fetches them.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import uuid
from collections.abc import Iterator
from pathlib import Path
from zipfile import ZipFile

import pytest

from sampan.version import __version__
from tests.host.needs import PODS, need

pytest.importorskip("build")
pytest.importorskip("hatchling")
ROOT = Path(__file__).parents[3]
SOURCES = ("pyproject.toml", "README.md", "LICENSE", "src", ".gitignore")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """From a copy, as building in a clone writes nothing there."""
    folder = tmp_path_factory.mktemp("build")
    for name in SOURCES:
        source, to = ROOT / name, folder / "clone" / name
        to.parent.mkdir(exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, to, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, to)
    command = [sys.executable, "-m", "build", "--no-isolation", "-o", str(folder / "dist"), str(folder / "clone")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (folder / "dist" / f"sampan-{__version__}.tar.gz").exists()
    return folder / "dist" / f"sampan-{__version__}-py3-none-any.whl"


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of its programs."""
    venv = tmp_path_factory.mktemp("venv")
    subprocess.run([sys.executable, "-m", "venv", str(venv)], check=True)
    fetched = os.environ.get("SAMPAN_TEST_INDEX")
    options = [] if fetched else ["--no-deps", "--no-index"]
    pip = [str(venv / "bin" / "python"), "-m", "pip", "install", "-q", "--disable-pip-version-check"]
    subprocess.run([*pip, *options, str(wheel)], check=True)
    if not fetched:
        [site] = venv.glob("lib/python3*/site-packages")
        (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return venv / "bin"


@pytest.fixture
def env(installed: Path, tmp_path: Path) -> Iterator[dict[str, str]]:
    """Where nothing of this checkout is at hand."""
    made = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "SAMPAN", "KUBE", "PYTEST"))}
    made |= {
        "PATH": f"{installed}:/usr/sbin:/usr/bin:/sbin:/bin",
        "HOME": str(tmp_path),
        "SAMPAN_HOME": str(tmp_path / "home"),
        "SAMPAN_NAME": f"w{uuid.uuid4().hex[:5]}",
    }
    yield made
    run(installed, made, "down", "--purge")


def run(installed: Path, env: dict[str, str], *words: str) -> str:
    done = subprocess.run(
        [str(installed / "sampan"), *words], env=env, cwd="/", capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{words}: {done.stdout}{done.stderr}"
    return done.stdout


def test_the_version_is_in_one_place(wheel: Path, installed: Path) -> None:
    with ZipFile(wheel) as file:
        [metadata] = [name for name in file.namelist() if name.endswith(".dist-info/METADATA")]
        assert f"\nVersion: {__version__}\n" in file.read(metadata).decode()
        assert not [name for name in file.namelist() if name.startswith(("tests/", "bench/"))]
    script = "import sampan; from sampan.version import __version__; print(__version__, sampan.__file__)"
    done = subprocess.run(
        [installed / "python", "-c", script], env={}, cwd="/", capture_output=True, text=True, check=True
    )
    version, where = done.stdout.split()
    assert version == __version__
    assert Path(where).is_relative_to(installed.parent), "not the wheel's"
    assert "\nversion =" not in (ROOT / "pyproject.toml").read_text()


def test_a_control_plane_comes_up(installed: Path, env: dict[str, str]) -> None:
    run(installed, env, "up", "--nodes", "0")
    run(installed, env, "create", "deployment", "web", "--image=nginx")
    run(installed, env, "explain", "deployment.spec.replicas")
    assert json.loads(run(installed, env, "get", "deployment", "web", "-o", "json"))["spec"]["replicas"] == 1


@pytest.mark.root
def test_a_pod_runs(installed: Path, env: dict[str, str]) -> None:
    need(*PODS)
    run(installed, env, "up")
    run(installed, env, "image", "examples")
    run(installed, env, "run", "kubia", "--image=sampan.local/kubia")
    run(installed, env, "wait", "--for=condition=Ready", "pod/kubia", "--timeout=60s")
    assert run(installed, env, "logs", "kubia") == "Kubia server starting...\n"


def test_the_pytest_plugin_is_there(installed: Path, env: dict[str, str], tmp_path: Path) -> None:
    test = "def test_it(kubectl):\n    assert 'default' in kubectl('get', 'namespaces')\n"
    (tmp_path / "test_mine.py").write_text(test)
    done = subprocess.run(
        [installed / "python", "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path / "test_mine.py")],
        env=env, cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert "1 passed" in done.stdout, done.stdout + done.stderr
