"""What a model costs: parameters, FLOPs, latency, and the machine's ceilings."""

from swarmformer.cost.epoch import EpochFlops, epoch_flops
from swarmformer.cost.errors import CeilingError, OutputError
from swarmformer.cost.latency import LatencyRow, measure_latency
from swarmformer.cost.machine import Ceilings, measure_ceilings
from swarmformer.cost.operations import counted_flops, counted_training_flops
from swarmformer.cost.parameters import ParameterCount, count_parameters
from swarmformer.cost.report import measure_costs
from swarmformer.cost.variants import SlotFlops, flops_by_slot

__all__ = [
    "CeilingError",
    "Ceilings",
    "EpochFlops",
    "LatencyRow",
    "OutputError",
    "ParameterCount",
    "SlotFlops",
    "count_parameters",
    "counted_flops",
    "counted_training_flops",
    "epoch_flops",
    "flops_by_slot",
    "measure_ceilings",
    "measure_costs",
    "measure_latency",
]
