"""Which dashboards are there, and in which order does an alert look for its panel?"""

from rules.payments.dashboards.database import DATABASE
from rules.payments.dashboards.monitoring import MONITORING
from rules.payments.dashboards.overview import OVERVIEW
from rules.payments.dashboards.stripe import STRIPE
from rules.payments.dashboards.surroundings import MARKS, NARROWINGS

__all__ = ["DASHBOARDS", "MARKS", "NARROWINGS"]

DASHBOARDS = (OVERVIEW, STRIPE, DATABASE, MONITORING)
