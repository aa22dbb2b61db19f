"""Answers of exchanges, MADE BY HAND from their documented form, not recorded: the live exchanges were out of reach.

Made in November 2026 from these pages' form as copies of them and independent clients describe it; the numbers are
invented, and nobody has compared them with a live answer yet.

- Kraken: https://docs.kraken.com/rest/#tag/Market-Data/operation/getTickerInformation: `result` maps Kraken's own pair
  name to lists `a` (ask: price, whole lot volume, lot volume), `b` (bid, the same), `c` (last trade: price, lot volume)
  and more; prices are text. An unknown pair is an `error` and no result.
- Coinbase Exchange: https://docs.cdp.coinbase.com/api-reference/exchange-api/rest-api/products/get-product-ticker:
  `ask`, `bid`, `volume`, `trade_id`, `price`, `size`, `time`; prices are text. An unknown product is a 404.
"""

from __future__ import annotations

KRAKEN_BTC_EUR = b"""{"error":[],"result":{"XXBTZEUR":{"a":["52609.60000","1","1.000"],"b":["52609.50000","1","1.000"],
"c":["52641.10000","0.00080000"],"v":["1920.83610601","7954.00219674"],"p":["52389.94668","54022.90683"],
"t":[23329,80463],"l":["51513.90000","51513.90000"],"h":["53219.90000","57200.00000"],"o":"52280.40000"}}}"""

KRAKEN_UNKNOWN_PAIR = b'{"error":["EQuery:Unknown asset pair"]}'

COINBASE_BTC_EUR = b"""{"ask":"52620.05","bid":"52619.95","volume":"5360.02039401","trade_id":86326522,
"price":"52600.48","size":"0.00698254","time":"2026-11-22T09:00:00.833897Z","rfq_volume":"0"}"""

COINBASE_UNKNOWN_PRODUCT = b'{"message":"NotFound"}'

# Kraken calls the pair USDTZUSD in its answer, by the same form; asked for as USDTUSD.
KRAKEN_USDT_USD = b"""{"error":[],"result":{"USDTZUSD":{"a":["0.99990000","1","1.000"],"b":["0.99970000","1","1.000"],
"c":["0.99980000","12.50000000"],"v":["1.0","2.0"],"p":["0.9998","0.9998"],"t":[1,2],"l":["0.9990","0.9990"],
"h":["1.0001","1.0001"],"o":"0.9999"}}}"""

COINBASE_USDT_USD = b"""{"ask":"0.99995","bid":"0.99985","volume":"1000000","trade_id":1,"price":"0.9999","size":"10",
"time":"2026-11-22T09:00:00.833897Z","rfq_volume":"0"}"""
