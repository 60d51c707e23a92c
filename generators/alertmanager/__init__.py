"""Who hears of which alert, how soon, how often, and which alerts keep quiet about what another one says?"""

from generators.alertmanager.files import MESSAGES, alertmanager_files
from generators.alertmanager.problems import alertmanager_problems

__all__ = ["MESSAGES", "alertmanager_files", "alertmanager_problems"]
