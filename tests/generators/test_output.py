"""Do generated files reach the disk whole, and is every drift found?"""

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from generators.output import Drift, DriftKind, OutputError, differences, write

FILES = {"generated/a.yml": "a: 1\n", "generated/deep/b.yml": "b: 2\n", "docs/c.md": "c\n"}


def _git(folder: Path, *arguments: str) -> None:
    subprocess.run(("git", "-C", str(folder), *arguments), check=True, capture_output=True)


def test_files_are_written_and_a_second_run_changes_nothing(tmp_path: Path) -> None:
    assert write(tmp_path, FILES, "generated") == (3, 0)
    before = {path: (tmp_path / path).stat().st_mtime_ns for path in FILES}

    assert write(tmp_path, FILES, "generated") == (0, 0)

    assert {path: (tmp_path / path).stat().st_mtime_ns for path in FILES} == before
    assert {path: (tmp_path / path).read_text() for path in FILES} == FILES


def test_a_file_that_is_no_longer_generated_is_removed_from_the_owned_folder_only(tmp_path: Path) -> None:
    write(tmp_path, FILES, "generated")
    (tmp_path / "docs/mine.md").write_text("by hand")

    assert write(tmp_path, {"docs/c.md": "c\n"}, "generated") == (0, 2)

    assert sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()) == [
        "docs/c.md",
        "docs/mine.md",
    ]


def test_every_kind_of_drift_is_found_with_its_diff(tmp_path: Path) -> None:
    write(tmp_path, FILES, "generated")
    (tmp_path / "generated/a.yml").write_text("a: 2\n")
    (tmp_path / "generated/deep/b.yml").unlink()
    (tmp_path / "generated/old.yml").write_text("")

    assert differences(tmp_path, FILES, "generated") == (
        Drift(
            "generated/a.yml",
            DriftKind.CHANGED,
            "--- generated/a.yml (on disk)\n+++ generated/a.yml (generated)\n@@ -1 +1 @@\n-a: 2\n+a: 1",
        ),
        Drift("generated/deep/b.yml", DriftKind.MISSING),
        Drift("generated/old.yml", DriftKind.STALE),
    )


@pytest.mark.parametrize("ignored", [False, True])
def test_a_file_that_git_does_not_track_or_ignores_is_drift(tmp_path: Path, ignored: bool) -> None:
    _git(tmp_path, "init", "-q")
    write(tmp_path, FILES, "generated")
    _git(tmp_path, "add", "generated/deep", "docs")
    if ignored:
        (tmp_path / ".gitignore").write_text("a.yml\n")

    assert differences(tmp_path, FILES, "generated") == (Drift("generated/a.yml", DriftKind.UNTRACKED),)


def test_a_file_outside_the_owned_folder_is_drift_too_where_git_does_not_track_it(tmp_path: Path) -> None:
    _git(tmp_path, "init", "-q")
    write(tmp_path, FILES, "generated")
    (tmp_path / "docs/mine.md").write_text("by hand")
    _git(tmp_path, "add", "generated")

    assert differences(tmp_path, FILES, "generated") == (Drift("docs/c.md", DriftKind.UNTRACKED),)


def test_no_drift_where_every_file_is_tracked_and_as_generated(tmp_path: Path) -> None:
    _git(tmp_path, "init", "-q")
    write(tmp_path, FILES, "generated")
    _git(tmp_path, "add", ".")

    assert differences(tmp_path, FILES, "generated") == ()


def test_a_file_that_is_no_text_counts_as_changed(tmp_path: Path) -> None:
    write(tmp_path, FILES, "generated")
    (tmp_path / "generated/a.yml").write_bytes(b"\xff\xfe")

    (drift,) = differences(tmp_path, FILES, "generated")

    assert (drift.path, drift.kind) == ("generated/a.yml", DriftKind.CHANGED)


