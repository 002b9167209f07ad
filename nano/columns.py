"""Written-out column arithmetic: the part of a worked solution that takes real computing.

Every function returns the sentences of one computation. Digits are handled from the right, one sentence per
column, so that a decoder needs no arithmetic beyond single-digit facts with a carry.
"""

from __future__ import annotations

COLUMNS = ("Units", "Tens", "Hundreds", "Thousands", "Ten thousands", "Hundred thousands")


def digits(n: int) -> list[int]:
    """Decimal digits of |n|, least significant first."""
    return [int(c) for c in reversed(str(abs(n)))]


def add(a: int, b: int) -> list[str]:
    """Columns of a + b for a, b >= 0."""
    left, right = digits(a), digits(b)
    width, carry, out = max(len(left), len(right)), 0, []
    for i in range(width):
        x, y = (d[i] if i < len(d) else 0 for d in (left, right))
        total = x + y + carry
        sum_text = f"{COLUMNS[i]}: {x}+{y}" + (f"+{carry}" if carry else "") + f"={total}"
        out.append(sum_text + _write(total, last=i == width - 1))
        carry = total // 10
    return out


def subtract(a: int, b: int) -> list[str]:
    """Columns of a - b for a >= b >= 0."""
    left, right, borrow, out = digits(a), digits(b), 0, []
    for i, x in enumerate(left):
        y = right[i] if i < len(right) else 0
        minus = f"-{y}" + (f"-{borrow}" if borrow else "")
        rest = x - y - borrow
        if rest < 0:
            out.append(f"{COLUMNS[i]}: {x}{minus}, borrow, {x + 10}{minus}={rest + 10}, write {rest + 10}.")
        else:
            out.append(f"{COLUMNS[i]}: {x}{minus}={rest}, write {rest}.")
        borrow = int(rest < 0)
    return out


def times_digit(a: int, d: int) -> list[str]:
    """Columns of a * d for a >= 0 and one digit d."""
    left, carry, out = digits(a), 0, []
    for i, x in enumerate(left):
        product = x * d
        total = product + carry
        text = f"{COLUMNS[i]}: {x}*{d}={product}" + (f", {product}+{carry}={total}" if carry else "")
        out.append(text + _write(total, last=i == len(left) - 1))
        carry = total // 10
    return out


def _write(total: int, *, last: bool) -> str:
    if last or total < 10:
        return f", write {total}."
    return f", write {total % 10} carry {total // 10}."
