"""Which files make up a new project?"""

import json
from collections.abc import Mapping
from functools import cache
from importlib.metadata import version
from pathlib import Path

import jinja2

from paymon.init.answers import Answers

__all__ = ["AREA", "project_files"]

AREA = "queue_area"
"""The module of the worked example."""


@cache
def _templates() -> jinja2.Environment:
    found = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).with_name("templates")),
        undefined=jinja2.StrictUndefined,
        autoescape=False,  # noqa: S701 - Python and YAML, of answers that were checked
        variable_start_string="<<",  # braces are Python's and YAML's
        variable_end_string=">>",
        trim_blocks=True,
        keep_trailing_newline=True,
    )
    found.filters["python"] = json.dumps
    found.filters["listed"] = _listed
    return found


def _listed(values: tuple[str, ...]) -> str:
    """The inside of a Python tuple of strings."""
    return ", ".join(map(json.dumps, values)) + ("," if len(values) == 1 else "")


def _flag(service: str) -> str:
    return f"{service.replace('-', '_')}_live"


def project_files(answers: Answers) -> Mapping[str, str]:
    """Every file of the project by its path."""

    def text(template: str, **more: object) -> str:
        return _templates().get_template(f"{template}.j2").render(**everywhere, **more)

    ours = version("paymon")
    first = answers.services[0]
    everywhere = {
        "organisation": answers.organisation,
        "domain": answers.domain,
        "team": answers.team,
        "area": AREA,
        "version": ours,
    }
    services = [
        {"name": name, "variable": f"{name.replace('-', '_').upper()}_SERVICE", "flag": _flag(name)}
        for name in answers.services
    ]
    environments = [
        {"name": name, "pages": answers.pages(name), "host": answers.host(name)} for name in answers.environments
    ]
    files = {
        "paymon.toml": text("paymon.toml", minor=".".join(ours.split(".")[:2])),
        "monitoring.py": text(
            "monitoring.py",
            services=services,
            environments=environments,
            payment_methods=answers.payment_methods,
            currencies=answers.currencies,
            timezone=answers.timezone,
            pagerduty=answers.pagerduty,
            slack=answers.slack,
            flag=answers.flag,
            without=answers.without,
            because=answers.because,
        ),
        f"{AREA}.py": text(
            "area.py",
            prefix=first.replace("-", "_"),
            camel="".join(word.capitalize() for word in first.split("-")),
        ),
        ".github/workflows/monitoring.yml": text("github.yml"),
        ".gitlab-ci.yml": text("gitlab.yml"),
        ".gitignore": text("gitignore"),
        "README.md": text(
            "README.md",
            services=len(services),
            first=first,
            generated="generated" if len(services) == 1 else "generated/<service>",
        ),
    }
    today, until = answers.today()
    for service in answers.services:
        for environment in answers.environments:
            folder = "exporter" + ("" if len(answers.services) == 1 else f"/{service}")
            path = f"{folder}/{environment}.yaml"
            generated = "generated" + ("" if len(answers.services) == 1 else f"/{service}")
            files[path] = text(
                "exporter.yaml",
                service=service,
                environment=environment,
                file=path,
                host=answers.host(environment),
                allow_lists=f"{generated}/{environment}/deploy/allow-lists.yaml",
                declared=f"{folder}/declared-{environment}.yaml",
                postgres=answers.postgres,
                inbox=answers.inbox,
                flag=answers.flag,
                feature_flag=_flag(service),
            )
            files[f"{folder}/declared-{environment}.yaml"] = text("declared.yaml", today=today, until=until)
    return files
