"""One abstract class per slot; each docstring is the slot's contract.

Shape legend: B batch, N tokens, C clusters, D width (``d_model``), H heads, K classes.
``x_BND`` are token states, ``c_BCD`` cluster states, ``mask_BN`` is True on real tokens and
``None`` stands for "all tokens are real".

A component's constructor is its schema: ``__init__(self, dims: Dims, *, option: type = default)``.
``forward`` is all it must have (``detailed``, for a model). ``flops`` is the number of operations of matrix products
(multiply-adds × 2) for one forward pass in evaluation; convolutions and Fourier transforms are products too, while
elementwise work, scans (``cumsum``), sorts and solvers are left out. It takes the sizes that
``forward`` takes, and is counted on the meta device unless a component states a closed form, which is quicker and is
held to the count by ``swarmformer.testing``. ``training_flops`` is forward and backward of one training step, where
what comes in wants a gradient (the embedding is trained): counted too, or ``PASSES`` × a closed form, since a product
takes one in the forward pass and one for the gradient of each operand. A component with a closed form says otherwise
where an operand wants no gradient (a constant, a frozen weight), or where it computes more in training (an auxiliary
loss); a router with one states its ``broadcast_flops`` too.
"""

from swarmformer.contracts.augmentation import Augmentation
from swarmformer.contracts.channel import Channel
from swarmformer.contracts.cluster import Cluster
from swarmformer.contracts.component import PASSES, AtLeastOne, Component, Dims, Probability, Strict
from swarmformer.contracts.embedding import Embedding, embedded, embedding_of
from swarmformer.contracts.feedback import Feedback
from swarmformer.contracts.local import Local
from swarmformer.contracts.model import Cache, Model, ModelOutput, Past, tells_order
from swarmformer.contracts.norm import Norm
from swarmformer.contracts.objective import Forward, Loss, Objective
from swarmformer.contracts.optimiser import Optimiser, decay_groups, parameters_in
from swarmformer.contracts.pooling import Pooling
from swarmformer.contracts.pyramid import Pyramid
from swarmformer.contracts.router import Assignment, Router
from swarmformer.contracts.stage import Judge, Metrics, Stage
from swarmformer.contracts.text_augmentation import Added, TextAugmentation

__all__ = [
    "PASSES",
    "Added",
    "Assignment",
    "AtLeastOne",
    "Augmentation",
    "Cache",
    "Channel",
    "Cluster",
    "Component",
    "Dims",
    "Embedding",
    "Feedback",
    "Forward",
    "Judge",
    "Local",
    "Loss",
    "Metrics",
    "Model",
    "ModelOutput",
    "Norm",
    "Objective",
    "Optimiser",
    "Past",
    "Pooling",
    "Probability",
    "Pyramid",
    "Router",
    "Stage",
    "Strict",
    "TextAugmentation",
    "decay_groups",
    "embedded",
    "embedding_of",
    "parameters_in",
    "tells_order",
]
