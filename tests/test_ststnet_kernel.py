"""The compiled stem of STSTNet against the plain PyTorch modules it stands for."""

import os
import subprocess
import sys

import pytest
import torch
from torch import nn
from torch.nn import functional

from apexbench.methods.networks.ststnet_kernel import drop_and_average, stem, stem_eval

EPS = 1e-5


pytestmark = pytest.mark.usefixtures("one_thread")


def plain(x, weight, bias, gamma, beta):
    r = functional.relu(functional.conv2d(x, weight, bias, padding=2))
    y = functional.batch_norm(r, None, None, gamma, beta, training=True, eps=EPS)
    variance, mean = torch.var_mean(r, dim=(0, 2, 3))
    return functional.max_pool2d(y, 3, 3, 1), mean, variance


def parameters(scale=0.3):
    weight, bias = scale * torch.randn(16, 3, 3, 3), 0.2 * torch.randn(16)
    gamma, beta = torch.randn(16), torch.randn(16)
    assert (gamma < 0).any()
    return [part.requires_grad_() for part in (weight, bias, gamma, beta)]


def flow_like(count):
    """Images as of flow: mostly one mid grey, so that the variance is small against the mean."""
    x = torch.full((count, 3, 28, 28), 0.5)
    x[:, :, 8:20, 5:25] += 0.05 * torch.randn(count, 3, 12, 20)
    return x


def close(ours, theirs, relative):
    scale = theirs.abs().max().item()
    assert (ours - theirs).abs().max().item() <= relative * scale


@pytest.mark.parametrize("count", [1, 2, 7, 33])
@pytest.mark.parametrize("images", [lambda n: torch.randn(n, 3, 28, 28), flow_like], ids=["noise", "flow-like"])
def test_forward_and_gradients_equal_plain_modules(count, images):
    x, ours = images(count), parameters()
    exact = [part.detach().double().requires_grad_() for part in ours]
    pooled, mean, variance = stem(x, *ours, EPS)
    # Against float64: of two float32 results that differ, it is not said that PyTorch's is the better one.
    expected, expected_mean, expected_variance = plain(x.double(), *exact)
    close(pooled, expected, 1e-5)
    close(mean, expected_mean, 1e-5)
    close(variance, expected_variance, 1e-5)
    towards = torch.randn_like(pooled)
    pooled.backward(towards)
    expected.backward(towards.double())
    for one, other in zip(ours, exact, strict=True):
        close(one.grad, other.grad, 1e-4)


def test_equals_float32_modules_too():
    x, ours = torch.randn(9, 3, 28, 28), parameters()
    theirs = [part.detach().clone().requires_grad_() for part in ours]
    pooled, *_ = stem(x, *ours, EPS)
    expected, *_ = plain(x, *theirs)
    torch.testing.assert_close(pooled, expected, atol=1e-5, rtol=1e-5)
    pooled.square().sum().backward()
    expected.square().sum().backward()
    for one, other in zip(ours, theirs, strict=True):
        close(one.grad, other.grad, 1e-4)


def test_zero_gamma_and_dead_channels():
    ours = parameters()
    with torch.no_grad():
        ours[2][0] = 0
        ours[1][1] = -100  # never active: all zero after ReLU, so every window is a tie
    exact = [part.detach().double().requires_grad_() for part in ours]
    x = torch.randn(3, 3, 28, 28)
    pooled, *_ = stem(x, *ours, EPS)
    expected, *_ = plain(x.double(), *exact)
    close(pooled, expected, 1e-5)
    towards = torch.randn_like(pooled)
    pooled.backward(towards)
    expected.backward(towards.double())
    for one, other in zip(ours, exact, strict=True):
        close(one.grad, other.grad, 1e-4)
    assert not ours[0].grad[1].any()


