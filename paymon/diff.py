"""`paymon diff`: what does a change of the definitions mean, in words for its review?"""

import json
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import yaml

from paymon.backtest.as_data import as_data as definitions_as_data
from paymon.backtest.command import progress, replayed_span, server_of
from paymon.backtest.replay import History, Replay
from paymon.backtest.revisions import checked_out, ruleset_in, told_in
from paymon.backtest.ruleset import Ruleset
from paymon.definitions import asked_one, load_all
from paymon.live.access import access_options
from paymon.live.asking import CANNOT_JUDGE, environment_named, environment_option, unanswered
from paymon.live.prometheus import Prometheus
from paymon.live.times import MOMENT, Ago, shown
from paymon.not_judged import Judging
from rules.vocabulary import Catalog

__all__ = ["Followers", "diff", "followers", "markdown"]

_NAME = re.compile(r"(?:new|gone|moved|renamed): (\w+)|(\w+)(?:/[\w:]+)?:")


@dataclass(frozen=True, slots=True)
class Followers:
    """What follows of generated files: how many panels, tests and pages are others because of one alert."""

    panels: int
    tests: int
    pages: int

    def __str__(self) -> str:
        counted = ((self.panels, "panel"), (self.tests, "test"), (self.pages, "page"))
        said = [f"{count} {word}{'' if count == 1 else 's'}" for count, word in counted if count]
        return f"{', '.join(said)} follow" if said else ""


@click.command(cls=Judging)
@click.argument("revision", default="HEAD")
@click.option("--since", type=MOMENT, help="With --prometheus or --from: from when on it is replayed. Default: 30d.")
@click.option("--from", "folder", type=click.Path(path_type=Path), metavar="FOLDER", help="A folder of the past.")
@click.option("--json", "json_", is_flag=True, help="For machines.")
@environment_option
@access_options("prometheus", required=False)
def diff(
    revision: str, since: Ago | None, folder: Path | None, json_: bool, environment: str | None, **_access: Any
) -> None:
    """What does it mean that the definitions are no longer those of REVISION (by default, of the last commit)?

    In words, as Markdown for a pull request: alerts, bounds, metrics and signals, and which panels, tests and pages
    follow. REVISION is any commit, branch or tag. With --prometheus, or --from and a folder of the past, also how often
    each would have fired.

    \b
      paymon diff origin/main --prometheus https://prometheus.example.com >> comment.md

    Exit status: 0 told, also that nothing changes; 2 wrong use, as a revision that does not exist or load; 3 cannot
    judge, because Prometheus does not answer, answered in part, or cannot evaluate a rule.
    """
    from generators.files import folder_of, generated_files
    from generators.folders import MANIFEST
    from generators.manifest import manifest
    from paymon.renames import renames
    from paymon.upgrade import changes, counted_files

    catalogs = load_all()
    catalog = asked_one(catalogs)
    service = catalog.organisation.service
    place = environment_named(catalog, environment)
    with checked_out(revision) as tree:
        old = told_in(tree, _MANIFESTS, revision).get(service)
        paths = [path for path in (tree / "generated").rglob("*") if path.is_file()]
        before = {str(path.relative_to(tree)): path.read_text() for path in paths}
        asked = folder is not None or click.get_current_context().params.get("prometheus") is not None
        comparable = asked and old is not None and place.name in old["environments"]
        earlier = ruleset_in(tree, service, place.name, revision) if comparable else None
    if old is None:
        raise click.UsageError(f"{revision} has no service {service!r}; all of it is new")
    new = json.loads(json.dumps(manifest(catalog)))
    if asked and not comparable:
        click.echo(f"{revision} has no environment {place.name}: what would have fired there is not compared", err=True)
    found = list(changes(old, new, renames((catalog,)), folder_of(catalog, catalogs)))
    now = generated_files(*catalogs)
    names = {name for _, lines in found for line in lines if (name := _alert_of(line, old, new))}
    follow = {name: followers(name, before, now, catalog, folder_of(catalog, catalogs)) for name in sorted(names)}
    own = f"{folder_of(catalog, catalogs)}/"
    others = [
        path
        for path in sorted({*before, *now})
        if path.startswith(own) and not path.endswith(f"/{MANIFEST}") and before.get(path) != now.get(path)
    ]
    fired: Mapping[str, tuple[int, int]] = {}
    span = ""
    doubts: tuple[str, ...] = ()
    if earlier is not None:
        with unanswered():
            fired, span, doubts = _fired(earlier, Ruleset.from_data(definitions_as_data(catalog, place)), since, folder)
    if json_:
        data = {
            "revision": revision,
            "changes": [{"title": title, "lines": lines} for title, lines in found],
            "follow": {name: {"panels": f.panels, "tests": f.tests, "pages": f.pages} for name, f in follow.items()},
            "fired": {name: {"before": was, "now": is_} for name, (was, is_) in fired.items()},
            "files": others,
            "warnings": doubts,
        }
        click.echo(json.dumps(data, indent=2))
    else:
        files = counted_files(others) if others else ""
        click.echo("\n".join(markdown(revision, found, follow, fired, span, old, new, doubts, files)))
    sys.exit(CANNOT_JUDGE if doubts else 0)


_MANIFESTS = (
    "import json; from paymon.definitions import load_all; from generators.manifest import manifest; "
    "json.dump({one.organisation.service: manifest(one) for one in load_all()}, sys.stdout)"
)


