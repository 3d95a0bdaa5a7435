"""`habitus labels`: what analysts said, as a data set."""

from __future__ import annotations

from pathlib import Path

import click

from serving.cli.keys import opened_store, store_options


@click.command(name="labels")
@store_options
@click.option("--tenant", default="default", show_default=True, help="Whose verdicts.")
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    help="Write them here (Parquet); a file that is there is replaced.",
)
def command(data_dir: Path, url: str | None, tenant: str, out: Path) -> None:
    """Write every verdict with who gave it when, how long after the alert, what others said, and the
    evidence.

    Those that were taken back are there too. Works while the service runs. docs/feedback.md has the
    columns. The file holds names of users, machines and analysts: guard it like the logs.
    """
    run(data_dir, url, tenant, out)


def run(data_dir: Path, url: str | None, tenant: str, out: Path) -> int:
    """Write and count; returns how many verdicts there are."""
    from pyarrow import parquet

    from serving import labelling
    from serving.checkpoints import Folders
    from training.labels import lessons, table

    labelling.check_store(data_dir, url)
    with opened_store(data_dir, url) as database:
        labelling.check_tenant(database, tenant)
        memory = labelling.remembered(Folders(data_dir).state(tenant))
        rows = labelling.labels(database, tenant, memory)
    part = out.with_name(f".{out.name}.part")
    parquet.write_table(table(rows), part, compression="zstd")
    part.replace(out)
    taught = lessons(rows)
    true = sum(one.true is True for one in taught)
    known = sum(bool(one.evidence) for one in taught)
    click.echo(
        f"{out}: {len(rows):,} verdicts; {len(taught):,} entity-days can be learned from, {true:,} of them"
        f" attacks, {known:,} with their evidence"
    )
    return len(rows)
