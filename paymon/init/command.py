"""`paymon init`: a repository of one's own, small and complete."""

import sys
from pathlib import Path
from typing import Any

import click

from paymon.init.answers import Answers, WrongAnswer
from paymon.init.files import project_files

__all__ = ["init"]

_DEFAULTS: dict[str, str] = {
    "organisation": "Example Shop",
    "domain": "shop.example",
    "team": "payments",
    "services": "payments",
    "environments": "production, staging",
    "currencies": "usd",
    "payment_methods": "card",
    "timezone": "Etc/UTC",
    "slack": "#payments-oncall",
    "pagerduty": "payments-oncall",
}
_QUESTIONS: dict[str, str] = {
    "organisation": "What is your organisation called?",
    "domain": "On which domain are its services?",
    "services": "Which payment services do you watch? (names, with commas)",
    "environments": "Where do they run? (names, with commas; those with prod or live in it wake somebody)",
    "currencies": "Which currencies do you take? (codes, with commas)",
    "timezone": "In which time zone do you work?",
}
_YES_OR_NO: dict[str, str] = {
    "postgres": "May the exporter read the payments' Postgres?",
    "flag": "Is there a feature flag for live payments that it may read?",
}


@click.command()
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path), default=Path())
@click.option("--organisation", metavar="NAME", help="What it is called.")
@click.option("--domain", help="The domain of its services: shop.example.")
@click.option("--team", help="The team's name, in labels and receivers.  [default: payments]")
@click.option("--service", "services", multiple=True, metavar="S", help="A service; may be given several times.")
@click.option("--environment", "environments", multiple=True, metavar="E", help="An environment; several times.")
@click.option("--currency", "currencies", multiple=True, metavar="C", help="A currency that you take; several times.")
@click.option(
    "--payment-method", "payment_methods", multiple=True, metavar="M", help="As Stripe names it; several times."
)
@click.option("--timezone", metavar="ZONE", help="Where you work: Europe/Berlin.")
@click.option("--slack", metavar="CHANNEL", help="The team's channel.  [default: #payments-oncall]")
@click.option("--pagerduty", metavar="SERVICE", help="The pager's service.  [default: payments-oncall]")
@click.option("--postgres/--no-postgres", default=None, help="May the exporter read the payments' database?")
@click.option("--flag/--no-flag", default=None, help="Is there a feature flag for live payments?")
@click.option("--inbox/--no-inbox", default=None, help="Does the database have an inbox of webhooks?")
@click.option("--yes", is_flag=True, help="Ask nothing; take the defaults for what is not given.")
def init(folder: Path, yes: bool, **given: Any) -> None:
    """Write a repository of your own into FOLDER: who you are, a place for your own alerts, the exporter, CI.

    It asks little, and only on a terminal; each answer can be given as an option. Nothing that exists is overwritten.
    Everything else comes from the installed paymon.
    """
    asks = not yes and sys.stdin.isatty()
    try:
        files = project_files(Answers(**_answered(given, asks=asks)))
    except WrongAnswer as error:
        raise click.UsageError(str(error)) from error
    there = [path for path in files if (folder / path).exists()]
    if there:
        raise click.UsageError(
            f"{folder} has {', '.join(there)} already, and nothing is overwritten; choose an empty folder"
        )
    try:
        for path, text in files.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(text)
    except OSError as error:
        raise click.ClickException(f"{error.filename}: {error.strerror}; choose another folder") from error
    where = "" if folder == Path() else f"cd {folder} && "
    click.echo(f"{len(files)} files in {folder.resolve()}. Next:\n  {where}paymon generate && paymon test")


def _answered(given: dict[str, Any], *, asks: bool) -> dict[str, Any]:
    answers: dict[str, Any] = {}
    for name, default in _DEFAULTS.items():
        value = given[name]
        if not value:
            value = click.prompt(_QUESTIONS[name], default=default) if asks and name in _QUESTIONS else default
        several = name in ("services", "environments", "currencies", "payment_methods")
        answers[name] = _listed(value) if several else value
    for name in ("postgres", "flag"):
        value = given[name]
        answers[name] = (click.confirm(_YES_OR_NO[name], default=True) if asks else True) if value is None else value
    answers["inbox"] = bool(given["inbox"])
    return answers


def _listed(value: str | tuple[str, ...]) -> tuple[str, ...]:
    parts = value.split(",") if isinstance(value, str) else value
    return tuple(part.strip() for part in parts if part.strip())