def test_a_folder_in_the_place_of_a_file_is_an_error_that_names_it_and_the_old_files_stay_whole(tmp_path: Path) -> None:
    write(tmp_path, FILES, "generated")
    (tmp_path / "generated/deep/b.yml").unlink()
    (tmp_path / "generated/deep/b.yml").mkdir()

    with pytest.raises(OutputError) as raised:
        write(tmp_path, {**FILES, "generated/deep/b.yml": "b: 3\n"}, "generated")

    assert str(raised.value).startswith(f"{tmp_path}/generated/deep/b.yml: Is a directory; remove the folder that ")
    assert (tmp_path / "generated/a.yml").read_text() == "a: 1\n"
    assert [path.name for path in (tmp_path / "generated/deep").iterdir()] == ["b.yml"]


def test_why_a_file_cannot_be_written_says_what_is_to_be_done(tmp_path: Path) -> None:
    (tmp_path / "generated").write_text("a file in the folder's place")
    with pytest.raises(OutputError, match="remove the file that stands in the place of its folder"):
        write(tmp_path, {"generated/a/b.yml": "b"}, "generated")
    (tmp_path / "generated").unlink()
    (tmp_path / "generated").symlink_to(tmp_path / "nowhere")
    with pytest.raises(OutputError, match="remove the link that leads nowhere"):
        write(tmp_path, {"generated/b.yml": "b"}, "generated")


def test_a_run_that_is_killed_half_way_leaves_each_file_old_or_new_and_never_half(tmp_path: Path) -> None:
    old = {f"generated/{n}.yml": "old\n" * 10_000 for n in range(200)}
    new = dict.fromkeys(old, "new\n" * 10000)
    write(tmp_path, old, "generated")
    program = textwrap.dedent(
        """
        import sys, pathlib
        from generators.output import write
        files = {f"generated/{n}.yml": "new\\n" * 10_000 for n in range(200)}
        print("begins", flush=True)
        write(pathlib.Path(sys.argv[1]), files, "generated")
        """
    )
    process = subprocess.Popen(
        (sys.executable, "-c", program, str(tmp_path)), stdout=subprocess.PIPE, cwd=Path(__file__).parents[2]
    )
    assert process.stdout is not None
    process.stdout.readline()
    while (tmp_path / "generated/20.yml").read_text() == old["generated/20.yml"] and process.poll() is None:
        pass
    os.kill(process.pid, signal.SIGKILL)
    process.wait(100)
    process.stdout.close()

    texts = [(tmp_path / path).read_text() for path in old]
    assert all(text in (old[path], new[path]) for path, text in zip(old, texts, strict=True))
    write(tmp_path, new, "generated")
    assert sorted(path.name for path in (tmp_path / "generated").iterdir()) == sorted(f"{n}.yml" for n in range(200))


def test_what_a_killed_run_left_beside_a_file_is_told_and_removed_and_nothing_else(tmp_path: Path) -> None:
    program = textwrap.dedent(
        """
        import os, pathlib, signal, sys
        from generators.output import write
        def killed(*arguments):
            os.kill(os.getpid(), signal.SIGKILL)
        os.fdopen = killed
        write(pathlib.Path(sys.argv[1]), {"docs/c.md": "new"}, "generated")
        """
    )
    write(tmp_path, FILES, "generated")
    (tmp_path / "docs/.c.md.swp").write_text("an editor's")
    subprocess.run((sys.executable, "-c", program, str(tmp_path)), cwd=Path(__file__).parents[2], check=False)
    (left,) = (path for path in (tmp_path / "docs").iterdir() if path.name not in ("c.md", ".c.md.swp"))

    assert differences(tmp_path, FILES, "generated") == (Drift(f"docs/{left.name}", DriftKind.STALE),)
    assert write(tmp_path, FILES, "generated") == (0, 1)
    assert sorted(path.name for path in (tmp_path / "docs").iterdir()) == [".c.md.swp", "c.md"]
