"""Does a real Alertmanager with a configuration keep what is stated of who is told?

Groups, receivers and messages are its own behaviour. Waits and repeats, the longest of which is a day, are asked of the
configuration that it says it has loaded.
"""

import contextlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import yaml

from paymon.programs import find
from tests.generators.sinks import Inbox, Mail, Posted, http_sink, mail_sink
from tests.servers import alertmanager
from tests.stated.arriving import arriving
from tests.stated.loaded import MAIL_HOST, RELAY, SECRETS, Loaded, ways
from tests.stated.routing import ALSO_STATED, STATED, Told

__all__ = ["complaints"]

Config = dict[str, Any]


@contextlib.contextmanager
def loaded(version: str, config: Config, folder: Path) -> Iterator[str]:
    """The URL of an Alertmanager with that configuration. Raises AssertionError where it does not load it."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "alertmanager.yml").write_text(yaml.safe_dump(config))
    with alertmanager(find("alertmanager", version), folder / "alertmanager.yml") as url:
        yield url


def complaints(version: str, config: Config, templates: str, folder: Path) -> tuple[Loaded | None, list[str]]:
    """What of the statement a configuration does not keep, as far as the first that is found; None, not loaded."""
    folder.mkdir(parents=True, exist_ok=True)
    with http_sink() as posts, mail_sink() as mails:
        here = _here(config, templates, folder, posts, mails)
        try:
            with loaded(version, here, folder) as url:
                known = yaml.safe_load(httpx.get(f"{url}/api/v2/status", timeout=100).json()["config"]["original"])
                known = _without_ports(known, posts, mails)
                found = _unlike(config, known) or arriving(url, posts, mails)
                return Loaded(known), found
        except AssertionError as error:
            if "was not ready" not in str(error):
                raise
            return None, []


def _here(config: Config, templates: str, folder: Path, posts: Inbox[Posted], mails: Inbox[Mail]) -> Config:
    """The configuration with every address on this machine, each secret a word of its own."""
    (folder / "templates").mkdir(exist_ok=True)
    (folder / "templates" / "paymon.tmpl").write_text(templates)
    sink = f"http://127.0.0.1:{posts.port}"
    secrets = {
        "slack-payments-oncall": f"{sink}/slack/payments-oncall",
        "pagerduty-payments-oncall": "payments-oncall",
        "mail-password": "the mail's password",
    }
    for name, secret in secrets.items():
        (folder / name).write_text(secret)
    text = json.dumps(config)
    for there, here in ((SECRETS, str(folder)), (RELAY, f"{sink}/relay"), (MAIL_HOST, f"127.0.0.1:{mails.port}")):
        text = text.replace(there, here)
    found: Config = json.loads(text)
    found["global"] = {**found.get("global", {}), "pagerduty_url": f"{sink}/pagerduty", "smtp_require_tls": False}
    return found


def _without_ports(known: Config, posts: Inbox[Posted], mails: Inbox[Mail]) -> Config:
    """The same for two runs, which have ports of their own."""
    text = json.dumps(known).replace(f":{posts.port}", ":POSTS").replace(f":{mails.port}", ":MAILS")
    found: Config = json.loads(re.sub(r'"[^"]*/((?:slack|pagerduty|mail)-|templates/)', r'"\1', text))
    return found


def _unlike(config: Config, known: Config) -> list[str]:
    """Where the loaded configuration differs from the statement."""
    held = [word for word in ("inhibit_rules", "time_intervals") if known.get(word)]
    found = [f"holds alerts back: {word}" for word in held]
    for one in (*STATED, *ALSO_STATED):
        labels = {"alertname": one.name, **one.labels}
        stated = {Told(**{**vars(told), "who": tuple(sorted(told.who))}) for told in one.told}
        actual = ways(config, known, labels)
        found += [f"{one.name}: not told so: {told}" for told in sorted(stated - actual, key=str)]
        found += [f"{one.name}: told otherwise: {told}" for told in sorted(actual - stated, key=str)]
    return found
