"""Operations that have a fast twin, each in a folder of its own: ``plain`` is the arithmetic as it is written.

An operation's ``__init__`` alone chooses, by device, ``torch.compile`` and ``switch``; components call it and know
nothing of devices, caches or copies. The tests hold the twins together. On other devices the fused kernels of
PyTorch and its compiler do this work.

=============  =======================================================================================
attention      softmax(q kᵀ) v with masks, windows and biases; see there
dropout        masks cut from raw random bits on a CPU
gating         x + gate·u and what goes into a gate; per cluster where all its tokens hear the same
near           products of tokens with the clusters around them, text by text on a CPU
neighbours     every token with the one before and the one after, without shifted copies on a CPU
padding        texts in chunks of which the last is partial, also in a graph for every length
pieces         batches cut into pieces that fit the cache of a CPU
memory         the C library keeps what was freed
transfer       from the CPU to a device, without waiting
stacked        several models in one pass, each with random draws of its own
switch         whether the fast twins are taken: ``use_fast``, ``SWARMFORMER_FAST``
=============  =======================================================================================
"""
