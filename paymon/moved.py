"""Which files lie elsewhere once a service comes or goes, and what of a team's own still names their old place?"""

import re
from collections.abc import Iterator
from pathlib import Path

from generators.files import folder_of
from generators.folders import GRAFANA, MANIFEST, OWNED
from paymon.renames import lines_of
from rules.vocabulary import Catalog

__all__ = ["manifest_of", "moved"]


def manifest_of(catalog: Catalog, catalogs: tuple[Catalog, ...], root: Path) -> Path:
    """Where the catalog's manifest lies, or lay while its project had another number of services."""
    place = root / folder_of(catalog, catalogs) / MANIFEST
    service = catalog.organisation.service
    others = (root / OWNED / service / MANIFEST, root / OWNED / MANIFEST)
    known = (one for one in others if one.exists() and f'"service": "{service}"' in one.read_text())
    return place if place.exists() else next(known, place)


def moved(root: Path, catalogs: tuple[Catalog, ...], folder: Path) -> Iterator[str]:
    """What is to be told of the files below `root` before they are written anew; `folder` has the team's own.

    Who loads them by their old place loads nothing any more, and no alert fires.
    """
    for catalog in catalogs:
        organisation = catalog.organisation
        before = manifest_of(catalog, catalogs, root).parent.relative_to(root).as_posix()
        now = folder_of(catalog, catalogs)
        if before == now:
            continue
        yield (
            f"the files of {organisation.service} move from {before}/ to {now}/: whatever loads them (Prometheus'"
            " rule_files, Grafana, Kustomize, the exporter's allow_lists.file) has to look there"
        )
        within = (*(one.name for one in organisation.environments), GRAFANA)
        places = {f"{before}/{name}": f"{now}/{name}" for name in within} if before == OWNED else {before: now}
        for place, line in lines_of(folder):
            for old, new in places.items():
                if re.search(rf"(?<![\w-]){re.escape(old)}(?![\w-])", line):
                    yield f"{place}: names {old}, which is {new} now"
