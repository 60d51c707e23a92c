"""`paymon upgrade`: what does this version change for this team, in words, before anything is written?"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from generators.files import folder_of
from generators.folders import MANIFEST, OWNED
from paymon.definitions import home, load_all
from paymon.gone import Gone, gone, still_firing
from paymon.live.access import Access, NoAnswerError, access_from, access_options
from paymon.moved import manifest_of, moved
from paymon.renames import Rename, mentions, renames
from paymon.versions import NotAManifest, newer, read_manifest
from rules.vocabulary import Catalog

__all__ = ["changes", "counted_files", "upgrade"]

Manifest = Mapping[str, Any]

_PAGES = ("P1", "P2")
_NAMED = 5
"""Files that are named, of many."""


@click.command()
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder that has generated/.  [default: the project's]",
)
@access_options("alertmanager", required=False)
def upgrade(out: Path | None, **_access: Any) -> None:
    """Say what the installed paymon changes for your team: alerts, numbers, names. Writes nothing.

    It compares your definitions, as the installed version reads them, with the manifest that the last `paymon generate`
    wrote. Then `paymon generate` writes what was told. With --alertmanager it asks what still fires in environments and
    services that go.

    Exit status: 0 told, also that nothing changes; 1 definitions that do not hold, or no manifest; 2 wrong use;
    3 cannot tell what still fires, because Alertmanager does not answer.
    """
    from generators.manifest import manifest

    try:
        catalogs = load_all()
    except SystemExit:
        for line in mentions(home() if out is None else out, _shipped_renames()):
            click.echo(line, err=True)
        click.echo("your definitions do not hold with this version; mend what is told above, then ask again", err=True)
        raise
    root = home() if out is None else out
    renamed = list(mentions(root, renames(catalogs)))
    told = False
    for catalog in catalogs:
        new = json.loads(json.dumps(manifest(catalog)))
        place = manifest_of(catalog, catalogs, root)
        if not place.exists() and any((root / OWNED).glob(f"**/{MANIFEST}")):
            click.echo(f"{catalog.organisation.service} is a new service: `paymon generate` writes its files")
            told = True
            continue
        try:
            old = read_manifest(place)
        except NotAManifest as error:
            raise click.ClickException(str(error)) from error
        if len(catalogs) > 1:
            click.echo(f"{'' if catalog is catalogs[0] else chr(10)}{catalog.organisation.service}")
        told = _say(old, new, renames((catalog,)), folder_of(catalog, catalogs)) or told
    elsewhere = list(moved(root, catalogs, root))
    if elsewhere:
        told = True
        click.echo("\nFiles that move")
        for line in elsewhere:
            click.echo(f"  {line}")
    if renamed:
        click.echo("\nNames that your files still say")
        for line in renamed:
            click.echo(f"  {line}")
    missing = gone(root / OWNED, catalogs)
    if missing:
        told = True
        _say_what_goes(missing, access_from(click.get_current_context(), "alertmanager"))
    if not (told or renamed):
        click.echo(_in_files(catalogs, root))


def _in_files(catalogs: tuple[Catalog, ...], root: Path) -> str:
    """What changes where no words tell of any: other files, or nothing."""
    from generators.files import generated_files
    from generators.output import DriftKind, differences

    found = [
        one.path for one in differences(root, generated_files(*catalogs), OWNED) if one.kind != DriftKind.UNTRACKED
    ]
    others = [path for path in found if not path.endswith(f"/{MANIFEST}")]
    return f"nothing but {counted_files(others)}" if others else "nothing changes"


def counted_files(paths: Sequence[str]) -> str:
    """So many files, with the first of them."""
    more = "" if len(paths) <= _NAMED else f" and {len(paths) - _NAMED} more"
    return f"{len(paths)} generated file{'' if len(paths) == 1 else 's'}: {', '.join(sorted(paths)[:_NAMED])}{more}"


def _say_what_goes(missing: tuple[Gone, ...], access: Access | None) -> None:
    """Say which environments go, and what still fires there. Ends the program with 3 where nobody answers."""
    click.echo("\nEnvironments that go")
    for one in missing:
        click.echo("  " + str(one).replace("\n", "\n  "))
    if access is None:
        click.echo("  With --alertmanager URL, what still fires there is said here.")
        return
    try:
        firing = list(still_firing(missing, access))
    except NoAnswerError as error:
        click.echo(f"\ncannot tell what still fires there: {error}", err=True)
        raise SystemExit(3) from error
    click.echo("\nWhat Alertmanager still has of them")
    for line in firing:
        click.echo(f"  {line}")


def _shipped_renames() -> tuple[Rename, ...]:
    """Those of the shipped definitions; none where these cannot be read."""
    try:
        from rules.catalog import catalog

        return renames((catalog(),))
    except Exception:  # whatever is wrong with them is told already
        return ()


def _say(old: Manifest, new: Manifest, renamed: Iterable[Rename], folder: str) -> bool:
    """Say what differs; whether anything does."""
    click.echo(f"generated/ was written by paymon {old['paymon']}, this is {new['paymon']}")
    if newer(old["paymon"], new["paymon"]):
        click.echo("it is the older one: what follows is what going back changes")
    sections = list(changes(old, new, renamed, folder))
    for title, lines in sections:
        click.echo(f"\n{title}")
        for line in lines:
            click.echo(f"  {line}")
    return bool(sections)


def changes(old: Manifest, new: Manifest, renamed: Iterable[Rename], folder: str) -> Iterator[tuple[str, list[str]]]:
    """What differs between two manifests, in titled groups of sentences; a group without any is left out.

    `folder` is where the new one lies.
    """
    renamed = tuple(renamed)
    kinds = ("metric", "label", "signal", "alert")
    of = {kind: {one.old: one for one in renamed if one.kind == kind} for kind in kinds}
    for title, lines in (
        ("Environments", _environments(old, new, folder)),
        ("People", _people(old, new)),
        ("Alerts", _alerts(old, new, of["alert"])),
        ("Numbers", _numbers(old, new, {one.old: one.new for one in of["alert"].values()})),
        ("Metrics", _metrics(old, new, of["metric"], of["label"])),
        ("Signals", _signals(old, new, of["signal"])),
    ):
        found = list(lines)
        if found:
            yield title, found


def _environments(old: Manifest, new: Manifest, folder: str) -> Iterator[str]:
    for name in new["environments"]:
        if name not in old["environments"]:
            yield f"new: {name}; its rules fire once its Prometheus loads {folder}/{name}/rules/"
    for name in old["environments"]:
        if name not in new["environments"]:
            yield (
                f"gone: {name}; what fires there ends without a word when Prometheus drops its rules. "
                f'Look first: ALERTS{{environment="{name}",service="{new["service"]}",alertstate="firing"}}'
            )


def _alerts(old: Manifest, new: Manifest, renamed: Mapping[str, Rename]) -> Iterator[str]:
    before, now = old["alerts"], new["alerts"]
    arrived = {one.new for one in renamed.values() if one.old in before}
    for name in now:
        if name not in before and name not in arrived:
            yield f"new: {name} ({_urgency(now[name])}, {now[name]['area']}): {_summary(now[name])}"
    for name in before:
        if name in now:
            if before[name]["area"] != now[name]["area"]:
                yield (
                    f"moved: {name}, from {before[name]['area']} to {now[name]['area']}: "
                    "its rule group, its runbook page and links to it move with it"
                )
        elif name in renamed:
            yield f"renamed: {name} is now {renamed[name].new}; silences and routes that name it need the new one"
        else:
            yield f"gone: {name}; nothing watches any more: {before[name]['watches']}"
        it = renamed[name].new if name in renamed else name
        if it in now:
            yield from _manners(it, before[name], now[it], {old: one.new for old, one in renamed.items()})


def _manners(name: str, before: Manifest, now: Manifest, renamed: Mapping[str, str]) -> Iterator[str]:
    """What an alert watches, when it keeps quiet and how it is told, where that is another; old manifests lack some."""
    if before["watches"] != now["watches"]:
        yield f"{name}: watches no longer {before['watches']}, but {now['watches']}"
    louder = [renamed.get(one, one) for one in before.get("hidden_by", now["hidden_by"])]
    yield from (f"{name}: keeps quiet now while {one} fires" for one in now["hidden_by"] if one not in louder)
    yield from (f"{name}: no longer keeps quiet while {one} fires" for one in louder if one not in now["hidden_by"])
    was, isnow = before.get("stays_while", now["stays_while"]), now["stays_while"]
    if was != isnow:
        yield f"{name}: once it fires, it stays while {isnow or 'its bound is passed'}, no longer while " + (
            f"{was or 'its bound is passed'}"
        )
    for key, true, false in (
        ("told_at_once", "is told at any hour now", "waits for working hours now"),
        ("own_incident", "calls anew now while another P1 is worked on", "is now told as a part of a P1 that is open"),
    ):
        if before.get(key, now[key]) != now[key]:
            yield f"{name}: {true if now[key] else false}"


def _people(old: Manifest, new: Manifest) -> Iterator[str]:
    """Who hears of which priority, and how soon they answer, where that is another; an old manifest lacks it."""
    before, now = old.get("policies", new["policies"]), new["policies"]
    for priority in sorted({*before, *now}):
        was, isnow = before.get(priority), now.get(priority)
        if was is None or isnow is None:
            yield f"{priority}: {'is a priority now' if was is None else 'is no priority any more'}"
            continue
        if was["respond_within"] != isnow["respond_within"]:
            yield f"{priority}: to be answered within {was['respond_within']} -> {isnow['respond_within']}"
        for key, said in (("notifies", "told to"), ("escalates_to", "escalated to")):
            yield from (f"{priority}: no longer {said} {one}" for one in was[key] if one not in isnow[key])
            yield from (f"{priority}: now {said} {one}" for one in isnow[key] if one not in was[key])


def _summary(alert: Manifest) -> str:
    """As it reads with the first of its bounds: each environment and tier has its own."""
    bounds = [one["bound"] for there in alert["thresholds"].values() for one in there.values()]
    number = re.search(r"\d.*", bounds[0]) if bounds else None
    return str(alert["summary"]).replace("{threshold}", number[0] if number else "the bound")


def _urgency(alert: Manifest) -> str:
    priorities = sorted({one["priority"] for there in alert["thresholds"].values() for one in there.values()})
    return priorities[0] if priorities else "none"


def _numbers(old: Manifest, new: Manifest, renamed: Mapping[str, str]) -> Iterator[str]:
    for name, before in old["alerts"].items():
        now = new["alerts"].get(renamed.get(name, name))
        if now is None:
            continue
        said: dict[str, list[str]] = {}
        for environment, thresholds in before["thresholds"].items():
            there = now["thresholds"].get(environment)
            if there is None:
                continue
            for line in _of_thresholds(thresholds, there, name, renamed.get(name, name)):
                said.setdefault(line, []).append(environment)
        for line, environments in said.items():
            yield f"{line} [{', '.join(environments)}]"


def _of_thresholds(before: Manifest, now: Manifest, name: str, new_name: str) -> Iterator[str]:
    for key, was in before.items():
        shown = new_name + key.removeprefix(name)
        isnow = now.get(shown)
        if isnow is None:
            yield f"{shown}: the bound {was['bound']} is gone"
            continue
        for what, word in (("bound", ""), ("lasting", "for "), ("keep_firing", "kept firing for ")):
            if was[what] != isnow[what]:
                yield f"{shown}: {word}{was[what]} -> {word}{isnow[what]}, because {isnow['because']}"
        if was["severity"] != isnow["severity"]:
            yield f"{shown}: severity {was['severity']} -> {isnow['severity']}"
        if was.get("respond_within", isnow["respond_within"]) != isnow["respond_within"]:
            yield f"{shown}: to be answered within {was['respond_within'] or 'what its priority asks for'} -> " + (
                f"{isnow['respond_within'] or 'what its priority asks for'}"
            )
        if was["priority"] != isnow["priority"]:
            wakes = was["priority"] not in _PAGES and isnow["priority"] in _PAGES
            calm = was["priority"] in _PAGES and isnow["priority"] not in _PAGES
            what = "; it wakes somebody now" if wakes else "; it wakes nobody any more" if calm else ""
            yield f"{shown}: {was['priority']} -> {isnow['priority']}{what}"
        if was["guards"] != isnow["guards"]:
            lost = [one for one in was["guards"] if one not in isnow["guards"]]
            won = [one for one in isnow["guards"] if one not in was["guards"]]
            yield f"{shown}: " + "; ".join([*(f"no longer {one}" for one in lost), *(f"now {one}" for one in won)])
    for key, isnow in now.items():
        if key not in {new_name + one.removeprefix(name) for one in before}:
            yield f"{key}: fires also when {isnow['bound']} for {isnow['lasting']}, because {isnow['because']}"


def _metrics(
    old: Manifest, new: Manifest, renamed: Mapping[str, Rename], labels: Mapping[str, Rename]
) -> Iterator[str]:
    before, now = old["metrics"], new["metrics"]
    arrived = {one.new for one in renamed.values() if one.old in before}
    for name, metric in now.items():
        if name not in before and name not in arrived:
            yield f"new: {name} ({_exporter(metric)}): {metric['help']}"
    for name, metric in before.items():
        if name in renamed and name not in now:
            yield _renamed_metric(name, renamed[name], now[renamed[name].new])
        elif name not in now:
            yield f"gone: {name} ({_exporter(metric)})"
        elif metric["labels"] != now[name]["labels"]:
            yield from _labels(name, metric["labels"], now[name]["labels"], labels)
        if name in now and metric["source"] != now[name]["source"]:
            yield f"{name}: was exported by {_exporter(metric)}, is now by {_exporter(now[name])}"


def _renamed_metric(old: str, one: Rename, metric: Manifest) -> str:
    what = (
        "let your service export the new one, the rules read either until"
        if metric["source"] == "application"
        else "the exporter serves both until"
    )
    return f"renamed: {old} is now {one.new}, because {one.former.because}; {what} version {one.former.until}"


def _exporter(metric: Manifest) -> str:
    told = {"application": "your service exports it", "rules": "the rules record it"}
    return told.get(metric["source"], f"source {metric['source']}")


def _labels(name: str, before: Manifest, now: Manifest, renamed: Mapping[str, Rename]) -> Iterator[str]:
    moved = {old: renamed[old] for old in sorted(before.keys() - now.keys()) if old in renamed}
    for old, one in moved.items():
        yield (
            f"{name}: label {old} is now {one.new}, because {one.former.because}; the exporter sends both until "
            f"version {one.former.until}: upgrade it before the rules"
        )
    for label in sorted(before.keys() - now.keys() - moved.keys()):
        yield f"{name}: loses label {label}"
    for label in sorted(now.keys() - before.keys() - {one.new for one in moved.values()}):
        yield f"{name}: gains label {label}"
    for label in before.keys() & now.keys():
        for value in sorted(set(before[label]) - set(now[label])):
            yield f"{name}: {label} is never {value!r} any more"
        for value in sorted(set(now[label]) - set(before[label])):
            yield f"{name}: {label} can be {value!r}"


def _signals(old: Manifest, new: Manifest, renamed: Mapping[str, Rename]) -> Iterator[str]:
    before, now = old["signals"], new["signals"]
    arrived = {one.new for one in renamed.values() if one.old in before}
    for name in now:
        if name not in before and name not in arrived:
            yield f"new: {name}"
    for name, expr in before.items():
        if name in renamed:
            if renamed[name].new not in before:
                yield (
                    f"renamed: {name} is now {renamed[name].new}, because {renamed[name].former.because}; "
                    f"both are recorded until version {renamed[name].former.until}"
                )
        elif name not in now:
            yield f"gone: {name}; panels and rules of your own that read it show nothing"
        elif _in_one_line(expr) != _in_one_line(now[name]):
            yield f"{name} reads otherwise: {_in_one_line(now[name])}"


def _in_one_line(expr: str) -> str:
    return " ".join(expr.split())
