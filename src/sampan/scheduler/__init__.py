"""The scheduler: gives every waiting Pod a node. `schedule_one.py` tells the story; it speaks to an API server only."""

from sampan.scheduler.config import SchedulerConfig
from sampan.scheduler.run import run

__all__ = ["SchedulerConfig", "run"]
