"""What PyTorch computes on a CPU by approximations that each maker's processors have of their own, otherwise.

MKL's square root begins with an instruction that Intel and AMD round differently, and oneDNN's LSTM differs as well, in
the last bit, whatever `instructions.py` holds them to. Here both take a path that is the same on every x86-64 processor
with AVX2. On a GPU nothing changes.
"""

import torch
from torch import Tensor, nn


def square_root(x: Tensor) -> Tensor:
    """Return the square root of non-negative numbers, to the last bit or the one before.

    >>> square_root(torch.tensor([0.0, 4.0])).tolist()
    [0.0, 2.0]
    """
    return x.rsqrt().reciprocal()


class RMSprop(torch.optim.RMSprop):
    """PyTorch's, with that square root; without momentum, centring or closures, of dense gradients."""

    @torch.no_grad()
    def step(self, closure: None = None) -> None:
        """Take a step by the gradients that there are."""
        for group in self.param_groups:
            for weights in group["params"]:
                if weights.grad is None:
                    continue
                state = self.state[weights]
                if not state:
                    state["square_avg"] = torch.zeros_like(weights)
                gradient, average, keeps = weights.grad, state["square_avg"], group["alpha"]
                if group["weight_decay"]:
                    gradient = gradient.add(weights, alpha=group["weight_decay"])
                average.mul_(keeps).addcmul_(gradient, gradient, value=1 - keeps)
                weights.addcdiv_(gradient, square_root(average).add_(group["eps"]), value=-group["lr"])


class LSTM(nn.LSTM):
    """PyTorch's, of sequences (B, T, D), by its own code in place of oneDNN's."""

    def __init__(self, inputs: int, hidden: int, layers: int = 1):
        super().__init__(inputs, hidden, layers, batch_first=True)

    def forward(self, x: Tensor) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """Return the states of the last layer (B, T, hidden), and all layers' last ones, as `nn.LSTM` does."""
        before = torch.backends.mkldnn.enabled
        torch.backends.mkldnn.enabled = False  # its context manager sets more, and warns
        try:
            return super().forward(x)
        finally:
            torch.backends.mkldnn.enabled = before
