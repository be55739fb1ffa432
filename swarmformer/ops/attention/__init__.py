"""Attention behind one function, ``attend``, with interchangeable back ends.

=========  ==========================================================================================
plain      matrices and a softmax written out; the reference that the others are held against
sdpa       PyTorch's fused attention; windows as chunks of three blocks, linear in the length
banded     windows in pieces that fit the cache of a CPU, with a backward pass of its own
flex       PyTorch's flex_attention; block-sparse windows on a GPU, chosen within ``torch.compile``
xformers   ``memory_efficient_attention``; windows without masks on a GPU, in half precision
=========  ==========================================================================================

``choice`` picks one by what the call needs and the machine has; ``use_backend`` and the variable
``SWARMFORMER_ATTENTION`` override it; ``record`` keeps what was used and why.
"""

from swarmformer.ops.attention.average import average
from swarmformer.ops.attention.choice import Choice, Machine, choose
from swarmformer.ops.attention.function import attend
from swarmformer.ops.attention.override import use_backend
from swarmformer.ops.attention.record import recording, unrecorded
from swarmformer.ops.attention.request import AttentionError, Request

__all__ = [
    "AttentionError",
    "Choice",
    "Machine",
    "Request",
    "attend",
    "average",
    "choose",
    "recording",
    "unrecorded",
    "use_backend",
]
