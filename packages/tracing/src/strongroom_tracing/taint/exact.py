"""Multiply and divide 64-bit integers exactly, inside compiled code, where no 128-bit integer is at hand."""

from __future__ import annotations

from strongroom_tracing.compiled import compiled_lean

FLOAT_EXACT = 1 << 53  # up to here every integer is a float64
BITS = 62


@compiled_lean
def multiply_divide(a: int, b: int, c: int) -> tuple[int, int]:
    """Give ``a * b // c`` and ``a * b % c`` for ``0 <= a <= c``, ``0 <= b < 2**62``, ``0 < c < 2**62``.

    The one place where a float comes near value, and why it is exact all the same: below 2**53 the three operands are
    floats without loss, two roundings make the quotient wrong by at most 3 (it is at most ``b``), and the remainder
    ``a*b - q*c`` of such a quotient lies within ``4 * c < 2**55``; so it is right although both products wrap around
    2**64, and it tells by how much the quotient is to be moved. Above 2**53 (no coin chain has such sums today) the
    product is made bit by bit from the top, as with pen and paper.
    """
    if b < FLOAT_EXACT and c < FLOAT_EXACT:
        quotient = int(float(a) * float(b) / float(c))
        remainder = a * b - quotient * c
        while remainder < 0:
            quotient -= 1
            remainder += c
        while remainder >= c:
            quotient += 1
            remainder -= c
        return quotient, remainder
    whole, part = b // c, b % c
    quotient = 0
    remainder = 0
    for place in range(BITS - 1, -1, -1):
        quotient += quotient
        remainder += remainder
        if remainder >= c:
            quotient += 1
            remainder -= c
        if (a >> place) & 1:
            quotient += whole
            remainder += part
            if remainder >= c:
                quotient += 1
                remainder -= c
    return quotient, remainder
