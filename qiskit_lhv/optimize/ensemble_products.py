"""Averages over an ensemble of products of all parties' responses, with gradients that compile well."""

from __future__ import annotations

import math
from typing import Any

import jax
import jax.numpy as jnp

__all__ = ["sum_of_products"]

# Hidden variables per block on a processor, so that their products stay in its cache.
_BLOCK = 256
# Sums over at most this number of directions are written out term by term, which XLA fuses into one pass.
_WRITTEN_OUT = 64


@jax.custom_vjp
def sum_of_products(rows: list[jax.Array]) -> jax.Array:
    """Returns, as a matrix, the sums over hidden variables of products of one row per party.

    The gradient that JAX derives from broadcast products sums over the middle axis of arrays of three axes, for which
    XLA makes slow code on processors. This function writes the sums out and takes the hidden variables in blocks.

    Args:
        rows: One array of shape ``(n_k, H)`` for each of at least two parties.

    Returns:
        Shape ``(product of n_k of the first half of the parties, that of the others)``; the first half is the larger.
    """
    return _forward(rows)[0]


def _forward(rows: list[jax.Array]) -> tuple[jax.Array, list[jax.Array]]:
    half = _half(rows)
    shape = (math.prod(len(row) for row in rows[:half]), math.prod(len(row) for row in rows[half:]))
    # Where there are several devices, these are zeros of each of them, as the rows are.
    first = jax.lax.full_like(rows[0], 0, shape=shape)

    def add(total: jax.Array, block: list[jax.Array]) -> tuple[jax.Array, None]:
        return total + _products(block[:half]) @ _products(block[half:]).T, None

    return jax.lax.scan(add, first, _blocks(rows))[0], rows


def _backward(rows: list[jax.Array], weights: jax.Array) -> tuple[list[jax.Array]]:
    half, num_hidden = _half(rows), rows[0].shape[1]

    def gradients(block: list[jax.Array]) -> list[jax.Array]:
        left, right = block[:half], block[half:]
        return [
            *_gradients(left, weights @ _products(right)),
            *_gradients(right, weights.T @ _products(left)),
        ]

    found = jax.lax.map(gradients, _blocks(rows))
    return ([jnp.moveaxis(gradient, 0, 1).reshape(gradient.shape[1], -1)[:, :num_hidden] for gradient in found],)


sum_of_products.defvjp(_forward, _backward)


def _half(rows: list[Any]) -> int:
    return (len(rows) + 1) // 2


def _blocks(rows: list[jax.Array]) -> list[jax.Array]:
    """The rows by blocks of hidden variables, shape ``(blocks, n_k, size)``; what is missing in the last one is 0."""
    num_hidden = rows[0].shape[1]
    # An accelerator has no such cache, and loses time with every block.
    size = min(_BLOCK, num_hidden) if jax.default_backend() == "cpu" else num_hidden
    count = -(-num_hidden // size)
    padded = [jnp.pad(row, ((0, 0), (0, count * size - num_hidden))) for row in rows]
    return [jnp.moveaxis(row.reshape(len(row), count, size), 1, 0) for row in padded]


def _products(rows: list[jax.Array]) -> jax.Array:
    """Products of rows of all factors, shape ``(product of lengths, H)``."""
    result = rows[0]
    for row in rows[1:]:
        result = (result[:, None, :] * row[None, :, :]).reshape(-1, result.shape[-1])
    return result


def _gradients(rows: list[jax.Array], weights: jax.Array) -> list[jax.Array]:
    """Gradients of ``sum(weights * products of the rows)`` with respect to each factor."""
    if len(rows) == 1:
        return [weights]
    *others, last = rows
    head = _products(others)
    table = weights.reshape(len(head), len(last), -1)
    return [*_gradients(others, _weighted(table, last, 1)), _weighted(table, head, 0)]


def _weighted(table: jax.Array, factor: jax.Array, axis: int) -> jax.Array:
    """``table`` times ``factor``, summed over an axis of settings of both."""
    if len(factor) > _WRITTEN_OUT:
        return jnp.sum(table * jnp.expand_dims(factor, 1 - axis), axis=axis)
    terms = [jax.lax.index_in_dim(table, j, axis, keepdims=False) * factor[j : j + 1] for j in range(len(factor))]
    return sum(terms[1:], terms[0])
