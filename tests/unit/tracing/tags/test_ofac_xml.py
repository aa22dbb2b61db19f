"""OFAC's advanced XML: names, programmes and every digital currency address, streamed, and no trick of XML's."""

from __future__ import annotations

import bz2
from datetime import date
from pathlib import Path

import pytest

from strongroom_tracing.tags.errors import BadListError
from strongroom_tracing.tags.imports import ofac_xml
from strongroom_tracing.tags.model import Category

BITCOIN = "bip122:000000000019d6689c085ae165831e93"
LIST = """<?xml version="1.0" encoding="utf-8"?>
<Sanctions xmlns="urn:x">
  <DateOfIssue CalendarTypeID="1"><Year>2025</Year><Month>11</Month><Day>19</Day></DateOfIssue>
  <ReferenceValueSets>
    <FeatureTypeValues>
      <FeatureType ID="8">Birthdate</FeatureType>
      <FeatureType ID="344">Digital Currency Address - XBT</FeatureType>
      <FeatureType ID="345">Digital Currency Address - ETH</FeatureType>
      <FeatureType ID="444">Digital Currency Address - XMR</FeatureType>
    </FeatureTypeValues>
    <SanctionsTypeValues>
      <SanctionsType ID="1705">Block</SanctionsType><SanctionsType ID="1">Program</SanctionsType>
    </SanctionsTypeValues>
  </ReferenceValueSets>
  <DistinctParties>
    <DistinctParty FixedRef="7"><Comment>no programme</Comment>
      <Profile ID="7" PartySubTypeID="4"><Identity ID="1" FixedRef="7" Primary="true" False="false">
        <Alias FixedRef="7" AliasTypeID="1400" Primary="false"><DocumentedName ID="1"><DocumentedNamePart>
          <NamePartValue>Nickname</NamePartValue></DocumentedNamePart></DocumentedName></Alias>
        <Alias FixedRef="7" AliasTypeID="1403" Primary="true">
          <DocumentedName ID="2"><DocumentedNamePart><NamePartValue>DOE</NamePartValue></DocumentedNamePart>
            <DocumentedNamePart><NamePartValue>Jane &amp; Co</NamePartValue></DocumentedNamePart></DocumentedName>
          <DocumentedName ID="3"><DocumentedNamePart><NamePartValue>ДОУ</NamePartValue></DocumentedNamePart>
          </DocumentedName>
        </Alias></Identity>
        <Feature ID="1" FeatureTypeID="8"><FeatureVersion><VersionDetail>1980</VersionDetail></FeatureVersion>
        </Feature>
        <Feature ID="2" FeatureTypeID="344"><FeatureVersion><Comment />
          <VersionDetail DetailTypeID="1432">1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN2</VersionDetail></FeatureVersion>
        </Feature>
        <Feature ID="3" FeatureTypeID="345"><FeatureVersion>
          <VersionDetail DetailTypeID="1432">0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed</VersionDetail>
        </FeatureVersion></Feature>
        <Feature ID="4" FeatureTypeID="344"><FeatureVersion>
          <VersionDetail>TR7NHqjeKQxGTCi8q8ZY4pL8otSzgjLj6t</VersionDetail></FeatureVersion></Feature>
        <Feature ID="5" FeatureTypeID="444"><FeatureVersion>
          <VersionDetail>5be5543ff73456ab9f2d</VersionDetail></FeatureVersion></Feature>
      </Profile></DistinctParty>
    <DistinctParty FixedRef="8"><Profile ID="8"><Identity><Alias Primary="true"><DocumentedName>
      <DocumentedNamePart><NamePartValue>NOBODY</NamePartValue></DocumentedNamePart></DocumentedName></Alias></Identity>
    </Profile></DistinctParty>
  </DistinctParties>
  <SanctionsEntries>
    <SanctionsEntry ID="7" ProfileID="7" ListID="1550">
      <EntryEvent><Comment>not this</Comment><Date><Year>2020</Year><Month>1</Month><Day>2</Day></Date></EntryEvent>
      <SanctionsMeasure SanctionsTypeID="1705"><Comment>nor this</Comment></SanctionsMeasure>
      <SanctionsMeasure SanctionsTypeID="1"><Comment>DPRK3</Comment></SanctionsMeasure>
      <SanctionsMeasure SanctionsTypeID="1"><Comment>CYBER2</Comment></SanctionsMeasure>
    </SanctionsEntry>
    <SanctionsEntry ID="8" ProfileID="8"><SanctionsMeasure SanctionsTypeID="1"><Comment>CUBA</Comment>
    </SanctionsMeasure></SanctionsEntry>
  </SanctionsEntries>
</Sanctions>
"""


def test_every_address_has_its_partys_name_and_programmes(tmp_path: Path) -> None:
    path = tmp_path / "sdn.xml"
    path.write_text(LIST, encoding="utf-8")
    tags = ofac_xml.read(path)
    assert [(tag.chain, tag.address) for tag in tags] == [
        (BITCOIN, "1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN2"),
        ("eip155:1", "0x5aaeb6053f3e94c9b9a09f33669435e7ef1beaed"),
        ("tron:0x2b6653dc", "TR7NHqjeKQxGTCi8q8ZY4pL8otSzgjLj6t"),
        ("currency:XMR-UNVERIFIED", "5be5543ff73456ab9f2d"),
    ]
    assert {(tag.label, tag.category, tag.source_date) for tag in tags} == {
        ("DOE Jane & Co", Category.SANCTIONED, date(2025, 11, 19))
    }
    assert tags[0].note == tags[1].note == "programme CYBER2, DPRK3"
    assert tags[2].note == "programme CYBER2, DPRK3; listed as XBT, of which it has not the form"
    assert tags[3].note == "programme CYBER2, DPRK3; no chain's form of an address"


def test_a_packed_list_is_read_as_it_is(tmp_path: Path) -> None:
    plain, packed = tmp_path / "sdn.xml", tmp_path / "sdn.xml.bz2"
    plain.write_text(LIST, encoding="utf-8")
    packed.write_bytes(bz2.compress(LIST.encode()))
    assert ofac_xml.read(packed) == ofac_xml.read(plain)


@pytest.mark.parametrize(
    "content",
    [
        LIST[: len(LIST) // 2].encode(),  # the connection broke
        bz2.compress(LIST.encode())[:-9],
        LIST.replace("<Sanctions ", '<!DOCTYPE a [<!ENTITY b "c">]><Sanctions ', 1).encode(),
        LIST.replace("<Sanctions ", '<!DOCTYPE a SYSTEM "file:///etc/passwd"><Sanctions ', 1).encode(),
        LIST.replace("DateOfIssue", "Other").encode(),
        LIST.replace("Digital Currency Address", "Wallet").encode(),
        b"<html>Access denied</html>",
        b"",
    ],
)
def test_half_a_list_a_trick_and_another_document_are_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "sdn.xml"
    path.write_bytes(content)
    with pytest.raises(BadListError) as caught:
        ofac_xml.read(path, problems=[])
    assert caught.value.code == "tags-list"
