"""Is another revision built and measured beside this one, and is what goes wrong told?"""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks._pages import PageError
from benchmarks._revision import Revision, RevisionError, built
from benchmarks._side_by_side import Comparison, compared, comparisons

MAKEFILE = """
programs:
\t@mkdir -p .venv/bin
\t@ln -sf {python} .venv/bin/python
\t@echo built >> ../builds
"""


def git(folder: Path, *arguments: str) -> str:
    command = ("git", "-C", str(folder), "-c", "user.name=x", "-c", "user.email=x@x", *arguments)
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with one benchmark that prints 2 s; its first revision, tagged slow, prints 4 s."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder = tmp_path / "project"
    (folder / "benchmarks").mkdir(parents=True)
    (folder / "Makefile").write_text(MAKEFILE.format(python=sys.executable))
    (folder / "benchmarks/__main__.py").write_text("import sys; exec(open(f'benchmarks/{sys.argv[1]}.py').read())")
    (folder / "benchmarks/work.py").write_text("print('the work of 3 people: 4.0 s')")
    git(folder, "init", "-q")
    git(folder, "add", ".")
    git(folder, "commit", "-qm", "slow")
    git(folder, "tag", "slow")
    (folder / "benchmarks/work.py").write_text("print('the work of 3 people: 2.0 s')")
    subprocess.run(("make", "-C", str(folder), "programs"), check=True, capture_output=True)
    return folder


def test_both_revisions_run_their_own_code_and_each_figure_is_shown_as_new_by_base(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert compared(project, built(project, "slow"), ["work"], 2, None)

    assert "| the work of 3 people: # s | 4 | 2 | 0.50 | 0.50 to 0.50 |" in capsys.readouterr().out


def test_figures_take_the_place_of_those_before_and_leave_the_page_about_them_alone(project: Path) -> None:
    page = project / "page.md"
    page.write_text("# Speed\n\n<!-- figures -->\nthose before\n<!-- /figures -->\n\n## What was tried\n")

    assert compared(project, built(project, "slow"), ["work"], 2, page)

    before, printed, after = re.split("<!-- /?figures -->", page.read_text())
    assert (before, after) == ("# Speed\n\n", "\n\n## What was tried\n")
    assert "| the work of 3 people: # s | 4 | 2 | 0.50 | 0.50 to 0.50 |" in printed
    assert "those before" not in printed


def test_a_page_without_a_place_for_figures_is_told_before_anything_runs(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = project / "page.md"
    page.write_text("# Speed\n\n<!-- figures -->\n")

    with pytest.raises(PageError, match=r"page\.md: figures need one place; put a line <!-- figures --> there"):
        compared(project, built(project, "slow"), ["work"], 1, page)

    assert "work" not in capsys.readouterr().out
    assert page.read_text() == "# Speed\n\n<!-- figures -->\n"


def test_a_revision_is_built_once_and_again_where_building_was_interrupted(project: Path) -> None:
    first = built(project, "slow")
    again = built(project, "slow")
    (first.folder / ".built").unlink()
    anew = built(project, "slow")

    assert first == again == anew
    assert (first.folder.parent / "builds").read_text() == "built\n" * 2


def test_two_runs_at_once_build_a_revision_once(project: Path) -> None:
    code = "import sys, pathlib; from benchmarks._revision import built; built(pathlib.Path(sys.argv[1]), 'slow')"
    (project / "Makefile").write_text(MAKEFILE.format(python=sys.executable).replace("@mkdir", "@sleep 1; mkdir"))
    git(project, "commit", "-qam", "a build that takes a while")
    git(project, "tag", "--force", "slow")

    root = Path(__file__).resolve().parents[2]
    runs = [subprocess.Popen((sys.executable, "-c", code, str(project)), cwd=root) for _ in range(2)]

    assert [run.wait() for run in runs] == [0, 0]
    assert (built(project, "slow").folder.parent / "builds").read_text() == "built\n"


def test_a_cache_folder_that_takes_nothing_is_named_with_the_way_out(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (project / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(project / "file"))

    with pytest.raises(RevisionError, match=r"Not a directory; make room there, or set XDG_CACHE_HOME") as raised:
        built(project, "slow")

    assert raised.value.status == 1


def test_a_revision_that_does_not_exist_is_wrong_use_and_named(project: Path) -> None:
    with pytest.raises(RevisionError, match=r"^nowhere: there is no such revision here; name a commit") as raised:
        built(project, "nowhere")

    assert raised.value.status == 2


def test_a_revision_that_does_not_build_is_told_with_what_its_makefile_said(project: Path) -> None:
    (project / "Makefile").write_text("programs:\n\t@echo no such package; false\n")
    git(project, "commit", "-qam", "broken")

    with pytest.raises(RevisionError, match=r"HEAD does not build; .*(?s:.)*no such package") as raised:
        built(project, "HEAD")

    assert raised.value.status == 1
    with pytest.raises(RevisionError):
        built(project, "HEAD")


def test_a_benchmark_that_fails_is_told_and_no_table_is_kept(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (project / "benchmarks/work.py").write_text("raise OSError('no room')")

    page = project / "page.md"
    page.write_text(kept := "<!-- figures -->\nthose before\n<!-- /figures -->\n")

    assert not compared(project, built(project, "slow"), ["work", "newer"], 1, page)

    told = capsys.readouterr().out
    assert f"The benchmark work fails in {project}" in told
    assert "no room" in told
    assert "slow has no such benchmark." in told
    assert page.read_text() == kept


def test_what_is_the_same_everywhere_belongs_to_the_words_and_the_rest_are_figures() -> None:
    new = ("5 rules, 40 files: 1.5 s\n5 rules, 40 files: 2.5 s", "5 rules, 40 files: 2.5 s\n5 rules, 40 files: 2.5 s")
    base = ("5 rules, 30 files: 3 s\n5 rules, 30 files: 2.5 s", "5 rules, 30 files: 5 s\n5 rules, 30 files: 2.5 s")

    assert list(comparisons(new, base)) == [
        Comparison("5 rules, # files: .. s", (40, 40), (30, 30)),
        Comparison("5 rules, .. files: # s", (1.5, 2.5), (3, 5)),
        Comparison("5 rules, # files: 2.5 s", (40, 40), (30, 30)),
    ]


def test_the_spread_is_that_of_the_rounds_and_a_base_of_nothing_has_no_ratio() -> None:
    assert str(Comparison("a | b: #", (1, 3, 2), (4, 4, 4))) == "| a / b: # | 4 | 2 | 0.50 | 0.25 to 0.75 |"
    assert str(Comparison("#", (1,), (0,))) == "| # | 0 | 1 | - | - |"


def test_revisions_of_one_commit_share_a_folder(project: Path) -> None:
    commit = git(project, "rev-parse", "slow")

    assert built(project, "slow").folder == built(project, commit).folder
    assert built(project, commit) == Revision(commit, commit, built(project, "slow").folder)
