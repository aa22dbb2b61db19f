"""The Idempotency-Key header: the same key and request, the stored answer; another request, a refusal."""

from __future__ import annotations

from typing import Annotated, Final

from litestar.params import Parameter

KEY_LENGTH_MAX: Final = 255

IdempotencyKey = Annotated[
    str | None,
    Parameter(
        header="Idempotency-Key",
        required=False,
        pattern=f"^[!-~]{{1,{KEY_LENGTH_MAX}}}$",
        description="Text of yours without blanks, new for each new request; a repeated one gives the stored answer",
    ),
]
