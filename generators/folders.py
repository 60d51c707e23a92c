"""What lies below the folder of generated files, and is of no single environment or service?"""

__all__ = ["ALERTMANAGER", "GRAFANA", "MANIFEST", "OF_ALL", "OWNED"]

OWNED = "generated"
"""The folder whose whole content is generated: what lies there and is not, is stale."""

ALERTMANAGER = "alertmanager"
GRAFANA = "grafana"
MANIFEST = "manifest.json"

OF_ALL = (ALERTMANAGER, GRAFANA, MANIFEST)
"""The names that no environment and no service can have: each of those has a folder of its name there."""
