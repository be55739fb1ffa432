from __future__ import annotations

import torch
from torch import nn

from swarmformer.cost.parts import count_parameters
from swarmformer.records import Parameters

V, D, K = 50, 8, 3


def test_hand_count(dims, wrap):
    model = wrap(dims, nn.Linear(D, K))
    assert count_parameters(model) == Parameters(total=V * D + D * K + K, without_embedding=D * K + K)


def test_position_table_stays_in(dims, wrap):
    model = wrap(dims, nn.Sequential(nn.Embedding(16, D), nn.Linear(D, K)))
    assert count_parameters(model).without_embedding == 16 * D + D * K + K


def test_shared_tensors_count_once(dims, wrap):
    shared = nn.Linear(D, D)
    model = wrap(dims, nn.Sequential(shared, nn.ReLU(), shared))
    assert count_parameters(model) == Parameters(total=V * D + D * D + D, without_embedding=D * D + D)


def test_table_tied_to_the_output_layer(dims, wrap):
    output = nn.Linear(D, V, bias=True)
    model = wrap(dims, output)
    output.weight = model.table.weight
    assert count_parameters(model) == Parameters(total=V * D + V, without_embedding=V)


def test_frozen_parameters_count_and_buffers_do_not(dims, wrap):
    body = nn.BatchNorm1d(D)
    model = wrap(dims, body.requires_grad_(False))
    assert count_parameters(model).without_embedding == 2 * D


def test_without_weights(dims, wrap):
    with torch.device("meta"):
        model = wrap(dims, nn.Linear(D, K))
    assert count_parameters(model).total == V * D + D * K + K
