"""What a model costs: parameters, FLOPs, latency, memory, and the machine's limits."""

from swarmformer.cost.epoch import EpochFlops, TextFlops, epoch_flops, flops_of_text
from swarmformer.cost.errors import LimitError, OutputError, TooLargeError
from swarmformer.cost.latency import Latency, measure_latency
from swarmformer.cost.limits import Work, judge
from swarmformer.cost.machine import Limits, measure_limits
from swarmformer.cost.memory import MemoryRow, measure_memory
from swarmformer.cost.operations import counted_flops, counted_training_flops
from swarmformer.cost.parameters import ParameterCount, count_parameters
from swarmformer.cost.report import measure_costs
from swarmformer.cost.rounds import Samples, time_arms
from swarmformer.cost.variants import SlotFlops, flops_by_slot

__all__ = [
    "EpochFlops",
    "Latency",
    "LimitError",
    "Limits",
    "MemoryRow",
    "OutputError",
    "ParameterCount",
    "Samples",
    "SlotFlops",
    "TextFlops",
    "TooLargeError",
    "Work",
    "count_parameters",
    "counted_flops",
    "counted_training_flops",
    "epoch_flops",
    "flops_by_slot",
    "flops_of_text",
    "judge",
    "measure_costs",
    "measure_latency",
    "measure_limits",
    "measure_memory",
    "time_arms",
]
