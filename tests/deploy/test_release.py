"""Can anybody build the wheel again, bit for bit, and what is in it?"""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A repository of its own with what this one has, and the packages of this run."""
    folder = tmp_path / "checkout"
    ignored = shutil.ignore_patterns(
        ".git", ".venv", "__pycache__", "*.egg-info", ".*_cache", ".hypothesis", "dist", "look"
    )
    shutil.copytree(ROOT, folder, ignore=ignored)
    shutil.copytree(ROOT / "tests" / "look", folder / "tests" / "look", ignore=ignored)
    (folder / ".venv" / "bin").mkdir(parents=True)
    (folder / ".venv" / "bin" / "python").write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    (folder / ".venv" / "bin" / "python").chmod(0o755)
    git(folder, "init", "--quiet")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", "all of it")
    return folder


def git(folder: Path, *arguments: str) -> None:
    who = ("-c", "user.name=a", "-c", "user.email=a@example.com", "-c", "commit.gpgsign=false")
    dated = {**os.environ, "GIT_COMMITTER_DATE": "2026-01-02T03:04:05Z"}
    subprocess.run(("git", *who, *arguments), cwd=folder, env=dated, check=True, timeout=100)


def release(folder: Path, dist: Path, umask: int = 0o022) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        (folder / ".ci" / "release", dist, "wheel"),
        capture_output=True,
        text=True,
        umask=umask,
        timeout=600,
        check=False,
    )


@pytest.mark.slow
def test_the_wheel_of_a_commit_is_the_same_whoever_builds_it_and_has_all_it_needs(
    checkout: Path, tmp_path: Path
) -> None:
    ran = release(checkout, tmp_path / "mine")
    assert ran.returncode == 0, ran.stderr
    for path in checkout.rglob("*.py"):
        os.utime(path, (1, 1_000_000_000))
    ran = release(checkout, tmp_path / "yours", umask=0o077)
    assert ran.returncode == 0, ran.stderr
    assert (tmp_path / "mine" / "SHA256SUMS").read_text() == (tmp_path / "yours" / "SHA256SUMS").read_text()

    (wheel,) = (tmp_path / "mine").glob("paymon-*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    packages = ("exporters", "generators", "paymon", "rules", "simulator")
    ours = {
        str(path.relative_to(checkout)) for name in packages for path in (checkout / name).rglob("*") if path.is_file()
    }
    assert {name for name in names if ".dist-info/" not in name} == ours
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert not [name for name in names if name.endswith((".pyc", ".pem", ".key", ".env"))]


@pytest.mark.slow
def test_what_no_commit_has_is_not_released(checkout: Path, tmp_path: Path) -> None:
    (checkout / "rules" / "surprise.py").write_text('"""Not committed."""\n')
    ran = release(checkout, tmp_path / "dist")
    assert ran.returncode == 1
    assert "differs from its commit" in ran.stderr
    assert "rules/surprise.py" in ran.stderr
    assert not (tmp_path / "dist").exists()