def test_evaluation_equals_plain_modules():
    x, ours = torch.randn(5, 3, 28, 28), parameters()
    mean, variance = torch.rand(16), torch.rand(16) + 0.1
    r = functional.relu(functional.conv2d(x, ours[0], ours[1], padding=2))
    y = functional.batch_norm(r, mean, variance, ours[2], ours[3], training=False, eps=EPS)
    result = stem_eval(x, *ours, mean, variance, EPS)
    torch.testing.assert_close(result, functional.max_pool2d(y, 3, 3, 1), atol=1e-5, rtol=1e-5)
    assert not result.requires_grad
    alone = torch.cat([stem_eval(clip[None], *ours, mean, variance, EPS) for clip in x])
    assert torch.equal(result, alone)


def test_same_numbers_every_time():
    x, ours = torch.randn(20, 3, 28, 28), parameters()
    runs = []
    for threads in (1, 2, 1):
        torch.set_num_threads(threads)
        for part in ours:
            part.grad = None
        pooled, *statistics = stem(x, *ours)
        pooled.square().sum().backward()
        runs.append([pooled, *statistics, *(part.grad.clone() for part in ours)])
    for run in runs[1:]:
        assert all(torch.equal(one, other) for one, other in zip(runs[0], run, strict=True))


def test_two_forwards_before_their_backwards():
    first, second, ours = torch.randn(3, 3, 28, 28), torch.randn(4, 3, 28, 28), parameters()
    (stem(first, *ours)[0].sum() + stem(second, *ours)[0].square().sum()).backward()
    together = [part.grad.clone() for part in ours]
    for part in ours:
        part.grad = None
    stem(first, *ours)[0].sum().backward()
    stem(second, *ours)[0].square().sum().backward()
    for part, sums in zip(ours, together, strict=True):
        close(part.grad, sums, 1e-6)


class Plain(nn.Module):
    """STSTNet as published, without its dropout."""

    def __init__(self):
        super().__init__()
        self.branches = nn.ModuleList(
            nn.Sequential(nn.Conv2d(3, k, 3, padding=2), nn.ReLU(), nn.BatchNorm2d(k), nn.MaxPool2d(3, 3, 1))
            for k in (3, 5, 8)
        )
        self.head = nn.Linear(400, 3)

    def forward(self, x):
        y = torch.cat([branch(x) for branch in self.branches], dim=1)
        return self.head(functional.avg_pool2d(y, 2).flatten(1))


class Fused(nn.Module):
    """The same weights on the compiled stem."""

    def __init__(self, plain):
        super().__init__()
        convs, norms = ([branch[i] for branch in plain.branches] for i in (0, 2))
        for name, parts in (
            ("weight", [conv.weight for conv in convs]),
            ("bias", [conv.bias for conv in convs]),
            ("gamma", [norm.weight for norm in norms]),
            ("beta", [norm.bias for norm in norms]),
        ):
            setattr(self, name, nn.Parameter(torch.cat([part.detach() for part in parts])))
        self.head = nn.Linear(400, 3)
        self.head.load_state_dict(plain.head.state_dict())
        self.mean, self.variance = torch.zeros(16), torch.ones(16)

    def forward(self, x):
        stem_parameters = self.weight, self.bias, self.gamma, self.beta
        if self.training:
            y, mean, variance = stem(x, *stem_parameters)
            self.mean.lerp_(mean, 0.1)
            self.variance.lerp_(variance, 0.1)
        else:
            y = stem_eval(x, *stem_parameters, self.mean, self.variance)
        return self.head(functional.avg_pool2d(y, 2).flatten(1))


def test_fifty_training_steps_stay_close():
    theirs = Plain()
    assert sum(part.numel() for part in theirs.parameters()) == 1683
    with torch.no_grad():
        theirs.branches[2][2].weight[:4] *= -1
    ours = Fused(theirs)
    x, y = torch.rand(40, 3, 28, 28), torch.randint(0, 3, (40,))
    optimizers = [torch.optim.Adam(net.parameters(), 1e-3, fused=True) for net in (ours, theirs)]
    losses = []
    for step in range(50):
        batch = slice(0, 25) if step % 2 else slice(25, 40)
        for net, optimizer in zip((ours, theirs), optimizers, strict=True):
            optimizer.zero_grad()
            loss = functional.cross_entropy(net(x[batch]), y[batch])
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
    assert losses[-1] < 0.8 * losses[0]
    assert losses[0::2] == pytest.approx(losses[1::2], abs=1e-3)
    norms = [branch[2] for branch in theirs.branches]
    torch.testing.assert_close(ours.mean, torch.cat([norm.running_mean for norm in norms]), atol=1e-3, rtol=1e-3)
    torch.testing.assert_close(ours.variance, torch.cat([norm.running_var for norm in norms]), atol=1e-3, rtol=1e-3)
    ours.eval()
    theirs.eval()
    with torch.no_grad():
        torch.testing.assert_close(ours(x), theirs(x), atol=5e-3, rtol=0)


