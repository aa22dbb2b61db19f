"""What the checkout draws is what the canary reads from it, for every length and alphabet that a link may have."""

from __future__ import annotations

import pytest

from strongroom.checkout.qr import draw
from strongroom_client.qr import read_path

LINK = "bitcoin:bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080?amount=0.5&message=Order%201"


@pytest.mark.parametrize("length", range(1, 660, 13))
@pytest.mark.parametrize("alphabet", [LINK, "0123456789", "BC1QAR0SRRR7XFKVY5L643LYDNW9:/"])
def test_a_drawn_code_reads_as_its_text(length: int, alphabet: str):
    text = (alphabet * (length // len(alphabet) + 1))[:length]
    code = draw(text)
    assert read_path(code.size, code.path) == text
