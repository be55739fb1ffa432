"""Where tokens and clusters stand, and how what belongs together is laid side by side."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor
from torch.nn import functional as F

from swarmformer.ops.padding import chunk_count, filled


class Near(NamedTuple):
    """N tokens in chunks of S; the candidates are the chunk itself and ``radius`` on either side."""

    length: int
    size: int
    radius: int

    @property
    def clusters(self) -> int:
        return chunk_count(self.length, self.size)

    @property
    def candidates(self) -> int:
        return 2 * self.radius + 1

    def chunks(self, x_bNX: Tensor) -> Tensor:
        """[b, C, S, X]; a view where the last chunk is full."""
        return filled(x_bNX, self.size).unflatten(1, (-1, self.size))

    def around(self, c_bCX: Tensor) -> Tensor:
        """[b, C, R, X]: the clusters −r … +r around each, zero beyond the ends; a view."""
        padded = F.pad(c_bCX, (0, 0, self.radius, self.radius))
        return padded.unfold(1, self.candidates, 1).transpose(2, 3)

    def fold(self, part_bCRX: Tensor) -> Tensor:
        """Sum what chunk g gives to its candidate o into cluster g + o − r: [b, C, X]."""
        C, r = self.clusters, self.radius
        total = part_bCRX.new_zeros(part_bCRX.shape[0], C + 2 * r, part_bCRX.shape[3])
        for o in range(self.candidates):
            total = total + F.pad(part_bCRX[:, :, o], (0, 0, o, 2 * r - o))
        return total[:, r : r + C]
