"""Which names may a team's own project rely on?

These, and no others. A name that goes, or means something else, is a new major version; the release before says so.
"""

from rules.catalog import PAYMENTS
from rules.composition import Definitions
from rules.vocabulary import *  # noqa: F403 - the vocabulary is what a definition is written in
from rules.vocabulary import __all__ as _vocabulary

__all__ = ["PAYMENTS", "Definitions", *_vocabulary]
