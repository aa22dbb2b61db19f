"""`changes`, `peel` and `exposure` as an investigator types them, and the examples that the page shows."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from strongroom_tracing.provenance import canonical_json
from tests.unit.tracing.cli.commands import Said, Typing

PAGE = Path(__file__).parents[4] / "docs" / "tracing.md"
REGTEST = "bip122:0f9188f13cb7b2c71f2a335e3a4fc328"


def rests_on(said: Said) -> dict[str, Any]:
    """See that an answer names its chain, height and data, and that its hash is of what it names."""
    facts = dict(said.json["provenance"])
    assert (facts["chain"], facts["height"], len(facts["dataset_hash"])) == (REGTEST, 201, 64)
    assert facts["tool"].startswith("strongroom-tracing ")
    assert hashlib.sha256(canonical_json(facts)).hexdigest() == said.json["provenance_sha256"]
    return facts


def test_the_examples_of_the_page_are_what_the_commands_say(run: Typing, case: str):
    """Blocks of the page that begin with a `$`: each line below it is said, in that order, whatever the blanks."""
    text = PAGE.read_text(encoding="utf-8")
    examples = re.findall(r"```console\n\$ strongroom-trace ([^\n]+)\n(.*?)```", text, re.DOTALL)
    assert {command.split()[0] for command, _ in examples} == {"exposure", "changes", "peel"}
    for command, shown in examples:
        said = run(*command.replace("my-case", case).split())
        assert said.code == 0, said.err
        lines = iter([" ".join(line.split()) for line in said.out.splitlines()])
        for line in filter(None, (" ".join(line.split()) for line in shown.splitlines())):
            assert line in lines, f"{command}: {line}"


def test_change_is_told_by_chain_tx_by_address_and_by_blocks(run: Typing, names: dict[str, str]):
    txid = names["change-reuse-tx-0"]
    said = run("changes", txid, "--json")
    (link,) = said.json["tables"]["changes"]
    assert (link["output"], link["signs"], link["score"], link["value"]) == (
        f"{txid}:{names['change-reuse-position-0']}",
        ["address-reuse"],
        90,
        "100000000",
    )
    assert rests_on(said)["parameters"]["where"] == txid
    of_address = run("changes", link["spender"], "--json").json["tables"]["changes"]
    assert link in of_address
    assert {row["spender"] for row in of_address} == {link["spender"]}
    every = run("changes", "--heights", "0-201", "--json")
    assert link in every.json["tables"]["changes"]
    assert rests_on(every)["parameters"]["heights"] == "0-201"
    assert "and " in run("changes", "--heights", "0-201").out.splitlines()[-2]


def test_a_coinjoin_has_no_change(run: Typing, names: dict[str, str]):
    assert run("changes", names["simple-coinjoin-tx"], "--json").json["tables"]["changes"] == []
    assert "No output" in run("changes", names["simple-coinjoin-tx"]).out


def test_a_peeling_chain_is_followed_from_any_hop_and_found_in_its_blocks(run: Typing, names: dict[str, str]):
    said = run("peel", names["peeling-chain-4-tx"], "--json")
    (chain,) = said.json["chains"]
    assert [hop["txid"] for hop in chain["hops"]] == [names[f"peeling-chain-{hop}-tx"] for hop in range(1, 10)]
    assert (chain["peeled"], chain["left"], chain["ended"], chain["ended_in"]) == (
        "450000000",
        "3749900000",
        "unspent",
        None,
    )
    assert {(type(hop["peeled_value"]), type(hop["carried_value"])) for hop in chain["hops"]} == {(str, str)}
    assert rests_on(said)["parameters"]["least"] == 3
    assert run("peel", "--heights", "141-141", "--json").json["chains"] == [chain]
    assert run("peel", "--heights", "142-201", "--json").json["chains"] == []
    assert run("peel", names["peeling-chain-4-tx"], "--least", "10", "--json").json["chains"] == []
    assert "None:" in run("peel", names["simple-coinjoin-tx"]).out


HELD = "49943742f62d6d0533ea36075dbbe2af77b03390d69d51b37d4f74ff7b3deefc:0"


def test_exposure_counts_marks_tags_and_clusters(run: Typing, case: str, names: dict[str, str]):
    held, mark = HELD, f"{names['taint-split-tx-1']}:0"
    said = run("exposure", held, "-c", case, "--on", "2026-01-02", "--json")
    answer = said.json
    assert [(row["what"], row["labels"], row["value"]) for row in answer["tables"]["exposure"] if row["by"]] == [
        (mark, ["theft-1"], "99986000")
    ]
    assert (answer["mined"], answer["value"], answer["beyond"]) == ("1399954000", "1499940000", {})
    assert [(one["name"], one["days"]) for one in answer["lists_checked"]] == [("fbi-bybit", 310), ("ofac-sdn", 44)]
    facts = rests_on(said)
    assert [one["where"] for one in facts["marks"]] == [mark]
    assert [one["name"] for one in facts["lists"]] == ["fbi-bybit", "ofac-sdn"]
    assert facts["parameters"]["hops"] == 12
    alone = run("exposure", held, "--json")
    assert alone.json["mined"] == "1499940000"
    assert alone.json["provenance_sha256"] != answer["provenance_sha256"]
    assert run("exposure", mark, "-c", case, "--json").json["tables"]["exposure"][0]["part"] == "direct"


def tagged(run: Typing, address: str, confidence: int = 100) -> None:
    Path("mine.csv").write_text(
        "# strongroom tags 1\n# source: me\n# as_of: 2026-01-01\nchain,address,label,category,confidence\n"
        f"{REGTEST},{address},Mt. Example,exchange,{confidence}\n"
    )
    assert run("tags", "import", "mine.csv", "--list", "mine").code == 0


def test_a_tag_counts_for_its_cluster_unless_told_not_to(run: Typing, case: str, names: dict[str, str], indexed: Path):
    """The merging chain tx spends from three addresses, of which one is tagged: they are one owner's."""
    shutil.rmtree(indexed.with_name("index-clusters"), ignore_errors=True)
    merged = f"{names['merge-final-tx']}:0"
    tagged(run, names["merge-addr-1"], confidence=60)
    said = run("exposure", merged, "--on", "2026-01-02")
    assert re.search(r"address +Mt\. Example \(exchange; mine\) +16\.6 %", said.out), said.out
    assert re.search(r"cluster +Mt\. Example \(exchange; mine\) +83\.3 %", said.out), said.out
    assert "mine (1 tags, as of 2026-01-01, 1 days old)" in said.out
    alone = run("exposure", merged, "--addresses-only", "--json").json
    assert [row["by"] for row in alone["tables"]["exposure"] if row["by"]] == ["address"]
    assert alone["provenance"]["parameters"]["cluster_rules"] is None
    assert run("exposure", merged, "--confidence", "61", "--json").json["mined"] == "599960000"
    none = run("exposure", merged, "--no-lists", "-c", case)
    assert "Lists checked: none, so only marks count." in none.out


