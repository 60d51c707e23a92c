"""Which dashboards are there, and in which order does an alert look for its panel?"""

from rules.dashboards.database import DATABASE
from rules.dashboards.monitoring import MONITORING
from rules.dashboards.overview import OVERVIEW
from rules.dashboards.stripe import STRIPE

__all__ = ["DASHBOARDS"]

DASHBOARDS = (OVERVIEW, STRIPE, DATABASE, MONITORING)
