"""What belongs together, and what does a team change?"""

from rules.composition.definitions import Definitions
from rules.composition.filling import Words, filled, places_left
from rules.composition.places import in_environment

__all__ = ["Definitions", "Words", "filled", "in_environment", "places_left"]