def test_limits_are_stated_and_what_they_leave_out_is_a_share(run: Typing, case: str):
    said = run("exposure", HELD, "-c", case, "--hops", "1", "--smallest", "0.5")
    assert "Limits: 1 hops, 2000 chain txs, 10000 inputs, shares of 0.50000000 BTC or more." in said.out
    assert "cut short by: hop-limit" in said.out
    beyond = run("exposure", HELD, "-c", case, "--hops", "1", "--json").json
    assert beyond["bounded_by"] == ["hop-limit"]
    shares = [int(row["value"]) for row in beyond["tables"]["exposure"] if row["part"] not in {"direct", "mixed"}]
    assert sum(shares) == int(beyond["value"])


def test_a_coinjoin_on_the_way_is_told(run: Typing, case: str, names: dict[str, str]):
    assert re.search(r"joinmarket +1 +0\.5", run("exposure", f"{names['simple-coinjoin-tx']}:0", "-c", case).out)


def test_actors_are_taken_in_and_named_by_tags(run: Typing):
    Path("actors.yaml").write_text(
        "title: mine\ncreator: me\nactors:\n  - id: mtexample\n    label: Mt. Example Ltd\n    uri: https://example.org\n"
        "    categories: [exchange]\n    jurisdictions: [DE]\n"
    )
    assert run("tags", "actors", "actors.yaml", "--json").json == {"actors": 1}
    assert "1 actors" in run("tags", "actors", "actors.yaml").out
    Path("pack.yaml").write_text(
        "title: mine\ncreator: me\nlastmod: 2026-01-01\nlabel: Mt. Example\nsource: me\ncurrency: BTC\n"
        "actor: mtexample\ncategory: exchange\nconfidence: ownership\n"
        "tags:\n  - address: 1BoatSLRHtKNngkdXEeobR76b53LETtpyT\n"
    )
    assert run("tags", "import", "pack.yaml", "--list", "mine", "--format", "tagpack").code == 0
    said = run("tags", "lookup", "1BoatSLRHtKNngkdXEeobR76b53LETtpyT", "--json").json
    assert "Mt. Example Ltd" in json.dumps(said)
    assert run("tags", "actors", "nowhere.yaml").err.startswith("tags-list")


@pytest.mark.parametrize(
    ("argv", "word"),
    [
        (("exposure", "nonsense"), "output-unknown"),
        (("exposure", f"{'ab' * 32}:0"), "output-unknown"),
        (("exposure", HELD, "--tags", "nowhere"), "lists-missing"),
        (("exposure", HELD, "-c", "nowhere"), "case-missing"),
        (("exposure", HELD, "--smallest", "1e3"), "amount-invalid"),
        (("exposure", HELD, "--on", "yesterday"), "usage"),
        (("changes",), "usage"),
        (("changes", "ab" * 32), "usage"),
        (("changes", "nonsense"), "usage"),
        (("changes", "--heights", "5-4"), "usage"),
        (("changes", "--heights", "0-202"), "usage"),
        (("changes", "--heights", "all"), "usage"),
        (("changes", "ab" * 32, "--heights", "0-1"), "usage"),
        (("peel",), "usage"),
        (("peel", "nonsense"), "usage"),
    ],
)
def test_what_cannot_be_asked_is_said_with_a_code(run: Typing, case: str, argv: tuple[str, ...], word: str):
    said = run(*argv)
    assert (said.code, said.err.startswith(f"{word}: ")) == (1, True), said.err
    assert "Traceback" not in said.err
