"""Asset weights from a directory file, and the columns of entity-days in every format."""

from __future__ import annotations

import json

import pandas as pd
import pyarrow as pa
import pytest

from features.errors import InputError
from serving import directory
from serving.outputs import ENTITY_DAY_SCHEMA, TableWriter
from tests.activities import batch_of, event
from tests.offices import detector, office

HEAD = "entity_kind,entity,group,weight\n"


def test_the_weight_of_an_asset_multiplies_its_entity_risk(tmp_path):
    path = tmp_path / "assets.csv"
    path.write_text(HEAD + "src_ip,10.0.0.1,gateways,4\nhost,ws-2,desks,\nuser,CORP\\user-2,staff,0.5\n")
    plain, weighted = detector(), detector()
    directory.apply(directory.read(path), weighted)
    risks = []
    for one in (plain, weighted):
        one.score_learn(batch_of(one.baselines, office()))
        frame = one.entity_days("acme")
        today = frame[frame["day"] == frame["day"].max()]
        risks.append(today.set_index(["entity_kind", "entity"])["entity_risk"])
    before, after = risks
    assert before["src_ip", "10.0.0.1"] > 0
    assert after["src_ip", "10.0.0.1"] > 3 * before["src_ip", "10.0.0.1"]
    assert after["user", "user-2"] < before["user", "user-2"]


@pytest.mark.parametrize("weight", ["0", "-1", "heavy", "1e9", "inf"])
def test_a_weight_that_is_no_weight_is_refused_with_the_name(tmp_path, weight):
    path = tmp_path / "assets.csv"
    path.write_text(HEAD + f"host,ws-1,desks,{weight}\n")
    with pytest.raises(InputError, match="ws-1"):
        directory.read(path)


def test_a_directory_without_weights_is_as_before(tmp_path):
    path = tmp_path / "people.csv"
    path.write_text("entity_kind,entity,group\nuser,user-1,staff\n")
    one = detector()
    assert directory.apply(directory.read(path), one) == 1
    assert not len(one.days.ledger.export()["weight"])


def frame() -> pd.DataFrame:
    one = detector()
    one.score_learn(batch_of(one.baselines, office()))
    late = [event(office()[0]["time_us"] - 86_400_000_000, user="late", host="h")]
    one.score_learn(batch_of(one.baselines, late))
    return one.entity_days("acme")


def test_moments_and_risks_are_written_in_every_format(tmp_path):
    days = frame()
    assert list(days.columns) == ENTITY_DAY_SCHEMA.names
    table = pa.Table.from_pandas(days, schema=ENTITY_DAY_SCHEMA, preserve_index=False)
    for format_ in ("parquet", "csv", "ndjson"):
        with TableWriter(tmp_path / f"days.{format_}", ENTITY_DAY_SCHEMA, format_) as out:
            out.write(table)
    parquet = pd.read_parquet(tmp_path / "days.parquet")
    csv = pd.read_csv(tmp_path / "days.csv")
    rows = [json.loads(line) for line in (tmp_path / "days.ndjson").read_text().splitlines()]
    raised = days["alerted_at"].notna()
    assert raised.any()
    assert parquet["alerted_at"].notna().tolist() == csv["alerted_at"].notna().tolist() == raised.tolist()
    assert [row["alerted_at"] is not None for row in rows] == raised.tolist()
    first = int(raised.to_numpy().argmax())
    assert rows[first]["alerted_at"] == csv["alerted_at"][first]
    assert pd.Timestamp(csv["alerted_at"][first]) == parquet["alerted_at"][first] == days["alerted_at"][first]
    never_ranked = days["entity"].eq("late").to_numpy()
    assert [row["entity_risk"] is None for row in rows] == (never_ranked | days["entity"].eq("h")).tolist()
