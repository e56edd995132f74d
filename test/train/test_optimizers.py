"""The defining properties of the optimizers."""

from __future__ import annotations

import copy

import pytest
import torch
from pytorch_optimizer import Magma
from torch import Tensor, nn
from torch.optim import AdamW, Muon

from perception_models.discs.network import DiscsNetwork
from perception_models.optimizers.build import Optimizers, split
from perception_models.optimizers.muon import BatchedMuon, newton_schulz
from perception_models.optimizers.names import DEFAULT_RATES, METHODS
from perception_models.optimizers.namo import Namo, largest_ratio, polar

SHAPES = ((6, 6), (4, 9), (9, 4))


def matrices(seed: int = 0) -> list[nn.Parameter]:
    generator = torch.Generator().manual_seed(seed)
    return [nn.Parameter(torch.randn(shape, generator=generator)) for shape in SHAPES]


def give_gradients(parameters: list[nn.Parameter], seed: int) -> None:
    generator = torch.Generator().manual_seed(1000 + seed)
    for parameter in parameters:
        parameter.grad = torch.randn(parameter.shape, generator=generator)


def moved(parameters: list[nn.Parameter], before: list[Tensor]) -> list[Tensor]:
    return [b - p.detach() for p, b in zip(parameters, before, strict=True)]


