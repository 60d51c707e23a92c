"""When would each alert on payments fire? Computed from counts alone, without Prometheus and without PromQL."""

from simulator.arithmetic.evaluation import CORE, TRAFFIC, Evaluation, Firing
from simulator.arithmetic.history import Clock, History
from simulator.arithmetic.traffic import Mix, evenly_spaced, poisson, week_shape, weeks_of_traffic

__all__ = [
    "CORE",
    "TRAFFIC",
    "Clock",
    "Evaluation",
    "Firing",
    "History",
    "Mix",
    "evenly_spaced",
    "poisson",
    "week_shape",
    "weeks_of_traffic",
]