def test_drop_and_average_drops_half_and_backpropagates_its_own_pattern():
    pooled = torch.rand(30, 16, 10, 10, requires_grad=True)
    averaged = drop_and_average(pooled)
    averaged.backward(torch.ones_like(averaged))
    values = pooled.grad.unique().tolist()
    assert values == [0, 0.5]
    keep = 4 * pooled.grad  # the factor of dropout: 0 or 2
    torch.testing.assert_close(averaged, functional.avg_pool2d(pooled * keep, 2))
    assert keep.mean().item() == pytest.approx(1, abs=0.02)
    assert keep.mean(dim=(0, 2, 3)).sub(1).abs().max() < 0.1

    weights = torch.rand_like(averaged)
    torch.manual_seed(3)
    once = drop_and_average(pooled)
    torch.manual_seed(3)
    assert torch.equal(once, drop_and_average(pooled))
    assert not torch.equal(once, averaged)
    pooled.grad = None
    (once * weights).sum().backward()
    other = pooled.detach().clone().requires_grad_()
    (functional.avg_pool2d(other * (2 * (pooled.grad > 0)), 2) * weights).sum().backward()
    torch.testing.assert_close(pooled.grad, other.grad)


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (torch.zeros(2, 3, 30, 30), "28, 28"),
        (torch.zeros(2, 3, 28, 28, dtype=torch.float64), "float32"),
        (torch.zeros(0, 3, 28, 28), "expected"),
        (torch.zeros(2, 3, 28, 28, requires_grad=True), "no gradient"),
    ],
)
def test_other_input_is_refused(x, message):
    with pytest.raises(ValueError, match=message):
        stem(x, *parameters())


def test_nan_comes_out_as_nan():
    x = torch.zeros(2, 3, 28, 28)
    x[0, 0, 5, 5] = float("nan")
    pooled, mean, _ = stem(x, *parameters())
    assert mean.isnan().any() or pooled.isnan().any()


def test_strided_input_is_accepted():
    x, ours = torch.randn(4, 3, 28, 28), parameters()
    turned = x.to(memory_format=torch.channels_last)
    assert torch.equal(stem(turned, *ours)[0], stem(x, *ours)[0])


@pytest.mark.slow
def test_same_bits_with_a_cold_and_a_warm_cache(tmp_path):
    """A fresh clone compiles the kernels, the next run loads them: the predictions must not tell which it was."""
    program = """
import hashlib, numpy, torch
from apexbench.methods import create
from apexbench.motion import tvl1_flow
from apexbench.training.run import train_fold
rng = numpy.random.default_rng(0)
flow = rng.standard_normal((12, 3, 28, 28)).astype(numpy.float16)
method = create("ststnet", 3, epochs=3, batch_size=6)
sides = [{"flow": part, "id": numpy.arange(len(part))} for part in (flow[:9], flow[9:])]
scores = train_fold(method, sides[0], numpy.arange(9) % 3, sides[1], seed=1)
images = rng.integers(0, 256, (2, 48, 48)).astype(numpy.uint8)
print(hashlib.sha256(scores.tobytes() + tvl1_flow(*images).tobytes()).hexdigest())
"""
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)}
    words = [sys.executable, "-c", program]
    cold, warm = (subprocess.run(words, env=environment, capture_output=True, text=True, check=True) for _ in range(2))
    assert cold.stdout == warm.stdout and len(cold.stdout) == 65
