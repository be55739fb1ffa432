"""From a grid file to a registered plan: designs, arms and matched pairs, all of it built before anything runs."""

from ..plan.arms import Arm
from ..plan.plan import Cell, Plan, load_plan

__all__ = ["Arm", "Cell", "Plan", "load_plan"]