def test_all_singular_values_of_a_namo_update_are_rate_times_ratio() -> None:
    parameters = matrices()
    optimizer = Namo(parameters, lr=0.1, weight_decay=0.0, orthogonalize=polar)
    for seed in range(3):
        give_gradients(parameters, seed)
        before = [p.detach().clone() for p in parameters]
        optimizer.step()
        for p, update in zip(parameters, moved(parameters, before), strict=True):
            values = torch.linalg.svdvals(update)
            expected = 0.1 * optimizer.ratios(p).expand_as(values)
            torch.testing.assert_close(values, expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("columns", [False, True])
def test_no_ratio_exceeds_the_bound_of_the_paper(columns: bool) -> None:
    """Gradients that grow by second / momentum a step are the worst case, and come close."""
    assert largest_ratio() == pytest.approx(5**0.5)
    parameters = matrices()
    optimizer = Namo(parameters, columns=columns, clamp=1e-6)
    give_gradients(parameters, 0)
    largest = 0.0
    for _ in range(200):
        for p in parameters:
            assert p.grad is not None
            p.grad *= 0.99 / 0.95
        optimizer.step()
        largest = max(largest, *(float(optimizer.ratios(p).max()) for p in parameters))
    assert 1.5 < largest <= largest_ratio()


def test_steady_gradients_give_ratio_one() -> None:
    """Both moments are corrected for their start: pure signal is a full step at once."""
    parameters = matrices()
    optimizer = Namo(parameters)
    give_gradients(parameters, 0)
    for _ in range(5):
        optimizer.step()
        for p in parameters:
            assert float(optimizer.ratios(p)) == pytest.approx(1.0, abs=1e-4)


def test_namo_d_clamped_fully_goes_in_the_direction_of_namo() -> None:
    plain, by_column = matrices(), matrices()
    first = Namo(plain, lr=0.1, weight_decay=0.0)
    second = Namo(by_column, lr=0.1, weight_decay=0.0, columns=True, clamp=1.0)
    for seed in range(3):
        before = [p.detach().clone() for p in plain]
        for p, q in zip(plain, by_column, strict=True):
            q.data.copy_(p.data)
        give_gradients(plain, seed)
        give_gradients(by_column, seed)
        first.step()
        second.step()
        for a, b in zip(moved(plain, before), moved(by_column, before), strict=True):
            torch.testing.assert_close(a / a.norm(), b / b.norm(), rtol=1e-4, atol=1e-5)


def test_namo_d_scales_columns_and_keeps_them_near_their_mean() -> None:
    parameters = matrices()
    optimizer = Namo(parameters, columns=True, clamp=0.5)
    for seed in range(4):
        give_gradients(parameters, seed)
        optimizer.step()
    for p in parameters:
        ratios = optimizer.ratios(p)
        assert ratios.shape == (p.shape[1],)
        assert ratios.std() > 0
        assert ratios.max() / ratios.min() <= 4 + 1e-4


def test_weight_decay_is_scaled_by_the_ratio() -> None:
    parameters = matrices()
    twin = copy.deepcopy(parameters)
    decayed = Namo(parameters, lr=0.1, weight_decay=0.1)
    plain = Namo(twin, lr=0.1, weight_decay=0.0)
    before = [p.detach().clone() for p in parameters]
    give_gradients(parameters, 0)
    give_gradients(twin, 0)
    decayed.step()
    plain.step()
    for p, q, b in zip(parameters, twin, before, strict=True):
        torch.testing.assert_close(q - p, 0.1 * 0.1 * decayed.ratios(p) * b, rtol=1e-4, atol=1e-6)


def test_newton_schulz_brings_singular_values_near_one() -> None:
    values = torch.linalg.svdvals(newton_schulz(torch.stack([m.data for m in matrices()[:1]])))
    assert values.min() > 0.4
    assert values.max() < 1.3


def test_matrices_of_a_batch_do_not_touch_each_other() -> None:
    together, alone = matrices(), matrices()
    give_gradients(together, 0)
    give_gradients(alone, 0)
    pair = [together[0], nn.Parameter(together[0].detach() * 3)]
    pair[1].grad = torch.randn(SHAPES[0], generator=torch.Generator().manual_seed(5))
    for make in (Namo, BatchedMuon):
        make(pair, lr=0.1).step()
        make(alone[:1], lr=0.1).step()
        torch.testing.assert_close(pair[0], alone[0])


def test_batched_muon_steps_as_muon_of_torch_does() -> None:
    ours, theirs = matrices(), matrices()
    first = BatchedMuon(ours, lr=0.1, weight_decay=0.1, adjust_lr_fn="match_rms_adamw")
    second = Muon(theirs, lr=0.1, weight_decay=0.1, adjust_lr_fn="match_rms_adamw")
    for seed in range(3):
        give_gradients(ours, seed)
        give_gradients(theirs, seed)
        before = [p.detach().clone() for p in ours]
        for p, q in zip(ours, theirs, strict=True):
            q.data.copy_(p.data)
        first.step()
        second.step()
        for a, b in zip(moved(ours, before), moved(theirs, before), strict=True):
            # torch computes in bfloat16, three significant digits, through five iterations.
            assert float((a - b).norm() / b.norm()) < 0.05


def network() -> DiscsNetwork:
    torch.manual_seed(0)
    return DiscsNetwork(width=16, heads=2, depth=2, change=(0.1, 0.5))


def learn(net: nn.Module, optimizer: Optimizers, steps: range) -> None:
    for step in steps:
        x = torch.rand((4, 3, 5), generator=torch.Generator().manual_seed(step))
        net(x).square().sum().backward()
        optimizer.step(1.0)


@pytest.mark.parametrize("method", METHODS)
def test_after_a_state_round_trip_the_next_step_is_bit_identical(method: str) -> None:
    def make(net: nn.Module) -> Optimizers:
        return Optimizers([net], method, rate=1e-2, rest_rate=1e-3, weight_decay=0.01)

    first = network()
    optimizer = make(first)
    learn(first, optimizer, range(3))
    second = copy.deepcopy(first)
    restored = make(second)
    restored.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    generator = torch.get_rng_state()
    learn(first, optimizer, range(3, 5))
    torch.set_rng_state(generator)
    learn(second, restored, range(3, 5))
    for a, b in zip(first.parameters(), second.parameters(), strict=True):
        assert torch.equal(a, b)


def test_only_matrices_inside_blocks_are_given_to_the_matrix_optimizer() -> None:
    net = network()
    chosen, others = split([net])
    names = {id(p): name for name, p in net.named_parameters()}
    inside = {names[id(p)] for p in chosen}
    assert len(inside) == 2 * 6
    assert all(name.startswith("blocks.") and name.endswith("weight") for name in inside)
    assert "head.weight" in {names[id(p)] for p in others}
    assert len(chosen) + len(others) == len(list(net.parameters()))


def test_magma_that_keeps_every_update_is_its_base_with_the_alignment_as_factor() -> None:
    masked, plain = matrices(), matrices()
    magma = Magma(AdamW(masked, lr=0.1, weight_decay=0.0), mask_prob=1.0, alignment_ema=1.0)
    base = AdamW(plain, lr=0.1, weight_decay=0.0)
    give_gradients(masked, 0)
    give_gradients(plain, 0)
    magma.step()
    base.step()
    # With alignment_ema = 1 the factor stays at its start, one: nothing but the base is left.
    for p, q in zip(masked, plain, strict=True):
        torch.testing.assert_close(p, q)


def test_magma_updates_moments_even_where_it_drops_the_update() -> None:
    masked, plain = matrices(), matrices()
    magma = Magma(AdamW(masked, lr=0.1), mask_prob=0.0)
    base = AdamW(plain, lr=0.1)
    before = [p.detach().clone() for p in masked]
    for seed in range(3):
        give_gradients(masked, seed)
        give_gradients(plain, seed)
        magma.step()
        base.step()
    for p, q, b in zip(masked, plain, before, strict=True):
        assert torch.equal(p.detach(), b)
        assert torch.equal(magma.state[p]["exp_avg"], base.state[q]["exp_avg"])


def test_magma_leaves_what_is_outside_blocks_to_adamw() -> None:
    """The head moves at every step, however the coins fall."""
    net = network()
    optimizer = Optimizers([net], "adamw+magma", rate=1e-2, rest_rate=1e-3, weight_decay=0.0)
    for step in range(4):
        before = net.head.weight.detach().clone()
        learn(net, optimizer, range(step, step + 1))
        assert not torch.equal(before, net.head.weight)


def test_every_method_has_a_learning_rate_of_its_own() -> None:
    assert set(DEFAULT_RATES) == set(METHODS)
