"""Who hears of which alert, how soon, how often, and which alerts keep quiet about what another one says?"""

from generators.alertmanager.files import alertmanager_files
from generators.alertmanager.messages import MESSAGES, WITHOUT_MESSAGES
from generators.alertmanager.problems import alertmanager_problems

__all__ = ["MESSAGES", "WITHOUT_MESSAGES", "alertmanager_files", "alertmanager_problems"]