def markdown(
    revision: str,
    found: list[tuple[str, list[str]]],
    follow: Mapping[str, Followers],
    fired: Mapping[str, tuple[int, int]],
    span: str,
    old: Mapping[str, Any],
    new: Mapping[str, Any],
    doubts: Sequence[str] = (),
    files: str = "",
) -> Iterator[str]:
    """The change as Markdown.

    `doubts` are why the counts of firings may be others; `files` says which are others where no words tell of a change.
    """
    yield f"### What changes since `{revision}`"
    if not found:
        yield ""
        yield f"Nothing but {files}." if files else "Nothing that the definitions say."
    told: set[str] = set()
    for title, lines in found:
        yield ""
        yield f"**{title}**"
        yield ""
        for line in lines:
            name = _alert_of(line, old, new)
            more = []
            if name and name not in told:
                told.add(name)
                more = [part for part in (_would(fired.get(name), span), str(follow.get(name, ""))) if part]
            yield f"- {'; '.join([line, *more])}"
    others = {name: counts for name, counts in fired.items() if name not in told and counts[0] != counts[1]}
    if others:
        yield ""
        yield "**Fires otherwise, though its own definition is the same**"
        yield ""
        for name, counts in sorted(others.items()):
            yield f"- {name}: {_would(counts, span)}"
    if doubts:
        yield ""
        yield f"**How often alerts would have fired in the last {span} is not known for certain**"
        yield ""
        yield from (f"- {doubt}" for doubt in doubts)
    elif span and not any(was != is_ for was, is_ in fired.values()):
        yield ""
        yield f"No alert would have fired another number of times in the last {span}."


def _would(counts: tuple[int, int] | None, span: str) -> str:
    if counts is None:
        return ""
    was, is_ = counts
    if was == is_:
        return f"would have fired {_times(is_)} in the last {span}, as before"
    return f"would have fired {_times(is_)} instead of {_times(was)} in the last {span}"


def _times(count: int) -> str:
    return {0: "never", 1: "once", 2: "twice"}.get(count, f"{count} times")


def _alert_of(line: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> str:
    """The alert that a line of the change is about; empty where it is about something else."""
    found = _NAME.match(line)
    name = (found[1] or found[2]) if found else ""
    return name if name in old["alerts"] or name in new["alerts"] else ""


def followers(
    name: str, before: Mapping[str, str], now: Mapping[str, str], catalog: Catalog, folder: str = "generated"
) -> Followers:
    """What of the generated files, by path and text, is another because of that alert, in the first environment.

    `folder` is the one that is the catalog's alone.
    """
    first = catalog.organisation.environments[0].name
    area = next((area.name for area in catalog.areas for alert in area.alerts if alert.name == name), "")
    signals = {alert.watches.name for alert in catalog.alerts if alert.name == name}
    tests = f"{folder}/{first}/tests/{name}.yml"
    page = next((path for path in now if path.startswith(f"{folder}/{first}/") and path.endswith(f"/{area}.md")), "")
    mentions = {name, *signals}
    return Followers(
        panels=sum(
            _changed_panels(before.get(path, ""), now.get(path, ""), mentions)
            for path in {*before, *now}
            if path.startswith(f"{folder}/grafana/dashboards/") and path.endswith(".json")
        ),
        tests=_changed_tests(before.get(tests, ""), now.get(tests, "")),
        pages=int(bool(page) and before.get(page) != now.get(page)),
    )


def _changed_panels(before: str, now: str, mentions: set[str]) -> int:
    was, is_ = _panels(before), _panels(now)
    changed = [title for title in {*was, *is_} if was.get(title) != is_.get(title)]
    return sum(any(word in (was.get(title, "") + is_.get(title, "")) for word in mentions) for title in changed)


def _panels(text: str) -> dict[str, str]:
    """The panels of a dashboard, each as text by its title."""
    if not text:
        return {}
    found: dict[str, str] = {}

    def collect(panels: list[dict[str, Any]]) -> None:
        for panel in panels:
            collect(panel.get("panels", []))
            alone = {key: value for key, value in panel.items() if key != "panels"}
            found[str(panel.get("title", ""))] = json.dumps(alone, sort_keys=True)

    collect(json.loads(text).get("panels", []))
    return found


def _changed_tests(before: str, now: str) -> int:
    def cases(text: str) -> dict[str, object]:
        document = yaml.safe_load(text) if text else None
        return {str(one.get("name", "")): one for one in (document or {}).get("tests", ())}

    was, is_ = cases(before), cases(now)
    return sum(was.get(name) != is_.get(name) for name in {*was, *is_})


def _fired(
    earlier: Ruleset, ruleset: Ruleset, since: Ago | None, folder: Path | None
) -> tuple[dict[str, tuple[int, int]], str, tuple[str, ...]]:
    """How often each alert would have fired, before and now, in how long a time, and what makes that doubtful.

    Alerts that cannot be evaluated are left out. Raises PrometheusError.
    """
    with server_of(folder) as (access, span):
        history: History = replayed_span(access, ruleset, since, None, None, span)
        counts: list[dict[str, int]] = []
        doubts: dict[str, None] = {}
        refused: set[str] = set()
        for rules, words in ((earlier, "replayed as they were"), (ruleset, "replayed as they are")):
            found: dict[str, int] = {}
            replay = Replay(lambda: Prometheus(access), rules, history, unlike=ruleset.unlike(earlier))
            for one in replay.run(None, progress(words)):
                found[one.rule.name] = found.get(one.rule.name, 0) + len(one.firings)
            counts.append(found)
            doubts |= dict.fromkeys(replay.doubts)
            refused |= replay.refused
    was, is_ = counts
    fired = {name: (was.get(name, 0), is_.get(name, 0)) for name in {*was, *is_} - refused}
    return fired, shown(history.end - history.start), tuple(doubts)
